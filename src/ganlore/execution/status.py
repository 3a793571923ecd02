"""How far a study is, and the time to its end."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from ganlore import formatting, shapes, storage
from ganlore.errors import GanloreError
from ganlore.execution import freshness, records
from ganlore.study import trials
from ganlore.study.run import Plan, Run

STATES = ("done", "trained", "running", "interrupted", "failed", "stale", "missing")
"""The states of a run, in the order in which they are told."""

AGAIN = "delete it and run snakemake"

BESIDE = 1.5
"""Core-seconds that a run of the default study takes beside its training, most of them to evaluate
it. Without warm workers it is four more."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands.

    Attributes:
        state: done, trained (not yet evaluated), stale, running (a living process trains it),
            interrupted, failed or missing.
        note: the error of a failed run; the step of a running one.
        share: the share of its training that is done.
    """

    state: str
    note: str = ""
    share: float = 0.0


def progress(plan: Plan, run: Run) -> Progress:
    """Where a run stands, from its small files; large ones are not hashed."""
    if (plan.folder(run) / records.TRAINED).exists():
        return _trained(plan, run)
    state = Path(plan.study.results) / "state" / run.id
    if (state / "failed.json").exists():
        failed = storage.read_json(state / "failed.json", AGAIN, shapes.Failed)
        return Progress("failed", failed["error"])
    if (state / "progress.json").exists():
        saved = storage.read_json(state / "progress.json", AGAIN, shapes.Progress)
        share = saved["step"] / run.training.steps
        alive = _alive(saved["pid"], saved["time"])
        note = f"step {saved['step']} of {run.training.steps}"
        if alive:
            return Progress("running", note, share)
        log = Path(plan.study.results) / "logs" / "train" / f"{run.id}.log"
        ended = f"process {saved['pid']} was ended or crashed, and could not say why; see {log}"
        return Progress("interrupted", f"{note}: {ended}", share)
    return Progress("missing")


def _trained(plan: Plan, run: Run) -> Progress:
    folder = plan.folder(run)
    try:
        record = records.trained(run, folder)
        there = (folder / records.EVALUATED).exists()
        evaluated = records.evaluated(run, folder) if there else None
    except GanloreError as error:
        return Progress("stale", str(error))
    if changes := freshness.changes(run, record, evaluated, Path(plan.study.data)):
        return Progress("stale", f"{changes}; snakemake makes it again")
    if evaluated is None:
        return Progress("trained", "not yet evaluated", 0.9)
    return Progress("done", record["status"], 1.0)


def _alive(pid: int, reported: float) -> bool:
    """Whether the process that reported at a time lives: its number may be another one's by now."""
    try:
        process = psutil.Process(pid)
        # a process begins before it reports; to the second, as the system's clock is adjusted
        began_before = process.create_time() <= reported + 1
        return bool(began_before and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def stages(plan: Plan) -> dict[str, Progress]:
    """Where each run stands, by its id; one that is done is stale if its data's files changed."""
    changed, _ = freshness.changed_files(plan)
    all_stages = {run.id: progress(plan, run) for run in plan.runs}
    for run in plan.runs:
        if run.dataset.name in changed and all_stages[run.id].state == "done":
            note = f"{changed[run.dataset.name]}; snakemake makes it again"
            all_stages[run.id] = Progress("stale", note)
    return all_stages


UNKNOWN = "unknown until each data set and network has a finished run"
"""What stands in the place of a time left that is None."""


def time_left(seconds: float | None) -> str:
    """`seconds_left` in words."""
    return UNKNOWN if seconds is None else f"about {formatting.duration(seconds)}"


def seconds_left(plan: Plan, stages: dict[str, Progress], cores: int) -> float | None:
    """Wall seconds to the end, from the runs that are done; None while it is `UNKNOWN`.

    A run's time is that of finished runs of its cell, else of its data set and network.
    """
    cells: dict[tuple[str, ...], list[float]] = {}
    for run in plan.runs:
        if stages[run.id].state == "done":
            seconds = records.trained(run, plan.folder(run))["seconds"]
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


def rungs(plan: Plan) -> Iterator[str]:
    """How far a study's search is, a line for each rung; nothing without one."""
    if plan.study.search is None:
        return
    for rung in range(1, len(plan.study.search.rungs) + 1):
        try:
            of_rung = trials.of_rung(plan.study, rung)
        except GanloreError:
            yield f"search, rung {rung}: waits for rung {rung - 1}"
            continue
        done = tally(stages(of_rung))["done"]
        yield f"search, rung {rung}: {done} of {len(of_rung.runs)} trials done"


def tally(stages: dict[str, Progress]) -> Counter[str]:
    """How many runs are in each state."""
    return Counter(stage.state for stage in stages.values())
