"""The plug-ins of a study that are not part of this package: perhaps the code of somebody else.

Planning reads their syntax trees and runs nothing of them; training and evaluation import them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ganlore.study import registry
from ganlore.study.declarations import PACKAGE
from ganlore.study.run import Run

NOTE = (
    "plug-ins of this folder are Python code, which runs with your rights: read what is not yours"
)


def files(runs: Iterable[Run]) -> dict[tuple[str, str], Path]:
    """The files of plug-ins outside of the package that runs use, by kind and name."""
    return _outside(
        key
        for run in runs
        for key in (
            ("dataset", run.dataset.name),
            *_trained(run),
            *(("extractor", name) for name in run.extractors),
        )
    )


def trained(run: Run) -> dict[tuple[str, str], Path]:
    """Those that make the steps of a run, likewise."""
    return _outside(_trained(run))


def _trained(run: Run) -> Iterator[tuple[str, str]]:
    yield "network", run.network.name
    yield "loss", run.loss.name
    yield from (("trick", trick.name) for trick in (*run.tricks, *run.applied))
    yield from (("extractor", name) for name in run.training_extractors)


def _outside(used: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Path]:
    paths = {(kind, name): registry.path_of(kind, name) for kind, name in dict.fromkeys(used)}
    return {key: path for key, path in paths.items() if not path.is_relative_to(PACKAGE)}


def lines(runs: Iterable[Run]) -> Iterator[str]:
    """Name each such file, and say what it means to use it; nothing where there is none."""
    named = files(runs)
    for (kind, name), path in named.items():
        place = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        yield f"plug-in: {kind.replace('dataset', 'data set')} {name} ({place})"
    if named:
        yield f"note: {NOTE}"
