"""What a step of each of some cells costs, measured so that the cells can be compared.

Times of runs that were trained beside each other, on other days or at other temperatures of a
processor say little of their costs. Here one process builds all cells and makes their steps in
rounds: in each, every cell in turn makes a share of its steps, in another order each round, with
one thread. Cells are compared within a round. Nothing else should run on the machine meanwhile,
which is for the workflow to see to. Arithmetic and memory are counted, and the same in every round.

No data are needed: steps are made on noise of the data's shape.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ganlore import provenance, storage
from ganlore.console import Progress
from ganlore.execution import gpu
from ganlore.forecast import flops
from ganlore.forecast.costs import Costs
from ganlore.steps import seeding
from ganlore.study.run import ROUNDS, Plan, Run
from ganlore.training import build, memory, session
from ganlore.training.graphs import WARM_UP

if TYPE_CHECKING:
    from ganlore.data import Store
    from ganlore.features import Extractor

SHARE = 0.2
"""Seconds that a cell's steps of one round take, or one period if that is longer."""

UNTIMED = WARM_UP + 2
"""Periods before any is timed: those made without a graph, the one that is recorded, and the one
that is compared (`training.graphs`)."""

TRIED = 3
"""Periods by which a share is told, after those."""

LONG = 100_000
"""A budget of so many periods has hardly begun after these."""

Row = dict[str, Any]


def measure(plan: Plan, folder: Path, rounds: int = ROUNDS) -> list[Row]:
    """The costs of the cells `Plan.costs`, by round.

    Args:
        plan: the study's.
        folder: a temporary one.
        rounds: their number.

    Returns:
        One row for each cell and round: the cell's columns, `round`, `step_ms` (the time of a
        discriminator step with its share of the generator's), `step_gflop` (10^9 multiplications
        and additions of it) and `step_memory_mb` (the most MiB that a step saves for its backward
        passes).

    Raises:
        GanloreError: if a data set has to be loaded for its shape and cannot be, or a GPU fails.
    """
    costs = Costs(Plan(plan.study, plan.costs, ()), folder)
    cells = [Cell(run, costs, rounds) for run in plan.costs]
    rows: list[tuple[Run, Row]] = []
    with Progress(f"costs of {plan.study.name}", rounds) as progress:
        for number in range(rounds):
            first = number % len(cells)
            for cell in (*cells[first:], *cells[:first]):
                row = {"round": number, "step_ms": 1000 * cell.round(number)}
                rows.append((cell.run, row))
            progress.update(number + 1, "rounds")
    counted = {cell.run.id: {**cell.gflop(costs), **cell.memory()} for cell in cells}
    return [{**run.cell._asdict(), **row, **counted[run.id]} for run, row in rows]


class Cell:
    """A cell whose steps are made a share at a time.

    Its budget is as many steps as all rounds make, so that what grows or decays over a training
    goes through all of its stages.

    Args:
        run: its first run.
        costs: has stand-ins of its data and its extractors.
        rounds: how many shares there will be.
    """

    def __init__(self, run: Run, costs: Costs, rounds: int) -> None:
        training = run.training.model_copy(update={"threads": 1})
        self.run = run.model_copy(update={"training": training})
        self.device = build.device(training.device)
        self.trainer = session.build_trainer(
            self.run, costs.stores[run.dataset.name], self.device, costs.extractors(run)
        )
        self.period = self.trainer.state.n_critic
        self._plan_periods(LONG)  # tried at the beginning of a training: nothing has grown yet
        self._seconds(0, UNTIMED)
        self.periods = _periods(self._seconds(UNTIMED, TRIED) / TRIED)
        self._plan_periods(rounds * (1 + self.periods))

    def _plan_periods(self, count: int) -> None:
        """Make the budget so many periods."""
        budget = self.run.training.batch * self.period * count
        self.trainer.training = self.run.training.model_copy(update={"budget": budget})

    def round(self, number: int) -> float:
        """Seconds of a step, from a share of the steps after a period that is not timed."""
        first = number * (1 + self.periods)
        self._seconds(first, 1)
        return self._seconds(first + 1, self.periods) / (self.periods * self.period)

    def _seconds(self, first: int, periods: int) -> float:
        """Make the steps of some periods, and give their time."""
        with session.settings_of(self.trainer.training), seeding.scope(self.run.seed, "costs"):
            self._wait()
            began = time.perf_counter()
            for step in range(first * self.period, (first + periods) * self.period):
                self.trainer.step(step)
            self._wait()
            return time.perf_counter() - began

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def memory(self) -> Row:
        """The most MiB that a step of the last period saves for its backward passes."""
        training, peak = self.trainer.training, 0
        with session.settings_of(training), seeding.scope(self.run.seed, "costs"):
            for step in range(training.steps - self.period, training.steps):
                with memory.Meter(self.trainer.state.weights) as meter:
                    self.trainer.step(step, alone=True)
                peak = max(peak, meter.peak)
        return {"step_memory_mb": peak / 2**20}

    def gflop(self, costs: Costs) -> Row:
        """10^9 multiplications and additions of a step: those of a period by its steps."""
        store: Store = costs.stores[self.run.dataset.name]
        extractors: dict[str, Extractor] = costs.extractors(self.run)
        state = build.train_state(self.run, store.shape, store.classes, flops.CPU)
        counted = flops.count(self.run, state, store.shape, store.classes, extractors)
        return {"step_gflop": counted / 1e9}


def _periods(seconds: float) -> int:
    """How many periods of so many seconds fill a share."""
    return max(1, math.ceil(SHARE / max(seconds, 1e-6)))


def write(plan: Plan, rows: list[Row]) -> Path:
    """Write the costs and the record of what they are of; gives the folder."""
    folder = plan.costs_folder
    (folder / "record.json").unlink(missing_ok=True)
    record = {
        **plan.costs_made_of,
        "device": " and ".join(
            sorted({gpu.name(build.device(run.training.device)) for run in plan.costs})
        ),
        "environment": provenance.environment(),
        "files": {"rows.json": storage.write_json(folder / "rows.json", rows)},
    }
    storage.write_record(folder / "record.json", record)
    return folder
