"""A run's training from its settings: its trainer, and all of its steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from ganlore import formatting
from ganlore.console import Progress
from ganlore.execution import gpu
from ganlore.steps import seeding
from ganlore.study import outside
from ganlore.training import build, precision
from ganlore.training.batches import Batches
from ganlore.training.captured import CapturedTrainer
from ganlore.training.loop import Steps, drain, loop
from ganlore.training.trainer import Trainer

if TYPE_CHECKING:
    from ganlore.data import Store
    from ganlore.study.run import Run
    from ganlore.study.schema import Training
    from ganlore.training.checkpoint import Checkpoints


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
        GanloreError: if the GPU fails, or its memory is too small; with what may be lowered. If
            steps are to be captured (`training.capture`) and cannot be.
    """
    with settings_of(run.training):
        return drain(steps(run, store, checkpoints, device, extractors))


@contextmanager
def settings_of(training: Training) -> Iterator[None]:
    """Set what a process has one of, and all of its trainings share: threads and kernels."""
    torch.set_num_threads(training.threads)
    with precision.kernels(training):
        yield


def steps(
    run: Run,
    store: Store,
    checkpoints: Checkpoints,
    device: torch.device,
    extractors: dict[str, Any] | None = None,
) -> Steps:
    """As `train`, one step at a time, inside `settings_of`."""
    with gpu.failure_explained(f"run {run.id}", run):
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
        store,
        training.batch,
        run.seed,
        device,
        flip=training.flip,
        layout=layout,
        corrupted=training.corrupted,
        subset=training.subset,
    )
    optimizer = build.optimizer_settings(run, state.tricks)
    parts = state, batches, training, optimizer, run.seed, device
    why_not = uncaptured(run)
    return CapturedTrainer(*parts) if why_not is None else Trainer(*parts, why_not)


def uncaptured(run: Run) -> str | None:
    """Why a run's steps are not even tried to be captured, for its record; None if they are.

    What plug-ins of another package keep in Python is right in a step that is made as ever, and may
    not be in a replay. Whoever wrote them has to say that they keep nothing (ADR 40).
    """
    if run.training.capture == "off":
        return "no"
    others = sorted(name for _, name in outside.trained(run))
    if others and run.training.capture == "auto":
        return f"no: {formatting.listed(others)} of another package (training.capture: on)"
    return None
