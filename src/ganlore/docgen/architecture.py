"""The packages of the source, what each is for, and which imports which, from the syntax trees."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path


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
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    files = sorted(folder.rglob("*.py"))
    imported = {name for path in files for name in _imports(path)} & names
    summary = " ".join(doc.split("\n\n")[0].split()).split(". ")[0].rstrip(".")
    return Package(folder.name, summary, len(files), frozenset(imported - {folder.name}))


def _imports(path: Path) -> set[str]:
    """The names directly below `ganlore` that a file imports."""
    packages = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "ganlore":
            modules = [f"ganlore.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
        packages |= {name.split(".")[1] for name in modules if name.startswith("ganlore.")}
    return packages


def layers(root: Path) -> list[tuple[str, ...]]:
    """The packages from the top down, as import-linter holds them (`pyproject.toml`)."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    (contract, *_) = settings["tool"]["importlinter"]["contracts"]
    return [tuple(name.strip() for name in row.split(":")) for row in contract["layers"]]


def import_graph(root: Path) -> str:
    """A Mermaid graph of the packages in layers.

    An import that a chain of others implies has no arrow of its own: with all of them the picture
    could not be read. The table of the page has them all.
    """
    imports = {package.name: set(package.imports) for package in packages(root)}
    lines = ["graph TD"]
    for index, names in enumerate(layers(root)):
        boxes = [name for name in names if name in imports]
        if len(boxes) > 1:
            lines += [f'  subgraph layer{index}[" "]', "    direction LR"]
            lines += [*(f"    {name}" for name in boxes), "  end"]
        else:
            lines += [f"  {name}" for name in boxes]
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
