"""What a look at a study in progress shows: runs that train, what is finished, FID, time left."""

from __future__ import annotations

import csv
import math
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from ganlore.execution import records, status
from ganlore.study.run import Plan, Run

ATTENTION = ("running", "failed", "interrupted", "stale")
"""States that are listed run by run, in this order."""


@dataclass(frozen=True)
class Seen:
    """A run as it stands.

    Attributes:
        run: its settings.
        stage: its state, a note, and the share of its training that is done.
        fid: at its last snapshot; None where it is not evaluated or diverged.
        at: when it was evaluated, in seconds since 1970; 0.0 where it is not.
    """

    run: Run
    stage: status.Progress
    fid: float | None = None
    at: float = 0.0


@dataclass(frozen=True)
class View:
    """A study as it stands.

    Attributes:
        runs: each run, in the plan's order.
        seconds_left: None while unknown.
    """

    name: str
    runs: tuple[Seen, ...]
    seconds_left: float | None

    @property
    def counts(self) -> Counter[str]:
        """How many runs are in each state."""
        return Counter(seen.stage.state for seen in self.runs)

    @property
    def finished(self) -> bool:
        """Whether all runs are done."""
        return self.counts["done"] == len(self.runs)

    @property
    def share(self) -> float:
        """The share of all training that is done."""
        return sum(seen.stage.share for seen in self.runs) / max(len(self.runs), 1)

    @property
    def attention(self) -> list[Seen]:
        """Runs that train, have failed, or wait to be made again."""
        listed = [seen for seen in self.runs if seen.stage.state in ATTENTION]
        return sorted(listed, key=lambda seen: ATTENTION.index(seen.stage.state))

    def latest(self, n: int) -> list[Seen]:
        """The runs that were evaluated last, the newest first."""
        done = [seen for seen in self.runs if seen.at]
        return sorted(done, key=lambda seen: -seen.at)[:n]

    def cells(self, n: int) -> list[tuple[str, float, int]]:
        """The cells of lowest mean FID so far of each data set and network: name, mean, seeds.

        The mean is geometric, as in the report, where all values are positive.
        """
        values: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for seen in self.runs:
            if seen.fid is not None:
                values[seen.run.cell].append(seen.fid)
        by_matrix: dict[tuple[str, ...], list[tuple[float, str, int]]] = defaultdict(list)
        for cell, fids in values.items():
            mean = statistics.geometric_mean if min(fids) > 0 else statistics.mean
            entry = (mean(fids), "/".join(cell), len(fids))
            by_matrix[cell[0], cell[1], cell[4]].append(entry)
        lists = (sorted(cells)[:n] for cells in by_matrix.values())
        return [(name, mean, seeds) for cells in lists for mean, name, seeds in cells]


@dataclass
class Watcher:
    """Looks at a study again and again; what has not changed is not read again."""

    plan: Plan
    cores: int
    _fids: dict[str, tuple[float, float | None]] = field(default_factory=dict)

    def look(self) -> View:
        """The study as it stands now."""
        stages = status.stages(self.plan)
        runs = tuple(self._seen(run, stages[run.id]) for run in self.plan.runs)
        left = status.seconds_left(self.plan, stages, self.cores)
        return View(self.plan.study.name, runs, left)

    def _seen(self, run: Run, stage: status.Progress) -> Seen:
        folder = self.plan.folder(run)
        try:
            at = (folder / records.EVALUATED).stat().st_mtime
        except OSError:
            return Seen(run, stage)
        if self._fids.get(run.id, (0.0, None))[0] != at:
            self._fids[run.id] = at, _last_fid(folder / "metrics.csv", run.extractors[0])
        return Seen(run, stage, self._fids[run.id][1], at)


def _last_fid(path: Path, extractor: str) -> float | None:
    """FID at the last snapshot of a table of metrics; None where the run diverged."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                row
                for row in csv.DictReader(file)
                if row["metric"] == "fid" and row["extractor"] == extractor
            ]
        value = float(rows[-1]["value"] or "nan") if rows else math.nan
    except (OSError, ValueError, KeyError):  # it is being written, or `ganlore verify` says more
        return None
    return value if math.isfinite(value) else None
