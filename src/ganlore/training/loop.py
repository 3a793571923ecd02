"""The training loop, which is the same for every loss and trick."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch

from ganlore.console import Forecast, Progress
from ganlore.execution import gpu
from ganlore.steps import seeding
from ganlore.training import build, memory, precision
from ganlore.training.batches import Batches
from ganlore.training.history import History, marks, snapshot_steps, sparse
from ganlore.training.trainer import Trainer

if TYPE_CHECKING:
    from ganlore.data import Store
    from ganlore.study.run import Run
    from ganlore.study.schema import Training
    from ganlore.training.checkpoint import Checkpoints

Steps = Generator[int, None, str]
"""A training under way: yields the number of completed steps after each, and returns its status.

Between two steps it needs nothing of what a process has one of (torch's generators, its number of
threads, its choice of kernels), so that several that agree in the last two may take turns.
"""


def train(
    run: Run,
    store: Store,
    checkpoints: Checkpoints,
    device: torch.device,
    extractors: dict[str, Any] | None = None,
) -> str:
    """Train a run from its last checkpoint to its end.

    Args:
        run: the run's settings.
        store: the prepared data.
        checkpoints: the run's checkpoints; the last one is saved when this returns.
        device: where to train.
        extractors: the tricks' fitted extractors (`Run.training_extractors`), by name.

    Returns:
        "done", or "diverged" if a loss was not finite or beyond the study's bound.

    Raises:
        GanloreError: if a GPU's memory is too small; with what may be lowered.
    """
    with settings_of(run.training):
        return drain(steps(run, store, checkpoints, device, extractors))


@contextmanager
def settings_of(training: Training) -> Iterator[None]:
    """Set what a process has one of, and all of its trainings share: threads and kernels."""
    torch.set_num_threads(training.threads)
    with precision.kernels(training):
        yield


def drain(steps: Steps) -> str:
    """Make all steps; returns the status."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return str(end.value)


def steps(
    run: Run,
    store: Store,
    checkpoints: Checkpoints,
    device: torch.device,
    extractors: dict[str, Any] | None = None,
) -> Steps:
    """As `train`, one step at a time, inside `settings_of`."""
    with gpu.memory_explained(run):
        trainer = build_trainer(run, store, device, extractors)
        with seeding.scope(run.seed, "training"), Progress(run.id, run.training.steps) as progress:
            return (yield from loop(trainer, checkpoints, run.training, progress))


def build_trainer(
    run: Run, store: Store, device: torch.device, extractors: dict[str, Any] | None = None
) -> Trainer:
    """Build the trainer of a run at step 0. Nothing after it depends on the run's settings."""
    training = run.training
    state = build.train_state(run, store.shape, store.classes, device)
    state.extractors = {name: fitted.to(device) for name, fitted in (extractors or {}).items()}
    layout = precision.layout(training)
    batches = Batches(
        store, training.batch, run.seed, device, training.flip, layout, training.corrupted
    )
    optimizer = build.optimizer_settings(run, state.tricks)
    return Trainer(state, batches, training, optimizer, run.seed, device)


def loop(
    trainer: Trainer, checkpoints: Checkpoints, training: Training, progress: Progress
) -> Steps:
    """The steps, with history, snapshots and checkpoints; returns the same as `train`."""
    state, history = trainer.state, History()
    start, seconds_before = checkpoints.restore(state, history)
    log_at = set(marks(training.steps, training.history, state.n_critic))
    measure_memory_at = set(sparse(sorted(log_at), 5))  # measuring is slow, and it hardly changes
    snapshot_at = set(snapshot_steps(training, training.steps))
    if start and history.diverged(training.divergence):
        return "diverged"
    slow = training.device == "auto" and trainer.device.type == "cpu"
    forecast = Forecast(training.steps - start) if slow else None
    began = time.perf_counter() - seconds_before
    for number in range(start, training.steps):
        done = number + 1
        with memory.Meter(state.weights) if done in measure_memory_at else nullcontext() as meter:
            discriminator, generator = trainer.step(number)
        if forecast is not None and forecast.finished(done - start):
            forecast = None
        if done in snapshot_at:
            checkpoints.snapshot(done, state)
        if done in log_at:
            assert generator is not None  # marks are multiples of n_critic
            seconds = time.perf_counter() - began
            peak = meter.peak if meter else None
            row = history.add(discriminator, generator, state.optimizers, seconds, peak)
            progress.update(done, "d_loss {d_loss:.3f} g_loss {g_loss:.3f}".format(**row))
            if history.diverged(training.divergence):
                checkpoints.save(done, state, history, seconds)
                return "diverged"
            checkpoints.save_sometimes(done, state, history, seconds)
        yield done
    checkpoints.save(training.steps, state, history, time.perf_counter() - began)
    return "done"
