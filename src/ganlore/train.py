"""The training loop: the same for every loss and every trick, by the name of none."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

import torch

from ganlore import build, seeding
from ganlore.batches import Batch, Batches
from ganlore.console import Progress
from ganlore.game import Game
from ganlore.history import History, marks

if TYPE_CHECKING:
    from ganlore.checkpoint import State
    from ganlore.data import Store
    from ganlore.grid import Run
    from ganlore.settings import Optimizer


Turn = Literal["discriminator", "generator"]


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


def train(run: Run, store: Store, state: State, device: torch.device) -> str:
    """Train a run from its last saved state to its end.

    Args:
        run: the run's settings.
        store: the prepared data.
        state: where the run's state is kept; it holds everything when this returns.
        device: where to train.

    Returns:
        "done", or "diverged" where a loss was not finite or beyond the study's bound.
    """
    settings = run.training
    torch.set_num_threads(settings.threads)
    who = build.player(run, store.shape, store.classes, device)
    both = optimizer_g, optimizer_d = build.optimizers(run, who)
    rates = build.optimizer_settings(run, who.tricks)
    history = History()
    start, before = state.restore(who, both, history)
    batches = Batches(store, settings.batch, run.seed, device)
    log_at = set(marks(settings.steps, settings.history, who.n_critic))
    snapshot_at = set(marks(settings.steps, settings.snapshots))
    generator_first = settings.order == "generator-first"
    if start and history.diverged(settings.divergence):
        return "diverged"

    def game(turn: Turn, step: int, batch: Batch, before: Game | None = None) -> Game:
        rng = seeding.generator(run.seed, turn, step, device=device)
        return Game(who, turn, *batch, rng, step, step / settings.steps, settings.latent, before)

    def criticise(critic: Game) -> tuple[Game, torch.Tensor]:
        loss = who.discriminator_loss(critic) * settings.discriminator_scale
        update(optimizer_d, loss)
        who.loss.after_discriminator(critic)
        return critic, loss

    def act(actor: Game) -> tuple[Game, torch.Tensor]:
        loss = who.generator_loss(actor)
        update(optimizer_g, loss)
        for trick in who.tricks:
            trick.after_generator(actor)
        return actor, loss

    began = time.perf_counter()
    with seeding.scope(run.seed, "training"), Progress(run.id, settings.steps) as progress:
        for step in range(start, settings.steps):
            seeding.seed_globals(run.seed, "global", step)  # for code that takes no generator
            used = step / settings.steps
            set_rates(both, rates, used, who.learning_rate(used))
            for trick in who.tricks:
                trick.stage(used, who.generator, who.discriminator)
            batch = batches[step]
            acts = (step + 1) % who.n_critic == 0
            if acts and generator_first:
                actor, g_loss = act(game("generator", step, batch))
                critic, d_loss = criticise(game("discriminator", step, batch, actor))
            else:
                critic, d_loss = criticise(game("discriminator", step, batch))
                if acts:
                    actor, g_loss = act(game("generator", step, batch))
            done = step + 1
            if done in snapshot_at:
                state.snapshot(done, who)
            if done in log_at:
                seconds = before + time.perf_counter() - began
                row = history.add((critic, actor), (d_loss, g_loss), both[::-1], seconds)
                progress.update(done, "d_loss {d_loss:.3f} g_loss {g_loss:.3f}".format(**row))
                if history.diverged(settings.divergence):
                    state.save(done, who, both, history, seconds)
                    return "diverged"
                state.keep(done, who, both, history, seconds)
    state.save(
        settings.steps,
        who,
        both,
        history,
        before + time.perf_counter() - began,
    )
    return "done"
