"""The updates of a run: of the discriminator in each step, of the generator in some."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

import torch

from ganlore.steps import Moment, Schedule, Step, TrainState, seeding
from ganlore.steps.draws import Draws, Tape
from ganlore.steps.step import Phase
from ganlore.training import build
from ganlore.training.scheduled import Values, schedule_at, set_rates

if TYPE_CHECKING:
    from ganlore.settings import Optimizer
    from ganlore.study.schema import Training
    from ganlore.training.batches import Batch, Batches

Update = tuple[Step, torch.Tensor]
"""The step of an update, and its loss."""

Updates = tuple[Update, Update | None]
"""The updates of the discriminator and, in every n_critic-th step, of the generator."""


def minimise(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Make one step of an optimiser, with gradients of its own parameters only."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter in parameters:
        parameter.grad = None
    torch.autograd.backward(loss, inputs=parameters)
    build.step(optimizer)


@dataclass
class Trainer:
    """Makes a run's steps.

    Steps differ only in their batch, keyed random numbers and `Schedule`, so that a step can be
    captured and replayed.

    Attributes:
        state: the training state.
        batches: the batch of every step.
        training: the study's training settings.
        optimizer: the optimisers' settings, after the tricks' changes.
        seed: the run's.
        device: where the networks are.
        uncaptured: that steps are not captured, and why (`session.uncaptured`).
    """

    state: TrainState
    batches: Batches
    training: Training
    optimizer: Optimizer
    seed: int
    device: torch.device
    uncaptured: str = "no"

    def __post_init__(self) -> None:
        self._values = Values(self.device)
        self._batch: tuple[int, Batch] | None = None
        self.rng: dict[Phase, torch.Generator] = {
            phase: torch.Generator(self.device) for phase in get_args(Phase)
        }

    @property
    def captured(self) -> str:
        """Whether steps are captured, for the run's record."""
        return self.uncaptured

    def step(self, number: int, alone: bool = False) -> Updates:
        """Make a step: the discriminator's update and, in every n_critic-th step, the generator's.

        Args:
            number: of the step, from 0.
            alone: whether Python code around it sees it, so that it may not come from a graph.
        """
        return self.updates(self.begin(number), None, self.updates_generator(number))

    def updates_generator(self, number: int) -> bool:
        """Whether a step updates the generator too."""
        return (number + 1) % self.state.n_critic == 0

    def begin(self, number: int) -> Schedule:
        """Prepare a step's updates: seeds, schedule, learning rates, the tricks' stages."""
        seeding.seed_globals(self.seed, "global", number)  # for code without a generator argument
        schedule = self.schedule_of(number)
        set_rates(self.state.optimizers, schedule, self._values)
        for trick in self.state.tricks:
            own = f"{trick.name}."
            numbers = {
                name.removeprefix(own): number
                for name, number in schedule.numbers.items()
                if name.startswith(own)
            }
            trick.stage(numbers, self.state.networks)
        return self._values.of(schedule)

    def schedule_of(self, number: int) -> Schedule:
        """The scheduled values of a step."""
        generator_steps, progress = number // self.state.n_critic, number / self.training.steps
        moment = Moment(number, generator_steps, progress, self.training.batch)
        schedule = schedule_at(self.state, self.optimizer, moment)
        freeze = self.training.freeze_generator
        return replace(schedule, frozen=freeze is not None and progress >= freeze)

    def updates(self, schedule: Schedule, batch: Batch | None, generator_too: bool) -> Updates:
        """The updates of a step, in the order that the study sets; `batch` is as in `see`."""
        if generator_too and self.training.order == "generator-first":
            update = self.generator(schedule, batch)
            return self.discriminator(schedule, update[0], batch), update
        update = self.discriminator(schedule, None, batch)
        return update, self.generator(schedule, batch) if generator_too else None

    def discriminator(
        self, schedule: Schedule, before: Step | None = None, batch: Batch | None = None
    ) -> Update:
        """Update the discriminator; `before` is as in `Step`, `batch` as in `see`."""
        step = self.see("discriminator", schedule, before, batch)
        with step.draws.active():
            loss = step.discriminator_loss()
            minimise(self.state.optimizers[1], loss)
            for plugin in self.state.plugins:
                plugin.after_discriminator(step)
        return step, loss

    def generator(self, schedule: Schedule, batch: Batch | None = None) -> Update:
        """Update the generator; `batch` is as in `see`."""
        step = self.see("generator", schedule, None, batch)
        with step.draws.active():
            loss = step.generator_loss()
            minimise(self.state.optimizers[0], loss)
            for trick in self.state.tricks:
                trick.after_generator(step)
        return step, loss

    def see(
        self,
        phase: Phase,
        schedule: Schedule,
        before: Step | None = None,
        batch: Batch | None = None,
    ) -> Step:
        """The step of an update, with its batch and its own random numbers.

        Args:
            phase: the network that is updated.
            schedule: of the step.
            before: as in `Step`.
            batch: tensors that a captured step reads, filled for each replay; its random
                generators are seeded by then, and cannot be rewound. By default the step's own.
        """
        number, latent = schedule.moment.step, self.training.latent
        draws: Draws = Draws(self.seeded(phase, number)) if batch is None else Tape(self.rng[phase])
        images, labels = self.batch(number) if batch is None else batch
        shown = self.shown(schedule)
        return Step(self.state, phase, images, labels, draws.rng, shown, latent, before, draws)

    def shown(self, schedule: Schedule) -> Schedule:
        """A schedule as a step has it."""
        return schedule

    def batch(self, number: int) -> Batch:
        """The batch of a step, the same for both updates."""
        if self._batch is None or self._batch[0] != number:
            self._batch = number, self.batches[number]
        return self._batch[1]

    def seeded(self, phase: Phase, number: int) -> torch.Generator:
        """The random generator of an update, by its key."""
        return self.rng[phase].manual_seed(seeding.seed_of(self.seed, phase, number))
