"""Finds losses, tricks, networks, data sets and extractors by file name: the only registry.

A plug-in is one file in its kind's folder: `losses/hinge.py` is the loss `hinge`, and
`losses/wgan_gp.py` the loss `wgan-gp`. Folders that are searched: the package's own, then
`plugins/<folder>` in the working directory, then each folder of the environment variable
`GANLORE_PLUGINS` (separated as in PATH).

What a plug-in *declares* (its settings, what it cannot be combined with, its paper) is read from
the file's syntax tree, without running it: planning a study must not cost the seconds that
importing torch takes. So declarations are literals in the class body:

- `clip: PositiveFloat = 0.01`, with an annotation, is a setting that a study may change;
- `paper = "arXiv:1701.07875"`, without one, is a fact (the names in `declarations.FACTS` are read).
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError, create_model

from ganlore.errors import GanloreError, unknown
from ganlore.settings import NoTruthAsNumber
from ganlore.study.declarations import PACKAGE, parse, read_class
from ganlore.study.explain import explain, refuse_nul


@dataclass(frozen=True)
class Kind:
    """A kind of plug-in: its folder, and the module attribute that names its class."""

    folder: str
    attribute: str


KINDS = {
    "loss": Kind("losses", "LOSS"),
    "trick": Kind("tricks", "TRICK"),
    "network": Kind("networks", "NETWORK"),
    "dataset": Kind("data", "DATASET"),
    "extractor": Kind("features", "EXTRACTOR"),
}


class _Settings(NoTruthAsNumber):
    """The settings of a plug-in: no others than it declares."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Declaration:
    """What a plug-in says of itself.

    Attributes:
        kind: loss, trick, network, dataset or extractor.
        name: the file's name with hyphens.
        path: the file.
        summary: the first line of the class's docstring.
        facts: the values of the attributes in `declarations.FACTS`.
        model: the settings with their types and defaults.
    """

    kind: str
    name: str
    path: Path
    summary: str
    facts: dict[str, Any]
    model: type[BaseModel]

    def settings(self, values: dict[str, Any]) -> dict[str, Any]:
        """All settings, the given ones in place of the defaults, checked and JSON-ready.

        Raises:
            GanloreError: for an unknown key or an impossible value.
        """
        refuse_nul(values, f"settings of {self.kind} {self.name!r}")
        try:
            return self.model.model_validate(values).model_dump(mode="json")
        except ValidationError as error:
            raise explain(error, self.model, f"settings of {self.kind} {self.name!r}") from None

    def fact(self, name: str, default: Any = None) -> Any:
        """A fact, or the default where the plug-in does not state it."""
        return self.facts.get(name, default)

    def provided(self, settings: dict[str, Any] | None = None) -> set[str]:
        """What it provides: its fact `provides`, and by its settings what `provides_if` tells.

        `provides_if = {thing: {setting: values}}`: the thing is there where each of the settings
        has one of the values.

        Args:
            settings: all of its settings; the defaults where they are left out.
        """
        values = self.settings({}) if settings is None else settings
        provided = set(self.fact("provides", ()))
        for thing, wanted in self.fact("provides_if", {}).items():
            if all(values[name] in options for name, options in wanted.items()):
                provided.add(thing)
        return provided


def folders(kind: str) -> list[Path]:
    """The folders that are searched for a kind of plug-in, in order."""
    return list(_folders(kind, os.environ.get("GANLORE_PLUGINS", ""), str(Path.cwd())))


@lru_cache(maxsize=64)
def _folders(kind: str, own: str, here: str) -> tuple[Path, ...]:
    roots = [str(PACKAGE), "plugins", *(part for part in own.split(os.pathsep) if part)]
    distinct = dict.fromkeys(Path(here, root).resolve() for root in roots)
    return tuple(root / KINDS[kind].folder for root in distinct)


def find(kind: str) -> dict[str, Path]:
    """All plug-ins of a kind: name -> file, sorted by name.

    Raises:
        GanloreError: if two files have the same name.
    """
    there = [folder for folder in folders(kind) if folder.is_dir()]
    return dict(_find(kind, tuple((folder, folder.stat().st_mtime_ns) for folder in there)))


@lru_cache(maxsize=64)
def _find(kind: str, dated: tuple[tuple[Path, int], ...]) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for folder, _ in dated:
        for path in sorted(folder.glob("[!_]*.py")):
            name = path.stem.replace("_", "-")
            if name in paths:
                raise GanloreError(
                    f"two files define the {kind} {name!r}: {paths[name]} and {path}\n"
                    "  rename one of them"
                )
            paths[name] = path
    return dict(sorted(paths.items()))


def path_of(kind: str, name: str, where: str = "") -> Path:
    """The file of a plug-in.

    Raises:
        GanloreError: if there is none, with the nearest name.
    """
    paths = find(kind)
    if name not in paths:
        raise unknown(kind, name, paths, where)
    return paths[name]


_looked_up: ContextVar[dict[tuple[str, str], Declaration] | None] = ContextVar("looked_up")


def checks(losses: Iterable[str]) -> set[str]:
    """Those losses that are another one of them under another name (`equal_to`)."""
    names = set(losses)
    return {name for name in names if declaration("loss", name).fact("equal_to") in names}


@contextmanager
def unchanging() -> Iterator[None]:
    """A block in which no plug-in's file changes: each is looked for once, not at every question.

    For plans, which ask tens of thousands of times.
    """
    before = _looked_up.set(_looked_up.get(None) or {})
    try:
        yield
    finally:
        _looked_up.reset(before)


def declaration(kind: str, name: str) -> Declaration:
    """What a plug-in declares, read without running it."""
    cached = _looked_up.get(None)
    if cached is not None and (kind, name) in cached:
        return cached[kind, name]
    path = path_of(kind, name)
    result = _declaration(kind, name, path, path.stat().st_mtime_ns)
    if cached is not None:
        cached[kind, name] = result
    return result


@cache
def _declaration(kind: str, name: str, path: Path, _changed: int) -> Declaration:
    module = parse(path)
    attribute = KINDS[kind].attribute
    targets = [
        node.value.id
        for node in module.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Name)
        and any(isinstance(target, ast.Name) and target.id == attribute for target in node.targets)
    ]
    if len(targets) != 1:
        raise GanloreError(
            f"{path}: a {kind} file ends with one line `{attribute} = <its class>`; "
            f"found {len(targets)}"
        )
    summary, facts, fields = read_class(path, targets[0])
    try:
        model = create_model(f"{name} settings", __base__=_Settings, **fields)
    except (LookupError, NameError, PydanticUserError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise GanloreError(f"{path}: the settings of {name!r} have no types: {reason}") from None
    return Declaration(kind, name, path, summary, facts, model)


def load(kind: str, name: str) -> type[Any]:
    """Import a plug-in's file and give its class."""
    path = path_of(kind, name)
    return getattr(_module(path), KINDS[kind].attribute)  # type: ignore[no-any-return]


def create(kind: str, name: str, settings: dict[str, Any]) -> Any:
    """An instance of a plug-in with checked settings."""
    model = declaration(kind, name).model.model_validate(settings)
    plugin = load(kind, name)(
        **{field: getattr(model, field) for field in type(model).model_fields}
    )
    plugin.name = name
    return plugin


def _module(path: Path) -> types.ModuleType:
    if path.is_relative_to(PACKAGE):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        return importlib.import_module(".".join((PACKAGE.name, *parts)))
    # The whole path is in the name, so that two folders may hold files of one name.
    name = "ganlore_plugin_" + "_".join(path.with_suffix("").parts[1:])
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
