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
    used: dict[tuple[str, str], None] = {}
    for run in runs:
        used[("dataset", run.dataset.name)] = None
        used[("network", run.network.name)] = None
        used[("loss", run.loss.name)] = None
        used.update(dict.fromkeys(("trick", t.name) for t in (*run.tricks, *run.applied)))
        names = (*run.extractors, *run.training_extractors)
        used.update(dict.fromkeys(("extractor", name) for name in names))
    paths = {(kind, name): registry.path_of(kind, name) for kind, name in used}
    return {key: path for key, path in paths.items() if not path.is_relative_to(PACKAGE)}


def lines(runs: Iterable[Run]) -> Iterator[str]:
    """Name each such file, and say what it means to use it; nothing where there is none."""
    named = files(runs)
    for (kind, name), path in named.items():
        place = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        yield f"plug-in: {kind.replace('dataset', 'data set')} {name} ({place})"
    if named:
        yield f"note: {NOTE}"
