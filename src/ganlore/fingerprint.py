"""Hashes of code, so that a result is made again exactly when code behind it has changed.

The fingerprint of a file is the hash of its syntax tree without docstrings and without facts that
only describe (`plugins.DESCRIPTIVE`); comments and layout are not in a syntax tree at all. The
fingerprint of a piece of work covers its entry file and every file of this package that it imports,
directly or through others.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ganlore import plugins

NEUTRAL = frozenset(
    {
        "__init__",
        "client",
        "config",
        "console",
        "errors",
        "fingerprint",
        "gpu",
        "grid",
        "plan",
        "plugins",
        "provenance",
        "slots",
        "storage",
        "weights",
        "workers",
    }
)
"""Modules of this package that name, check, move and record, and compute no number of a result.

What they decide for a run (its settings) is in the settings' hash, so that a better error message
does not retrain a study.
"""


def of(files: Iterable[Path]) -> str:
    """The fingerprint of files and of all that they import: 16 hexadecimal digits."""
    everything = sorted(closure(files), key=_label)
    text = "\n".join(f"{_label(path)} {_normalised(*_version(path))}" for path in everything)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
    """The file of one of this package's modules, for example `module("train")`."""
    path = plugins.module_file(f"ganlore.{name}")
    assert path is not None, name
    return path


def _version(path: Path) -> tuple[Path, int]:
    return path, path.stat().st_mtime_ns


def _label(path: Path) -> str:
    """Paths inside the package are relative to it: a fingerprint is the same on all machines."""
    inside = path.is_relative_to(plugins.PACKAGE)
    return (
        str(path.relative_to(plugins.PACKAGE))
        if inside
        else f"plugins/{path.parent.name}/{path.name}"
    )


@cache
def _imports(path: Path, _changed: int) -> tuple[Path, ...]:
    names: set[str] = set()
    # what is imported for annotations alone counts as well: such objects come as arguments
    for node in ast.walk(plugins.parse(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from ganlore import penalties` names a module, `from ganlore.x import y` may.
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    found = (plugins.module_file(name) for name in names)
    return tuple(sorted(file for file in found if file is not None and not _neutral(file)))


def _neutral(path: Path) -> bool:
    return path.parent == plugins.PACKAGE and path.stem in NEUTRAL


@cache
def _normalised(path: Path, _changed: int) -> str:
    tree = plugins.parse(path)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            facts = isinstance(node, ast.ClassDef)
            node.body = [item for item in node.body if not _describes(item, facts)] or [ast.Pass()]
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()


def _describes(node: ast.stmt, facts: bool) -> bool:
    """Docstrings (and any other bare string), and a class's facts that only describe."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return (
        facts
        and isinstance(node, ast.Assign)
        and all(
            isinstance(target, ast.Name) and target.id in plugins.DESCRIPTIVE
            for target in node.targets
        )
    )


# -- the pieces of work that have a fingerprint ----------------------------------------------------


def preparation(dataset: str) -> str:
    """Of the code that prepares a data set."""
    return of([module("data"), plugins.path_of("dataset", dataset)])


def extraction(extractor: str) -> str:
    """Of the code that fits an extractor."""
    return of([module("features"), plugins.path_of("extractor", extractor)])


@cache
def training(
    network: str, loss: str, tricks: tuple[str, ...], extractors: tuple[str, ...] = ()
) -> str:
    """Of the code that trains a run, the extractors that its tricks use included."""
    files = [plugins.path_of("extractor", name) for name in extractors]
    return of([module("train"), *_plug_ins(network, loss, tricks), *files])


@cache
def evaluation(
    network: str, loss: str, tricks: tuple[str, ...], extractors: tuple[str, ...]
) -> str:
    """Of the code that evaluates a run."""
    files = [plugins.path_of("extractor", name) for name in extractors]
    # metrics are found by listing their folder, so no import leads to them
    files += sorted((plugins.PACKAGE / "metrics").glob("*.py"))
    return of([module("evaluate"), *_plug_ins(network, loss, tricks), *files])


def reference(extractor: str) -> str:
    """Of the code that measures the data's own features."""
    files = sorted((plugins.PACKAGE / "metrics").glob("*.py"))
    return of([module("evaluate"), plugins.path_of("extractor", extractor), *files])


def report() -> str:
    """Of the code and the templates of the report."""
    templates = sorted((plugins.PACKAGE / "templates").glob("*"))
    shown = hashlib.sha256(b"".join(path.read_bytes() for path in templates)).hexdigest()[:16]
    return of([module("report")]) + shown


def _plug_ins(network: str, loss: str, tricks: tuple[str, ...]) -> list[Path]:
    named = [("network", network), ("loss", loss), *(("trick", trick) for trick in tricks)]
    return [plugins.path_of(kind, name) for kind, name in named]
