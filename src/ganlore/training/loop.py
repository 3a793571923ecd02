"""The training loop, which is the same for every loss and trick."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import nullcontext
from typing import TYPE_CHECKING

from ganlore.console import Forecast, Progress
from ganlore.training import memory
from ganlore.training.history import History, marks, snapshot_steps, sparse

if TYPE_CHECKING:
    from ganlore.study.schema import Training
    from ganlore.training.checkpoint import Checkpoints
    from ganlore.training.trainer import Trainer

Steps = Generator[int, None, str]
"""A training under way: yields the number of completed steps after each, and returns its status.

Between two steps it needs nothing of what a process has one of (torch's generators, its number of
threads, its choice of kernels), so that several that agree in the last two may take turns.
"""


def drain(steps: Steps) -> str:
    """Make all steps; returns the status."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return str(end.value)


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
            discriminator, generator = trainer.step(number, alone=meter is not None)
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
            checkpoints.captured = trainer.captured
            if history.diverged(training.divergence):
                checkpoints.save(done, state, history, seconds)
                return "diverged"
            checkpoints.save_sometimes(done, state, history, seconds)
        yield done
    checkpoints.save(training.steps, state, history, time.perf_counter() - began)
    return "done"
