"""What a study needs, how far it is, and whether its files are what their records say."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlore import provenance, storage
from ganlore.errors import GanloreError
from ganlore.grid import Plan, Run

if TYPE_CHECKING:
    from ganlore.data import Store
    from ganlore.features import Extractor

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
    """Where a run stands, from its files; nothing is imported or computed."""
    folder = plan.folder(run)
    if (folder / "run.json").exists():
        record = storage.read_json(folder / "run.json", "run snakemake")
        if what := changed(run, record, Path(plan.study.data)):
            return Progress("stale", f"{what} changed since; snakemake trains it again")
        if not (folder / "evaluation.json").exists():
            return Progress("running", "trained, not yet evaluated", 0.9)
        return Progress("done", record["status"], 1.0)
    state = Path(plan.study.results) / "state" / run.id
    if (state / "failed.json").exists():
        return Progress("failed", json.loads((state / "failed.json").read_text())["error"])
    if (state / "progress.json").exists():
        told = json.loads((state / "progress.json").read_text())
        share = told["step"] / run.training.steps
        alive = _alive(told["pid"])
        note = f"step {told['step']} of {run.training.steps}"
        return Progress("running" if alive else "interrupted", note, share)
    return Progress("missing")


def changed(run: Run, record: dict[str, Any], data: Path) -> str:
    """What is other now than when a run was trained; empty where nothing is."""
    current = (run.training_hash(), run.training_code())
    if (record["settings_hash"], record["code_hash"]) != current:
        return "settings or code"
    fitted = None
    with contextlib.suppress(GanloreError):  # of one that is missing
        fitted = provenance.fitted(run.training_extractors, run.dataset.name, data)
    return "" if record.get("extractors", {}) == fitted else "an extractor"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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
        known = cells.get(run.cell) or cells.get(run.cell[:2])
        if stages[run.id].state != "done":
            if not known:
                return None
            total += (statistics.mean(known) + BESIDE) * (1 - stages[run.id].share)
    return total / max(cores, 1)


@dataclass(frozen=True)
class Cost:
    """What a cell costs: seconds of a run's training, and MiB that its files take."""

    seconds: float
    megabytes: float


def measure(
    plan: Plan,
    run: Run,
    store: Store,
    steps: int | None = None,
    extractors: dict[str, Extractor] | None = None,
) -> Cost:
    """Train a run for a few steps in a temporary folder and extrapolate.

    Args:
        plan: the study.
        run: one run of the cell.
        store: its prepared data.
        steps: discriminator steps that are timed, after as many that are not; by default a fortieth
            of the run's, from 5 to 20.
        extractors: those that the run trains with.
    """
    from ganlore import build, checkpoint, train

    steps = steps or min(20, max(5, run.training.steps // 40))
    change = {"snapshots": 1, "history": 2, "budget": 2 * steps * run.training.batch}
    short = run.model_copy(update={"training": run.training.model_copy(update=change)})
    with tempfile.TemporaryDirectory() as folder:
        state = checkpoint.State(Path(folder), "", float("inf"))
        train.train(short, store, state, build.device(run.training.device), extractors)
        saved = storage.read_sealed(state.path)
        size = next(Path(folder).glob("snapshot-*.pt")).stat().st_size
        whole = state.path.stat().st_size
    assert saved is not None
    rows = saved["history"]
    step = (rows[-1]["seconds"] - rows[0]["seconds"]) / (rows[-1]["step"] - rows[0]["step"])
    return Cost(step * run.training.steps, (run.training.snapshots * size + whole) / 2**20)


def costs(plan: Plan) -> dict[tuple[str, ...], Cost]:
    """The cost of each cell, measured here and now on a few steps of each."""
    from ganlore import features, plugins
    from ganlore.data import Store, prepare

    found: dict[tuple[str, ...], Cost] = {}

    @cache
    def fitted(dataset: str, name: str) -> Extractor:
        folder = Path(plan.study.data) / "extractors" / dataset / name
        if (folder / "record.json").exists():
            return features.open_fitted(name, stores[dataset], folder)
        return features.fit_here(name, stores[dataset])

    with tempfile.TemporaryDirectory() as folder:
        stores: dict[str, Store] = {}
        for name, settings in plan.datasets.items():
            prepared = Path(plan.study.data) / "prepared" / name
            if (prepared / "manifest.json").exists():
                stores[name] = Store.open(prepared)
            else:
                dataset = plugins.create("dataset", name, settings)
                stores[name] = prepare(name, dataset, settings, Path(folder) / name)
        for run in plan.runs:
            if run.cell not in found:
                dataset = run.dataset.name
                extractors = {name: fitted(dataset, name) for name in run.training_extractors}
                found[run.cell] = measure(plan, run, stores[dataset], extractors=extractors)
    return found


def verify(plan: Plan) -> tuple[int, list[str]]:
    """Check every file of a study against its record.

    Returns:
        The number of files that were checked, and what is wrong, one text for each finding.
    """
    data = Path(plan.study.data)
    records = [data / "prepared" / name / "manifest.json" for name in plan.datasets]
    records += [
        data / "extractors" / name / extractor / "record.json"
        for name, extractors in plan.extractors.items()
        for extractor in extractors
    ]
    kept = (
        data / "extractors" / name / extractor / "reference" / protocol.place / "record.json"
        for (name, extractor), protocol in plan.references.items()
    )
    records += [record for record in kept if record.exists()]  # an evaluation can do without
    for run in plan.runs:
        records += [plan.folder(run) / "run.json", plan.folder(run) / "evaluation.json"]
    checked, wrong = 0, []
    for path in records:
        remedy = f"delete {path.parent} and run snakemake"
        try:
            files = storage.hashes(storage.read_json(path, remedy))
        except GanloreError as error:
            wrong.append(str(error))
            continue
        for name, digest in files.items():
            checked += 1
            try:
                storage.check(path.parent / name, digest, remedy)
            except GanloreError as error:
                wrong.append(str(error))
    for run in plan.runs:
        path = plan.folder(run) / "run.json"
        if path.exists():
            checked += 1
            wrong += _settings_findings(run, json.loads(path.read_text()), path, data)
    return checked, wrong


def _settings_findings(run: Run, record: dict[str, Any], path: Path, data: Path) -> list[str]:
    """Whether a run's record tells the settings that its hash was made of, and the study's."""
    told = Run.model_validate(record["settings"]).training_hash()
    if told != record["settings_hash"]:
        return [
            f"{path}: its settings were altered\n  expected hash {record['settings_hash']}\n"
            f"  found    hash {told}\n  to make it again: delete {path.parent} and run snakemake"
        ]
    if what := changed(run, record, data):
        return [f"{path}: stale, {what} changed since\n  to mend it: run snakemake"]
    return []


def tally(stages: dict[str, Progress]) -> Counter[str]:
    """How many runs are in each state."""
    return Counter(stage.state for stage in stages.values())
