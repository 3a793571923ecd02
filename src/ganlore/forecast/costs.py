"""What a study will cost, before it starts: arithmetic, time, and disk space.

Three kinds of numbers, never mixed: arithmetic is counted, time on this machine is measured on a
few steps, and time on a GPU that is not here is estimated from the arithmetic at a rate that the
user states. No data are needed where a data set tells its shape.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganlore import arrays, data, shapes, storage
from ganlore.data import Dataset, Split, Store
from ganlore.forecast import flops
from ganlore.study import registry
from ganlore.study.run import Cell, Plan, Run
from ganlore.training import build, checkpoint, session
from ganlore.training.graphs import WARM_UP

if TYPE_CHECKING:
    from ganlore.features import Extractor
    from ganlore.steps import TrainState


STAND_IN = 256
"""Samples of a data set that stands for a larger one."""

LONG = 0.1
"""Seconds beyond which a step is timed only once or twice."""

HEAVY = 10e9
"""Multiplications and additions beyond which a processor is timed on a part of the batch."""

PART = 8
"""That part is an eighth: what needs several samples at once still has them."""


class _Anything(Dataset):
    """Noise of a data set's shape, to be timed with."""

    def __init__(self, shape: tuple[int, ...], classes: int, n: int) -> None:
        self.shape, self.n, self.labels = shape, max(n, STAND_IN, classes), classes

    def load(self) -> dict[str, Split]:
        """Splits of the same size, of which no sample is in the other."""
        rng = np.random.default_rng(0)
        labels = np.arange(self.n) % self.labels if self.labels else None
        return {split: Split(self._noise(rng), labels) for split in data.SPLITS}

    def _noise(self, rng: np.random.Generator) -> NDArray[Any]:
        size = (self.n, *self.shape)
        if len(self.shape) == 3:
            return rng.integers(256, size=size, dtype=np.uint8)
        return rng.standard_normal(size, dtype=np.float32)


