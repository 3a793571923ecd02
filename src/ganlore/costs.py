"""What a study costs before it starts."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ganlore import storage
from ganlore.grid import Plan, Run

if TYPE_CHECKING:
    from ganlore.data import Store
    from ganlore.features import Extractor


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
