"""How far a study is, and the time to its end."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from ganlore import storage
from ganlore.execution import freshness
from ganlore.study.run import Plan, Run

BESIDE = 1.5
"""Core-seconds that a run of the default study takes beside its training, most of them to evaluate
it. Without warm workers it is four more."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        state: done, stale, running, interrupted, failed or missing.
        note: the error of a failed run; the step of a running one.
        share: the share of its training that is done.
    """

    state: str
    note: str = ""
    share: float = 0.0


def progress(plan: Plan, run: Run) -> Progress:
    """Where a run stands, from its small files; large ones are not hashed."""
    folder = plan.folder(run)
    if (folder / "run.json").exists():
        record = storage.read_json(folder / "run.json", "run snakemake")
        evaluation = folder / "evaluation.json"
        evaluated = storage.read_json(evaluation, "run snakemake") if evaluation.exists() else None
        if changes := freshness.changes(run, record, evaluated, Path(plan.study.data)):
            return Progress("stale", f"{changes}; snakemake makes it again")
        if evaluated is None:
            return Progress("running", "trained, not yet evaluated", 0.9)
        return Progress("done", record["status"], 1.0)
    state = Path(plan.study.results) / "state" / run.id
    if (state / "failed.json").exists():
        return Progress("failed", json.loads((state / "failed.json").read_text())["error"])
    if (state / "progress.json").exists():
        saved = json.loads((state / "progress.json").read_text())
        share = saved["step"] / run.training.steps
        alive = psutil.pid_exists(saved["pid"])
        note = f"step {saved['step']} of {run.training.steps}"
        return Progress("running" if alive else "interrupted", note, share)
    return Progress("missing")


def stages(plan: Plan) -> dict[str, Progress]:
    """Where each run stands, by its id; one that is done is stale if its data's files changed."""
    changed, _ = freshness.changed_files(plan)
    all_stages = {run.id: progress(plan, run) for run in plan.runs}
    for run in plan.runs:
        if run.dataset.name in changed and all_stages[run.id].state == "done":
            note = f"{changed[run.dataset.name]}; snakemake makes it again"
            all_stages[run.id] = Progress("stale", note)
    return all_stages


def seconds_left(plan: Plan, stages: dict[str, Progress], cores: int) -> float | None:
    """Wall seconds to the end, from the runs that are done; None while there is none.

    A run's time is that of finished runs of its cell, else of its data set and network.
    """
    cells: dict[tuple[str, ...], list[float]] = {}
    for run in plan.runs:
        if stages[run.id].state == "done":
            seconds = json.loads((plan.folder(run) / "run.json").read_text())["seconds"]
            for key in (run.cell, run.cell[:2]):
                cells.setdefault(key, []).append(seconds)
    total = 0.0
    for run in plan.runs:
        times = cells.get(run.cell) or cells.get(run.cell[:2])
        if stages[run.id].state != "done":
            if not times:
                return None
            total += (statistics.mean(times) + BESIDE) * (1 - stages[run.id].share)
    return total / max(cores, 1)


def tally(stages: dict[str, Progress]) -> Counter[str]:
    """How many runs are in each state."""
    return Counter(stage.state for stage in stages.values())
