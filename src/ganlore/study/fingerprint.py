"""Hashes of code, so that a result is made again exactly when code behind it has changed.

The fingerprint of a file is the hash of its syntax tree without docstrings and without facts that
only describe (`declarations.DESCRIPTIVE`); comments and layout are not in a syntax tree. Of what it
imports from this package only the names count, not the modules that have them. A plug-in counts
by its role ("losses/hinge"), any other file by its content alone, so that a file may move. The
fingerprint of a piece of work covers its entry file and every file of this package that it imports,
directly or through others.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ganlore.study import declarations, registry

NEUTRAL = frozenset({"", "cli", "execution", "study"})
"""Folders of this package ("" is its own) that name, check, move and record, and compute no number
of a result.

What they decide for a run (its settings) is in the settings' hash, so that a better error message
does not retrain a study.
"""


def of(files: Iterable[Path]) -> str:
    """The fingerprint of files and of all that they import: 16 hexadecimal digits."""
    parts = sorted(f"{_role(path)} {_normalised(*_version(path))}" for path in closure(files))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def closure(files: Iterable[Path]) -> set[Path]:
    """The files and every file of this package that they import, however indirectly."""
    seen: set[Path] = set()
    waiting = [path.resolve() for path in files]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(_imports(*_version(path)))
    return seen


def module(name: str) -> Path:
    """The file of one of this package's modules, for example `module("training.session")`."""
    path = declarations.module_file(f"ganlore.{name}")
    assert path is not None, name
    return path


def neutral(path: Path) -> bool:
    """Whether a file of this package computes no number of a result."""
    folders = path.relative_to(declarations.PACKAGE).parts[:-1]
    return (folders[0] if folders else "") in NEUTRAL


def _version(path: Path) -> tuple[Path, int]:
    return path, path.stat().st_mtime_ns


def _role(path: Path) -> str:
    """A plug-in's kind and name, wherever its file is; nothing for any other file."""
    folder = path.parent.name
    return f"{folder}/{path.stem}" if folder in _PLUG_IN_FOLDERS else ""


_PLUG_IN_FOLDERS = {kind.folder for kind in registry.KINDS.values()}


def _own_names(node: ast.AST) -> set[str]:
    """What a statement imports from this package: dotted names that may be modules."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names if alias.name.split(".")[0] == "ganlore"}
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ganlore":
        # `from ganlore.steps import penalties` names a module, `from ganlore.x import y` may
        return {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return set()


@cache
def _imports(path: Path, _changed: int) -> tuple[Path, ...]:
    # what is imported for annotations alone counts as well: such objects come as arguments
    names = {name for node in ast.walk(declarations.parse(path)) for name in _own_names(node)}
    files = (declarations.module_file(name) for name in names)
    return tuple(sorted(file for file in files if file is not None and not neutral(file)))


@cache
def _normalised(path: Path, _changed: int) -> str:
    tree = declarations.parse(path)
    imported = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and _own_names(node):
            imported += [f"{alias.name} as {alias.asname or alias.name}" for alias in node.names]
    for node in ast.walk(tree):
        if isinstance(
            node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.If)
        ):
            facts = isinstance(node, ast.ClassDef)
            kept = [n for n in node.body if not _own_names(n) and not _describes(n, facts)]
            node.body = kept or [ast.Pass()]
    text = "\n".join([ast.unparse(tree), *sorted(imported)])
    return hashlib.sha256(text.encode()).hexdigest()


def _describes(node: ast.stmt, facts: bool) -> bool:
    """Docstrings (and any other bare string), and a class's facts that only describe."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AnnAssign) and "ClassVar" in ast.unparse(node.annotation):
        targets = [node.target]
    return (
        facts
        and bool(targets)
        and all(
            isinstance(target, ast.Name) and target.id in declarations.DESCRIPTIVE
            for target in targets
        )
    )


# -- the pieces of work that have a fingerprint ----------------------------------------------------


def preparation(dataset: str) -> str:
    """Of the code that prepares a data set."""
    return of([module("data"), registry.path_of("dataset", dataset)])


def extraction(extractor: str) -> str:
    """Of the code that fits an extractor."""
    return of([module("features"), registry.path_of("extractor", extractor)])


@cache
def training(
    network: str, loss: str, tricks: tuple[str, ...], extractors: tuple[str, ...] = ()
) -> str:
    """Of the code that trains a run, the extractors that its tricks use included."""
    files = [registry.path_of("extractor", name) for name in extractors]
    return of([module("training.session"), *_plug_ins(network, loss, tricks), *files])


@cache
def evaluation(
    network: str, loss: str, tricks: tuple[str, ...], extractors: tuple[str, ...]
) -> str:
    """Of the code that evaluates a run."""
    files = [registry.path_of("extractor", name) for name in extractors]
    # metrics are found by listing their folder, so no import leads to them
    files += sorted((declarations.PACKAGE / "metrics").glob("*.py"))
    return of([module("evaluation.evaluate"), *_plug_ins(network, loss, tricks), *files])


def reference(extractor: str) -> str:
    """Of the code that measures the data's own features."""
    files = sorted((declarations.PACKAGE / "metrics").glob("*.py"))
    return of([module("evaluation.evaluate"), registry.path_of("extractor", extractor), *files])


def controls(extractor: str) -> str:
    """Of the code that measures real data in disguise."""
    files = sorted((declarations.PACKAGE / "metrics").glob("*.py"))
    return of([module("evaluation.controls"), registry.path_of("extractor", extractor), *files])


def timing() -> str:
    """Of the code that measures what a step costs."""
    return of([module("forecast.rounds")])


def report() -> str:
    """Of the code and the templates of the report."""
    templates = sorted((declarations.PACKAGE / "report" / "templates").glob("*"))
    content = b"".join(path.read_bytes() for path in templates)
    # figures are found by listing their folder, so no import leads to them
    figures = sorted((declarations.PACKAGE / "report" / "figures").glob("*.py"))
    return of([module("report.page"), *figures]) + hashlib.sha256(content).hexdigest()[:16]


def _plug_ins(network: str, loss: str, tricks: tuple[str, ...]) -> list[Path]:
    named = [("network", network), ("loss", loss), *(("trick", trick) for trick in tricks)]
    return [registry.path_of(kind, name) for kind, name in named]
