"""What a study takes on the disk: before it starts, and at its worst moment."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ganlore.errors import GanloreError
from ganlore.evaluation.evaluate import STRIP
from ganlore.execution.status import progress
from ganlore.forecast.costs import Costs
from ganlore.formatting import size
from ganlore.study import registry, trials
from ganlore.study.run import Plan

FEATURES = 2048
"""Numbers that an extractor keeps of an image at most (Inception's)."""

ROW = 400
"""Bytes of a row of a history, in a run's file, the table and the publication together."""

EVENTS = 4_000
"""Bytes of the events of a row of a history, or of a snapshot's metrics."""

RECORDS = 40_000
"""Bytes of a run's records, metrics and log."""


@dataclass(frozen=True)
class DiskSpace:
    """Bytes that a study takes. None of them is measured; all are from above.

    Attributes:
        data: prepared data and extractors' features that are not there yet.
        kept: files of runs that stay, of runs that are not done yet.
        working: states and snapshots of the runs that train side by side.
        run: files of a run that stay, at most.
        free: bytes free where results go.
    """

    data: int
    kept: int
    working: int
    run: int
    free: int

    @property
    def peak(self) -> int:
        """The most that the study takes at a time, beyond what it has already."""
        return self.data + self.kept + self.working

    def check(self, where: str) -> None:
        """Raises a GanloreError where there is too little space."""
        if self.peak > self.free:
            raise GanloreError(
                f"{where}: the study wants up to {size(self.peak)} on the disk, and "
                f"{size(self.free)} are free: {self}\n"
                "  keep less (keep: {snapshots: last, checkpoints: none}), run a part of it "
                "(--config 'seeds=[0]'),\n"
                "  name another disk (results: ...), or start all the same: "
                "--config 'keep={check_room: false}'"
            )

    def __str__(self) -> str:
        return (
            f"{size(self.data)} of data, {size(self.kept)} kept ({size(self.run)} a run), "
            f"{size(self.working)} while training"
        )


def disk_space(costs: Costs, jobs: int) -> DiskSpace:
    """What a study takes beyond what is there, with the trials of its search.

    A state is whole before it takes the place of the one before, and a run that waits for its
    evaluation has its snapshots beside those of the next one: hence the factors 2 and 3.

    Args:
        costs: those of the study's cells.
        jobs: runs that train side by side.
    """
    plan = costs.plan
    shapes = {name: store.shape for name, store in costs.stores.items()}
    rungs = [
        Costs(rung, costs.folder / f"rung{number}")
        for number, rung in enumerate(trials.forecast(plan.study))
    ]
    takes = [(0, 0), *(both for part in (costs, *rungs) for both in _of_runs(part, shapes))]
    kept, working = zip(*takes, strict=True)
    extractors = {
        name: dict.fromkeys(
            e for part in (costs, *rungs) for e in part.plan.extractors.get(name, ())
        )
        for name in shapes
    }
    there = Path(plan.study.results).resolve()
    while not there.exists():
        there = there.parent
    return DiskSpace(
        data=sum(_data(plan, name, shape, extractors[name]) for name, shape in shapes.items()),
        kept=sum(kept),
        working=jobs * max(working),
        run=max(kept),
        free=shutil.disk_usage(there).free,
    )


def _of_runs(costs: Costs, shapes: dict[str, tuple[int, ...]]) -> Iterator[tuple[int, int]]:
    """What each run that is not done keeps, and what it takes while it trains."""
    plan, keep = costs.plan, costs.plan.study.keep
    for run in plan.runs:
        if progress(plan, run).state == "done":
            continue
        sizes, snapshots = costs.sizes[run.cell], run.training.snapshots
        stay = {"all": snapshots, "last": 1, "none": 0}[keep.snapshots] * sizes.snapshot
        stay += (keep.checkpoints == "all") * sizes.checkpoint
        whole = (keep.states == "all") * (sizes.state + snapshots * sizes.snapshot)
        stay += whole
        # samples of the last snapshot and some of each; a loss has about as many of its own
        pictures = 2 * run.protocol.pictures + STRIP * run.training.snapshots
        stay += pictures * math.prod(shapes[run.dataset.name])
        if plan.study.training.tensorboard:
            measured = run.training.snapshots * len(run.extractors)
            stay += (run.training.history + measured) * EVENTS
            stay += 3 * pictures * math.prod(shapes[run.dataset.name])  # grey becomes RGB
        working = 2 * sizes.state + 3 * snapshots * sizes.snapshot + sizes.checkpoint + whole
        yield stay + run.training.history * ROW + RECORDS, working


def _data(plan: Plan, name: str, shape: tuple[int, ...], extractors: Iterable[str]) -> int:
    """A data set and the features of its extractors, where they are not there yet."""
    root, settings = Path(plan.study.data), plan.datasets[name]
    declared = registry.declaration("dataset", name)
    n = sum(declared.fact("counts", {}).values())
    n = n or settings.get("n_train", 0) + settings.get("n_test", 0)
    n = n or int(1.25 * declared.fact("n_train", 0))
    images = len(shape) == 3
    needed = 0
    if not (root / "prepared" / name / "manifest.json").exists():
        needed += n * (math.prod(shape) * (1 if images else 4) + 8)
    for extractor in extractors:
        if not (root / "extractors" / name / extractor / "record.json").exists():
            needed += n * 4 * (FEATURES if images else math.prod(shape))
    return needed
