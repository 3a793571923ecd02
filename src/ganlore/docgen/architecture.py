"""The packages of the source, what each is for, and which imports which, from the syntax trees."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

LAYERS = (
    ("command line", ("cli",)),
    ("results for readers", ("docgen", "publishing", "report")),
    ("numbers", ("analysis", "forecast")),
    ("runs", ("evaluation", "training", "execution")),
    ("what is compared", ("losses", "tricks", "features")),
    ("what a step sees", ("steps",)),
    ("plug-ins below a step", ("data", "networks", "metrics")),
    ("studies", ("study",)),
)
"""Layers from the top down; a package may import those of lower layers."""


@dataclass(frozen=True)
class Package:
    """A package of the source.

    Attributes:
        name: within `ganlore`.
        summary: the first sentence of its docstring.
        modules: the number of its Python files.
        imports: the other packages that it imports, type-only imports included.
    """

    name: str
    summary: str
    modules: int
    imports: frozenset[str]


def packages(root: Path) -> list[Package]:
    """All packages below `src/ganlore`, by name."""
    source = root / "src" / "ganlore"
    folders = sorted(path.parent for path in source.glob("*/__init__.py"))
    names = {folder.name for folder in folders}
    return [_package(folder, names) for folder in folders]


def _package(folder: Path, names: set[str]) -> Package:
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    files = sorted(folder.rglob("*.py"))
    imported = {name for path in files for name in _imports(path)} & names
    summary = " ".join(doc.split("\n\n")[0].split()).split(". ")[0].rstrip(".")
    return Package(folder.name, summary, len(files), frozenset(imported - {folder.name}))


def _imports(path: Path) -> set[str]:
    """The names directly below `ganlore` that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "ganlore":
            modules = [f"ganlore.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
        found |= {name.split(".")[1] for name in modules if name.startswith("ganlore.")}
    return found


def import_graph(root: Path) -> str:
    """A Mermaid graph of the packages in layers.

    An import that a chain of others implies has no arrow of its own: with all of them the picture
    could not be read. The table of the page has them all.
    """
    imports = {package.name: set(package.imports) for package in packages(root)}
    lines = ["graph TD"]
    placed = {name for _, names in LAYERS for name in names}
    layers = [*LAYERS, ("elsewhere", tuple(sorted(set(imports) - placed)))]
    for index, (title, names) in enumerate(layers):
        boxes = [f"    {name}" for name in names if name in imports]
        if boxes:
            lines += [f'  subgraph layer{index}["{title}"]', "    direction LR", *boxes, "  end"]
    for name, targets in sorted(imports.items()):
        implied = {far for near in targets for far in _reachable(near, imports, {name})}
        lines += [f"  {name} --> {target}" for target in sorted(targets - implied)]
    return "\n".join(lines)


def _reachable(start: str, imports: dict[str, set[str]], seen: set[str]) -> set[str]:
    """The packages that `start` imports, directly or through others, but for those in `seen`."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        for name in imports.get(waiting.pop(), set()) - reached - seen - {start}:
            reached.add(name)
            waiting.append(name)
    return reached
