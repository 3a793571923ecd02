"""The updates of a run: of the discriminator in each step, of the generator in some."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from ganlore.steps import Moment, Schedule, Step, TrainState, seeding
from ganlore.steps.schedule import beta2, learning_rate_factor
from ganlore.training import build

if TYPE_CHECKING:
    from ganlore.settings import Optimizer
    from ganlore.steps.step import Phase
    from ganlore.study.schema import Training
    from ganlore.training.batches import Batch, Batches

Update = tuple[Step, torch.Tensor]
"""The step of an update, and its loss."""


def minimise(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Make one step of an optimiser, with gradients of its own parameters only."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter in parameters:
        parameter.grad = None
    torch.autograd.backward(loss, inputs=parameters)
    build.step(optimizer)


def set_rates(optimizers: tuple[torch.optim.Optimizer, ...], schedule: Schedule) -> None:
    """Set learning rates and, for Adam, beta2."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            first = group.setdefault("first_lr", group["lr"])
            group["lr"] = first * schedule.learning_rate
            if "betas" in group:
                group["betas"] = (group["betas"][0], schedule.beta2)


def schedule_at(state: TrainState, optimizer: Optimizer, moment: Moment) -> Schedule:
    """The scheduled values of a step.

    Args:
        state: the training state, for its loss and tricks.
        optimizer: the optimisers' settings, after the tricks' changes.
        moment: the progress of the run.
    """
    factor = math.prod(trick.learning_rate(moment.progress) for trick in state.tricks)
    factor *= learning_rate_factor(optimizer, moment.progress)
    numbers = {
        f"{plugin.name}.{name}": number
        for plugin in state.plugins
        for name, number in plugin.scheduled(moment).items()
    }
    return Schedule(moment, factor, beta2(optimizer, moment.progress), numbers)


@dataclass
class Trainer:
    """Makes a run's steps.

    Steps differ only in their batch, keyed random numbers and `Schedule`, so that an update can be
    captured here and replayed.

    Attributes:
        state: the training state.
        batches: the batch of every step.
        training: the study's training settings.
        optimizer: the optimisers' settings, after the tricks' changes.
        seed: the run's.
        device: where the networks are.
    """

    state: TrainState
    batches: Batches
    training: Training
    optimizer: Optimizer
    seed: int
    device: torch.device

    def __post_init__(self) -> None:
        self._batch: tuple[int, Batch] | None = None

    def step(self, number: int) -> tuple[Update, Update | None]:
        """Make a step: the discriminator's update and, in every n_critic-th step, the generator's.

        Their order is the study's setting.
        """
        schedule = self.begin(number)
        generator_too = (number + 1) % self.state.n_critic == 0
        if generator_too and self.training.order == "generator-first":
            update = self.generator(schedule)
            return self.discriminator(schedule, update[0]), update
        update = self.discriminator(schedule)
        return update, self.generator(schedule) if generator_too else None

    def begin(self, number: int) -> Schedule:
        """Prepare a step's updates: seeds, schedule, learning rates, the tricks' stages."""
        seeding.seed_globals(self.seed, "global", number)  # for code without a generator argument
        schedule = self.schedule_of(number)
        set_rates(self.state.optimizers, schedule)
        for trick in self.state.tricks:
            own = f"{trick.name}."
            numbers = {
                name.removeprefix(own): number
                for name, number in schedule.numbers.items()
                if name.startswith(own)
            }
            trick.stage(numbers, self.state.networks)
        return schedule

    def schedule_of(self, number: int) -> Schedule:
        """The scheduled values of a step."""
        generator_steps, progress = number // self.state.n_critic, number / self.training.steps
        moment = Moment(number, generator_steps, progress, self.training.batch)
        return schedule_at(self.state, self.optimizer, moment)

    def discriminator(self, schedule: Schedule, before: Step | None = None) -> Update:
        """Update the discriminator; `before` is as in `Step`."""
        step = self.see("discriminator", schedule, before)
        loss = step.discriminator_loss()
        minimise(self.state.optimizers[1], loss)
        for plugin in self.state.plugins:
            plugin.after_discriminator(step)
        return step, loss

    def generator(self, schedule: Schedule) -> Update:
        """Update the generator."""
        step = self.see("generator", schedule)
        loss = step.generator_loss()
        minimise(self.state.optimizers[0], loss)
        for trick in self.state.tricks:
            trick.after_generator(step)
        return step, loss

    def see(self, phase: Phase, schedule: Schedule, before: Step | None = None) -> Step:
        """The step of an update, with its batch and its own random numbers."""
        number = schedule.moment.step
        rng = seeding.generator(self.seed, phase, number, device=self.device)
        if self._batch is None or self._batch[0] != number:  # both updates use the same batch
            self._batch = number, self.batches[number]
        batch, latent = self._batch[1], self.training.latent
        return Step(self.state, phase, *batch, rng, schedule, latent, before)