@dataclass
class Costs:
    """The costs of a plan's runs, found out as they are asked for.

    Attributes:
        plan: the study.
        folder: a temporary one.
    """

    plan: Plan
    folder: Path
    _extractors: dict[tuple[str, str], Extractor] = field(default_factory=dict)

    @cached_property
    def stores(self) -> dict[str, Store]:
        """What stands for each data set: noise of its shape, or itself where it does not tell it.

        Raises:
            GanloreError: if a data set has to be loaded for its shape and cannot be.
        """
        stores = {}
        batch = max(run.training.batch for run in self.plan.runs)
        for name, settings in self.plan.datasets.items():
            plugin: Dataset = registry.create("dataset", name, settings)
            prepared = Path(self.plan.study.data) / "prepared" / name / "manifest.json"
            form = plugin.form()
            if prepared.exists():
                manifest = storage.open_record(prepared, "run snakemake", shapes.Manifest)
                form = tuple(manifest["shape"]), int(manifest["classes"])
            stand_in = _Anything(*form, batch) if form else plugin
            stores[name] = data.prepare(name, stand_in, settings, self.folder / name)
        return stores

    def extractors(self, run: Run) -> dict[str, Extractor]:
        """What a run trains with, fitted to noise: it costs the same."""
        store = self.stores[run.dataset.name]
        for name in run.training_extractors:
            if (store.name, name) not in self._extractors:
                short = registry.declaration("extractor", name).model.model_fields
                few = {"epochs": 1} if "epochs" in short else {}
                extractor: Extractor = registry.create("extractor", name, few)
                extractor.load(extractor.fit(store)[0], store)
                self._extractors[store.name, name] = extractor
        return {name: self._extractors[store.name, name] for name in run.training_extractors}

    # -- counted -----------------------------------------------------------------------------------

    @cached_property
    def sizes(self) -> dict[Cell, flops.Sizes]:
        """What a run of each cell saves."""
        return self._along_axes(lambda run: flops.sizes(run, self._state(run)), flops.Sizes.sum)

    @cached_property
    def work(self) -> dict[Cell, float]:
        """Multiplications and additions that a run of each cell trains with."""

        def count(run: Run) -> float:
            store = self.stores[run.dataset.name]
            state, extractors = self._state(run), self.extractors(run)
            step = flops.count(run, state, store.shape, store.classes, extractors)
            return step * run.training.steps

        return self._along_axes(count, lambda one, plain, other: one * other / plain)

    def _state(self, run: Run) -> TrainState:
        store = self.stores[run.dataset.name]
        return build.train_state(run, store.shape, store.classes, flops.CPU)

    def _along_axes(
        self, find: Callable[[Run], Any], combine: Callable[[Any, Any, Any], Any]
    ) -> dict[Cell, Any]:
        """A number of each cell: found for each loss and each trick, combined for the others.

        With twenty losses and twenty-six tricks that is forty-five cells in place of five hundred.
        """
        costs: dict[Cell, Any] = {}
        for block in self._blocks():
            # the corner that most cells can be combined from
            loss, trick = (
                max(sorted(names), key=names.count)
                for names in zip(*((cell.loss, cell.trick) for cell in block), strict=True)
            )
            for cell in block:
                edges = [cell._replace(trick=trick), cell._replace(loss=loss)]
                corners = [edges[0], cell._replace(loss=loss, trick=trick), edges[1]]
                whole = cell in corners or any(corner not in block for corner in corners)
                for needed in [cell] if whole else corners:
                    if needed not in costs:
                        costs[needed] = find(self.plan.firsts[needed])
                if not whole:
                    costs[cell] = combine(*(costs[corner] for corner in corners))
        return costs

    def _blocks(self) -> Iterator[list[Cell]]:
        """The cells of each data set, network and variant."""
        blocks: dict[tuple[str, ...], list[Cell]] = {}
        for cell in self.plan.firsts:
            blocks.setdefault((cell.dataset, cell.network, cell.variant), []).append(cell)
        yield from blocks.values()

    # -- measured ----------------------------------------------------------------------------------

    def timed(self, patience: float) -> tuple[dict[Cell, float], int]:
        """Seconds of a run of each cell on this machine.

        Cells are timed, a few steps of each, until patience ends; from those the others follow by
        their arithmetic.

        Args:
            patience: seconds to spend.

        Returns:
            The seconds, and how many cells were timed.
        """
        began = time.perf_counter()
        seconds: dict[Cell, float] = {}
        for cell in self._in_turns():
            seconds[cell] = self.measure(self.plan.firsts[cell])
            if time.perf_counter() - began > patience:
                break
        timed = set(seconds)
        for cell in self.plan.firsts.keys() - timed:
            near = [other for other in timed if other[:2] == cell[:2]] or timed
            rate = statistics.median(seconds[other] / self.work[other] for other in near)
            seconds[cell] = rate * self.work[cell]
        return seconds, len(timed)

    def _in_turns(self) -> Iterator[Cell]:
        """The cells, those of each block in turn: a network that comes late is not left out."""
        for group in itertools.zip_longest(*self._blocks()):
            yield from filter(None, group)

    def measure(self, run: Run) -> float:
        """Seconds of a run, from a few of its steps after as many that are not timed."""
        n_critic = build.n_critic(
            registry.create("loss", run.loss.name, run.loss.settings),
            [registry.create("trick", part.name, part.settings) for part in run.applied],
        )
        heavy = self.work[run.cell] / run.training.steps > HEAVY
        cpu = build.device(run.training.device).type == "cpu"
        part = PART if heavy and cpu and run.training.batch % PART == 0 else 1
        step = part * self._step(run, n_critic, run.training.batch // part)
        if step < LONG:
            # captured steps come after some of each kind that are not
            many = max(n_critic * (WARM_UP + 3), min(20, run.training.steps // 40))
            step = self._step(run, many, run.training.batch)
        return step * run.training.steps

    def _step(self, run: Run, steps: int, batch: int) -> float:
        """Seconds of a step, as the mean of so many after as many that are not timed."""
        change = {"snapshots": 1, "history": 2, "batch": batch, "budget": 2 * steps * batch}
        short = run.model_copy(update={"training": run.training.model_copy(update=change)})
        store = self.stores[run.dataset.name]
        device = build.device(run.training.device)
        with tempfile.TemporaryDirectory() as folder:
            checkpoints = checkpoint.Checkpoints(Path(folder), "", float("inf"))
            session.train(short, store, checkpoints, device, self.extractors(run))
            saved = arrays.read_sealed(checkpoints.path)
        assert saved is not None
        first, last = saved["history"][0], saved["history"][-1]
        return float((last["seconds"] - first["seconds"]) / (last["step"] - first["step"]))
