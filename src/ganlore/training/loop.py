"""The training loop: the same for every loss and every trick, by the name of none."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from ganlore.console import Forecast, Progress
from ganlore.execution import gpu
from ganlore.steps import seeding
from ganlore.steps.step import Game, Player
from ganlore.training import build, memory, precision
from ganlore.training.batches import Batch, Batches
from ganlore.training.history import History, marks, sparse

if TYPE_CHECKING:
    from ganlore.data import Store
    from ganlore.settings import Optimizer
    from ganlore.study.run import Run
    from ganlore.training.checkpoint import State


Turn = Literal["discriminator", "generator"]
Made = tuple[Game, torch.Tensor]
"""What a turn saw, and the loss that it minimised."""


def update(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """One step of an optimiser; gradients go to its own parameters alone."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for parameter in parameters:
        parameter.grad = None
    torch.autograd.backward(loss, inputs=parameters)
    build.step(optimizer)


def set_rates(
    optimizers: tuple[torch.optim.Optimizer, ...],
    settings: Optimizer,
    progress: float,
    factor: float = 1.0,
) -> None:
    """Set what the optimisers' schedules say: learning rates and, where there is one, beta2.

    Args:
        optimizers: those to set.
        settings: their settings.
        progress: the share of the budget used, in [0, 1).
        factor: another factor on every learning rate.
    """
    factor *= settings.factor(progress)
    beta2 = settings.beta2(progress)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("first_lr", group["lr"]) * factor
            if "betas" in group:
                group["betas"] = (group["betas"][0], beta2)


@dataclass
class Stepper:
    """Makes a run's steps: whose turn it is, on what, and the update of each.

    Attributes:
        run: the run's settings.
        who: what lives through the run.
        batches: the batch of every step.
        device: where the networks are.
    """

    run: Run
    who: Player
    batches: Batches
    device: torch.device

    def __post_init__(self) -> None:
        self.rates = build.optimizer_settings(self.run, self.who.tricks)
        self._batch: tuple[int, Batch] | None = None

    def begin(self, step: int) -> None:
        """What comes before a step's turns: schedules of rates, the tricks' stages."""
        seeding.seed_globals(self.run.seed, "global", step)  # for code that takes no generator
        used = step / self.run.training.steps
        set_rates(self.who.optimizers, self.rates, used, self.who.learning_rate(used))
        for trick in self.who.tricks:
            trick.stage(used, self.who.networks)

    def game(self, turn: Turn, step: int, before: Game | None = None) -> Game:
        """What a turn sees; `before` is as in `Game`."""
        settings = self.run.training
        rng = seeding.generator(self.run.seed, turn, step, device=self.device)
        used = step / settings.steps
        if self._batch is None or self._batch[0] != step:  # both turns of a step see one batch
            self._batch = step, self.batches[step]
        return Game(self.who, turn, *self._batch[1], rng, step, used, settings.latent, before)

    def discriminator(self, step: int, before: Game | None = None) -> Made:
        """The discriminator's turn of a step."""
        game = self.game("discriminator", step, before)
        loss = self.who.discriminator_loss(game)
        update(self.who.optimizers[1], loss)
        self.who.loss.after_discriminator(game)
        for trick in self.who.tricks:
            trick.after_discriminator(game)
        return game, loss

    def generator(self, step: int) -> Made:
        """The generator's turn of a step."""
        game = self.game("generator", step)
        loss = self.who.generator_loss(game)
        update(self.who.optimizers[0], loss)
        for trick in self.who.tricks:
            trick.after_generator(game)
        return game, loss

    def play(self, step: int) -> tuple[Made, Made | None]:
        """A whole step, in the study's order: what the discriminator and the generator made.

        The generator has its turn in every n_critic-th step.
        """
        self.begin(step)
        acts = (step + 1) % self.who.n_critic == 0
        if acts and self.run.training.order == "generator-first":
            acted = self.generator(step)
            return self.discriminator(step, acted[0]), acted
        return self.discriminator(step), self.generator(step) if acts else None


def train(
    run: Run,
    store: Store,
    state: State,
    device: torch.device,
    extractors: dict[str, Any] | None = None,
) -> str:
    """Train a run from its last saved state to its end.

    Args:
        run: the run's settings.
        store: the prepared data.
        state: where the run's state is kept; it holds everything when this returns.
        device: where to train.
        extractors: those that the run's tricks need (`Run.training_extractors`), fitted, by name.

    Returns:
        "done", or "diverged" where a loss was not finite or beyond the study's bound.

    Raises:
        GanloreError: if a GPU's memory is too small; with what may be lowered.
    """
    with precision.kernels(run.training), gpu.memory_told(run):
        return _train(run, store, state, device, extractors)


def _train(
    run: Run,
    store: Store,
    state: State,
    device: torch.device,
    extractors: dict[str, Any] | None,
) -> str:
    settings = run.training
    torch.set_num_threads(settings.threads)
    who = build.player(run, store.shape, store.classes, device)
    who.extractors = {name: found.to(device) for name, found in (extractors or {}).items()}
    layout = precision.layout(settings)
    seed, share = run.seed, settings.corrupted
    batches = Batches(store, settings.batch, seed, device, settings.flip, layout, share)
    stepper = Stepper(run, who, batches, device)
    both = who.optimizers
    history = History()
    start, before = state.restore(who, both, history)
    log_at = set(marks(settings.steps, settings.history, who.n_critic))
    weigh_at = set(sparse(sorted(log_at), 5))  # counting takes time, and the numbers hardly change
    snapshot_at = set(marks(settings.steps, settings.snapshots))
    if start and history.diverged(settings.divergence):
        return "diverged"

    def elapsed() -> float:
        return before + time.perf_counter() - began

    slow = settings.device == "auto" and device.type == "cpu"
    forecast = Forecast(settings.steps - start) if slow else None
    began = time.perf_counter()
    with seeding.scope(run.seed, "training"), Progress(run.id, settings.steps) as progress:
        for step in range(start, settings.steps):
            done = step + 1
            with memory.Meter(who.weights) if done in weigh_at else nullcontext() as meter:
                criticised, acted = stepper.play(step)
            if forecast is not None and forecast.told(done - start):
                forecast = None
            if done in snapshot_at:
                state.snapshot(done, who)
            if done in log_at:
                assert acted is not None  # marks are multiples of n_critic
                seconds = elapsed()
                games, losses = (criticised[0], acted[0]), (criticised[1], acted[1])
                row = history.add(games, losses, both[::-1], seconds, meter.peak if meter else None)
                progress.update(done, "d_loss {d_loss:.3f} g_loss {g_loss:.3f}".format(**row))
                if history.diverged(settings.divergence):
                    state.save(done, who, both, history, seconds)
                    return "diverged"
                state.keep(done, who, both, history, seconds)
    state.save(settings.steps, who, both, history, elapsed())
    return "done"
