"""A run's files: checkpoints and snapshots during training, and those of a finished run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ganlore import arrays, console, provenance, shapes, storage
from ganlore.errors import GanloreError
from ganlore.execution import freshness
from ganlore.steps import TrainState
from ganlore.training.history import History, check_snapshots

if TYPE_CHECKING:
    from ganlore.data import Store
    from ganlore.study.run import Run


@dataclass
class Checkpoints:
    """The checkpoints and snapshots of a run in training.

    Their folder is outside the run's own, since Snakemake deletes the outputs of a failed job.

    Attributes:
        folder: their folder.
        identity: from `identity`; a checkpoint with another one is discarded.
        interval: seconds between two checkpoints.
        process: the one that lives as long as the training, for `ganlore status`.
        captured: whether steps come from graphs (`Trainer.captured`), for the run's record.
    """

    folder: Path
    identity: str
    interval: float = 30.0
    process: int = field(default_factory=os.getpid)
    captured: str = "no"
    _saved_at: float = field(default_factory=time.monotonic)
    _reported_at: float = 0.0

    @property
    def path(self) -> Path:
        """The file of the last checkpoint."""
        return self.folder / "state.pt"

    def restore(self, state: TrainState, history: History) -> tuple[int, float]:
        """Load the last checkpoint into networks, optimisers and history.

        Returns:
            The number of completed steps and their seconds; (0, 0.0) without a valid checkpoint.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "failed.json").unlink(missing_ok=True)
        saved = arrays.read_sealed(self.path)
        if saved and any(arrays.read_sealed(self.folder / name) is None for name in saved["files"]):
            saved = None
        if saved is None and self.path.exists():
            console.say(f"{self.path}: damaged; starting this run again from its first step")
        if saved and saved["identity"] != self.identity:
            console.say(
                f"a state after {saved['step']} steps is of other "
                f"{_differing(saved['identity'], self.identity)}: training from the first step"
            )
            saved = None
        if saved is None:
            self.clear()
            announce(self.folder, self.process)
            return 0, 0.0
        for path in self.folder.glob("snapshot-*.pt"):
            if path.name not in saved["files"]:
                path.unlink()  # of steps that are made again
        load_networks(state, saved["networks"])
        for optimizer, values in zip(state.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(values)
        history.rows.extend(saved["history"])
        self.captured = saved["captured"]  # if no step is left to be made
        console.say(f"continuing after {saved['step']} steps")
        return int(saved["step"]), float(saved["seconds"])

    def save_sometimes(
        self, step: int, state: TrainState, history: History, seconds: float
    ) -> None:
        """Report progress to `ganlore status`, and save if the last checkpoint is too old."""
        now = time.monotonic()
        if now - self._reported_at >= min(2.0, self.interval):
            self._reported_at = now
            _report(self.folder, step, seconds, self.process)
        if now - self._saved_at >= self.interval:
            self.save(step, state, history, seconds)

    def save(self, step: int, state: TrainState, history: History, seconds: float) -> None:
        """Save a checkpoint: everything that the next step depends on."""
        values = {
            "identity": self.identity,
            "step": step,
            "seconds": seconds,
            "networks": networks_state(state),
            "optimizers": [optimizer.state_dict() for optimizer in state.optimizers],
            "history": history.rows,
            "captured": self.captured,
            "files": [path.name for path in self.folder.glob("snapshot-*.pt")],
            "parameters": {
                part: sum(p.numel() for p in module.parameters())
                for part, module in _parts(state).items()
            },
        }
        arrays.write_sealed(self.path, values)
        self._saved_at = time.monotonic()

    def snapshot(self, step: int, state: TrainState) -> None:
        """Save a snapshot after a step: the evaluated generator and the loss's modules."""
        values = {
            "step": step,
            "weights": _weights(state.evaluated),
            "modules": {name: _weights(part) for name, part in state.evaluated_modules.items()},
        }
        arrays.write_sealed(self.folder / f"snapshot-{step}.pt", values)

    def snapshots(self) -> list[dict[str, Any]]:
        """Read the snapshots so far, in order."""
        paths = sorted(self.folder.glob("snapshot-*.pt"), key=lambda p: int(p.stem.split("-")[1]))
        snapshots = [arrays.read_sealed(path) for path in paths]
        return [snapshot for snapshot in snapshots if snapshot is not None]

    def clear(self) -> None:
        """Delete all checkpoints and snapshots, when the run is finished or restarts."""
        shutil.rmtree(self.folder, ignore_errors=True)


def announce(folder: Path, process: int) -> None:
    """Say in a run's folder which process trains it, before any of a plug-in's code runs.

    A process that is ended at once, by a crash of compiled code for example, leaves nothing else.
    """
    (folder / "failed.json").unlink(missing_ok=True)
    path, step, seconds = folder / "progress.json", 0, 0.0
    with contextlib.suppress(GanloreError):  # there is none, or it is damaged: the run begins
        before = storage.read_json(path, "", shapes.Progress)
        step, seconds = before["step"], before["seconds"]
    _report(folder, step, seconds, process)


def _report(folder: Path, step: int, seconds: float, process: int) -> None:
    progress = {"step": step, "seconds": seconds, "pid": process, "time": time.time()}
    storage.write_json(folder / "progress.json", progress)


def networks_state(state: TrainState) -> dict[str, Any]:
    """All weights and buffers of a run, on the CPU."""
    return {part: _weights(module) for part, module in _parts(state).items()}


def _weights(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.cpu() for name, value in module.state_dict().items()}


def _parts(state: TrainState) -> dict[str, nn.Module]:
    return {
        "generator": state.generator,
        "discriminator": state.discriminator,
        "modules": state.modules,
    }


def load_networks(state: TrainState, weights: dict[str, Any]) -> None:
    """Load saved weights and buffers into a run's networks."""
    for part, module in _parts(state).items():
        module.load_state_dict(weights[part])


def finish(
    run: Run,
    store: Store,
    folder: Path,
    checkpoints: Checkpoints,
    status: str,
    device: str,
    extractors: dict[str, str] | None = None,
) -> None:
    """Write a finished run's files from its last checkpoint, `run.json` last; delete checkpoints.

    `snapshots.pt` and `checkpoint.pt` contain no times or paths, so that they are equal for two
    trainings of the same run. `extractors` are as in `identity`.

    Raises:
        GanloreError: if the last checkpoint or a snapshot is missing or damaged.
    """
    saved = arrays.read_sealed(checkpoints.path)
    if saved is None:
        raise GanloreError(f"{checkpoints.path}: missing or damaged\n  to mend it: train again")
    snapshots = checkpoints.snapshots()
    steps = [snapshot["step"] for snapshot in snapshots]
    check_snapshots(steps, run.training, saved["step"], checkpoints.folder)
    files = {
        "snapshots.pt": arrays.write_torch(folder / "snapshots.pt", snapshots),
        "checkpoint.pt": arrays.write_torch(folder / "checkpoint.pt", saved["networks"]),
        "history.csv": storage.write_text(
            folder / "history.csv", storage.csv_text(saved["history"])
        ),
    }
    record = {
        "id": run.id,
        "status": status,
        "settings": json.loads(run.training_settings()),
        **_inputs(run, store, extractors),
        "steps": saved["step"],
        "seconds": saved["seconds"],
        "peak_memory_mb": round(provenance.peak_memory_mb(), 1),
        "parameters": saved["parameters"],
        "device": device,
        "captured": saved["captured"],
        "threads": run.training.threads,
        "environment": provenance.environment(),
        "files": files,
    }
    storage.write_record(folder / "run.json", record)
    checkpoints.clear()


def identity(run: Run, store: Store, extractors: dict[str, str] | None = None) -> str:
    """The settings, code and data of a training; a checkpoint is only resumed with the same.

    Args:
        run: the run's settings.
        store: the prepared data.
        extractors: hashes of the extractors that it trains with (`provenance.fitted`), by name.
    """
    return json.dumps(list(_inputs(run, store, extractors).values()))


def _differing(one: str, other: str) -> str:
    """A reader's words for what differs between two of `identity`."""
    inputs = (dict(zip_longest(freshness.TRAINING, json.loads(text))) for text in (one, other))
    return " and ".join(freshness.differences(freshness.TRAINING, *inputs))


def _inputs(run: Run, store: Store, extractors: dict[str, str] | None) -> dict[str, Any]:
    """What a training is recorded with; a run that trains with no extractor names none."""
    inputs = freshness.training_inputs(run, store.digest, extractors)
    return {key: value for key, value in inputs.items() if value}
