"""A trainer whose steps are captured and replayed (`graphs.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganlore.errors import GanloreError
from ganlore.training import replay
from ganlore.training.graphs import Graphs, cuda_graph
from ganlore.training.trainer import Trainer
from ganlore.training.watched import Watch

if TYPE_CHECKING:
    from ganlore.steps import Schedule
    from ganlore.training.trainer import Updates


@dataclass
class CapturedTrainer(Trainer):
    """Makes steps from graphs, and those that cannot be captured as `Trainer` does."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._watch: Watch | None = None
        capture = cuda_graph if self.device.type == "cuda" else replay.capture
        strict = self.training.capture == "on"
        rngs, weights = list(self.rng.values()), self.state.weights
        self.graphs = Graphs(self.updates, rngs, weights, self.device, strict, capture)

    @property
    def captured(self) -> str:
        """Whether steps are captured: "yes", or "no: " and the reason."""
        return "yes" if self.graphs.refusal is None else f"no: {self.graphs.refusal}"

    def step(self, number: int, alone: bool = False) -> Updates:
        """Make a step, from a graph unless it is to be `alone` or cannot be captured."""
        schedule, generator_too = self.begin(number), self.updates_generator(number)
        if not alone and self.graphs.ready(schedule, generator_too):
            for phase in self.rng:
                self.seeded(phase, number)
            updates = self.graphs.step(schedule, self.batch(number), generator_too)
            if updates is not None:
                return updates
            schedule = self.begin(number)
        with self.graphs.without(schedule, generator_too):
            if alone or self.graphs.refusal is not None:
                return self.updates(schedule, None, generator_too)
            return self._watched(schedule, generator_too)

    def _watched(self, schedule: Schedule, generator_too: bool) -> Updates:
        """Make a step without a graph, and see whether others like it can be made from one."""
        first = self.graphs.made(schedule, generator_too) == 1
        watch = self._watch = Watch((*self.state.plugins, *self.state.networks))
        try:
            with watch:
                updates = self.updates(schedule, None, generator_too)
        finally:
            self._watch = None
        if reason := watch.reason(first):
            self.graphs.refuse(GanloreError(reason))
        return updates

    def shown(self, schedule: Schedule) -> Schedule:
        """A schedule as a step has it, which is watched where that step is."""
        return schedule if self._watch is None else self._watch.schedule(schedule)
