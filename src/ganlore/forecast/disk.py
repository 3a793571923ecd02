"""What a study takes on the disk: before it starts, and at its worst moment."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganlore import formatting
from ganlore.errors import GanloreError
from ganlore.forecast.costs import Costs
from ganlore.forecast.flops import Sizes
from ganlore.report.samples import COURSE
from ganlore.study import registry
from ganlore.study.run import Plan, Run
from ganlore.study.schema import Keep

FEATURES = 2048
"""Numbers that an extractor keeps of an image at most (Inception's)."""

ROW = 400
"""Bytes of a row of a history, in a run's file, the table and the publication together."""

RECORDS = 40_000
"""Bytes of a run's records, metrics and log."""

PAGE = 4 / 3
"""Bytes of the report for each of a picture's pixels: a palette PNG, not compressed, in base 64."""


@dataclass(frozen=True)
class DiskSpace:
    """Bytes that a study takes. None of them is measured; all are from above.

    Attributes:
        data: prepared data and extractors' features that are not there yet.
        kept: files of runs that stay, of runs that are not done yet.
        working: states and snapshots of the runs that train side by side.
        report: the page with its pictures.
        run: files of a run that stay, at most.
        free: bytes free where results go.
    """

    data: int
    kept: int
    working: int
    report: int
    run: int
    free: int

    @property
    def peak(self) -> int:
        """The most that the study takes at a time, beyond what it has already."""
        return self.data + self.kept + self.working + self.report

    def check(self, where: str) -> None:
        """Raises a GanloreError where there is too little space."""
        if self.peak > self.free:
            raise GanloreError(
                f"{where}: the study wants up to {formatting.size(self.peak)} on the disk, and "
                f"{formatting.size(self.free)} are free: {self}\n"
                "  keep less (keep: {snapshots: last, checkpoints: none}), run a part of it "
                "(--config 'seeds=[0]'),\n"
                "  name another disk (results: ...), or start all the same: "
                "--config 'keep={check_room: false}'"
            )

    def __str__(self) -> str:
        return (
            f"{formatting.size(self.data)} of data, {formatting.size(self.kept)} kept ({formatting.size(self.run)} a run), "
            f"{formatting.size(self.working)} while training, {formatting.size(self.report)} for the report"
        )


def disk_space(costs: Costs, jobs: int) -> DiskSpace:
    """What a study takes beyond what is there.

    Args:
        costs: those of the study's cells.
        jobs: runs that train side by side.
    """
    plan = costs.plan
    left = [run for run in plan.runs if not (plan.folder(run) / "evaluation.json").exists()]
    kept = [_run(run, costs, plan.study.keep) for run in left]
    pixels = {name: _pixels(costs.stores[name].shape) for name in plan.datasets}
    return DiskSpace(
        data=sum(_data(plan, costs, name, settings) for name, settings in plan.datasets.items()),
        kept=sum(kept),
        working=jobs * max((_working(run, costs.sizes[run.cell]) for run in left), default=0),
        report=int(sum(PAGE * _shown(run) * pixels[run.dataset.name] for run in plan.runs)),
        run=max(kept, default=0),
        free=free(Path(plan.study.results)),
    )


def _shown(run: Run) -> int:
    """Samples that are kept and shown of a run: of its last snapshot, and some of each."""
    return int(run.protocol.pictures + COURSE[1] * run.training.snapshots)


def free(path: Path) -> int:
    """Bytes free on the disk where a folder is or will be."""
    there = path.resolve()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


def _run(run: Run, costs: Costs, keep: Keep) -> int:
    """What stays of a run."""
    sizes = costs.sizes[run.cell]
    snapshots = {"all": run.training.snapshots, "last": 1, "none": 0}[keep.snapshots]
    networks = snapshots * sizes.snapshot + (keep.checkpoints == "all") * sizes.checkpoint
    # a loss has pictures of its own, about as many as samples
    pictures = run.protocol.pictures + _shown(run)
    samples = pictures * math.prod(costs.stores[run.dataset.name].shape)
    return networks + samples + run.training.history * ROW + RECORDS


def _working(run: Run, sizes: Sizes) -> int:
    """A run in training at its worst: the end, when all is written before anything is deleted.

    A state is whole before it takes the place of the one before; a run that waits for its
    evaluation has its snapshots beside those of the next one.
    """
    return 2 * sizes.state + 3 * run.training.snapshots * sizes.snapshot + sizes.checkpoint


def _data(plan: Plan, costs: Costs, name: str, settings: dict[str, Any]) -> int:
    """A data set and the features of its extractors, where they are not there yet."""
    root, shape = Path(plan.study.data), costs.stores[name].shape
    counts = registry.declaration("dataset", name).fact("counts", {})
    n = sum(counts.values()) or settings.get("n_train", 0) + settings.get("n_test", 0)
    n = n or int(1.25 * registry.declaration("dataset", name).fact("n_train", 0))
    images = len(shape) == 3
    sample = math.prod(shape) * (1 if images else 4) + 8
    found = 0 if (root / "prepared" / name / "manifest.json").exists() else n * sample
    for extractor in plan.extractors[name]:
        if not (root / "extractors" / name / extractor / "record.json").exists():
            found += n * 4 * (FEATURES if images else math.prod(shape))
    return found


def _pixels(shape: tuple[int, ...]) -> int:
    """Pixels of a sample's picture; a point is a small one."""
    return math.prod(shape[1:]) if len(shape) == 3 else 16
