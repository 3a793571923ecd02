"""A trainer whose steps are captured and replayed (`graphs.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganlore.training import replay
from ganlore.training.graphs import Graphs, cuda_graph
from ganlore.training.trainer import Trainer

if TYPE_CHECKING:
    from ganlore.training.trainer import Updates


@dataclass
class CapturedTrainer(Trainer):
    """Makes steps from graphs, and those that cannot be captured as `Trainer` does."""

    def __post_init__(self) -> None:
        super().__post_init__()
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
            return self.updates(schedule, None, generator_too)
