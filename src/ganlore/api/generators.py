"""A run's trained generator: to sample from, and to hand on as safetensors with a model card."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import nn

from ganlore import __version__, arrays, shapes, storage
from ganlore.api import model_card
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.evaluation import sampling
from ganlore.execution import records
from ganlore.losses import Loss, Snapshot
from ganlore.steps import seeding
from ganlore.study.run import Run
from ganlore.training import build

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
FORMAT = "ganlore generator 1"
"""Written into `CONFIG`, so that another folder is not taken for an exported generator."""
CPU = torch.device("cpu")


@dataclass(frozen=True)
class TrainedGenerator:
    """A trained generator in evaluation mode, on the CPU.

    Attributes:
        module: the network: (N, latent) and labels (N,) or None to samples scaled to [-1, 1].
        run: the settings that it was trained with.
        step: the training step of its weights.
        shape: of one sample.
        class_shares: the share of each class in the training data, (classes,); empty without.
        loss: the loss, which draws the noise.
    """

    module: nn.Module
    run: Run
    step: int
    shape: tuple[int, ...]
    class_shares: tuple[float, ...]
    loss: Loss

    @property
    def conditional(self) -> bool:
        """Whether samples depend on a class label."""
        return bool(self.loss.conditional)

    @torch.no_grad()
    def sample(
        self, n: int, seed: int = 0, labels: NDArray[np.integer] | list[int] | None = None
    ) -> NDArray[Any]:
        """Samples in the form of the data: uint8 images (n, C, H, W) or float32 points (n, D).

        With the protocol's `eval_seed` and `n_fake` they are those that the run was evaluated by.

        Args:
            n: how many.
            seed: the same seed and n give the same samples.
            labels: the class of each sample, (n,), for a conditional generator; drawn with the
                shares of the training data where they are left out.

        Raises:
            GanloreError: if n or the labels are impossible, or the generator gives a number that
                is not finite.
        """
        if n < 1:
            raise GanloreError(f"n = {n}: expected at least one sample\n  ask for n >= 1")
        rng = seeding.generator(seed, "evaluation")
        latent = self.loss.latent(n, self.run.training.latent, rng)
        drawn = None
        if self.class_shares:
            shares = torch.tensor(self.class_shares, dtype=torch.float64)
            drawn = torch.multinomial(shares, n, replacement=True, generator=rng)
        if labels is not None:
            drawn = self._labels(n, labels)
        snapshot = Snapshot(self.module, {}, latent, drawn, torch.empty(0))
        samples = sampling.sample(snapshot)
        if samples is None:
            raise GanloreError(
                f"run {self.run.id}, step {self.step}: the generator gives numbers that are not "
                "finite: the run diverged\n  take another run"
            )
        return samples

    def _labels(self, n: int, labels: NDArray[np.integer] | list[int]) -> torch.Tensor:
        if not self.conditional:
            raise GanloreError(
                f"loss {self.run.loss.name!r} is not conditional: labels would have no effect\n"
                "  leave them out"
            )
        asked = torch.as_tensor(labels, dtype=torch.long)
        classes = len(self.class_shares)
        if asked.shape != (n,) or not bool(((asked >= 0) & (asked < classes)).all()):
            raise GanloreError(
                f"labels of shape {tuple(asked.shape)}: expected {n} labels from 0 to {classes - 1}"
            )
        return asked

    def save(self, folder: str | Path) -> Path:
        """Export to a folder: `model.safetensors`, `config.json` and a model card, `README.md`.

        `ganlore.generator(folder)` opens it again, without the run and the data.
        """
        from safetensors.torch import save

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # safetensors refuses tensors that share memory
        weights = {k: v.detach().clone().contiguous() for k, v in self.module.state_dict().items()}
        metadata = {"format": "pt", "run": self.run.id, "step": str(self.step)}
        digest = storage.write_bytes(folder / WEIGHTS, save(weights, metadata))
        config = {
            "format": FORMAT,
            "ganlore": __version__,
            "run": self.run.model_dump(mode="json"),
            "step": self.step,
            "shape": list(self.shape),
            "class_shares": list(self.class_shares),
            "sha256": digest,
        }
        storage.write_json(folder / CONFIG, config)
        storage.write_text(folder / CARD, model_card.text(self.run, self.step, self.shape))
        return folder


def generator(
    folder: str | Path, data: str | Path = "data", step: int | None = None
) -> TrainedGenerator:
    """The trained generator of a run, in evaluation mode.

    Args:
        folder: a run's folder (`results/runs/digits/mlp/hinge/none/base/seed0`), or one that
            `TrainedGenerator.save` wrote.
        data: the folder of the prepared data that the run was trained on; of a run's folder only.
        step: the snapshot's step; the last one if left out.

    Raises:
        GanloreError: if a file is missing or altered, or the study did not keep the weights.
    """
    folder = Path(folder)
    if (folder / CONFIG).exists():
        return _exported(folder, step)
    record = storage.open_record(
        folder / records.TRAINED, "name a run's folder, or run snakemake", shapes.Trained
    )
    run = _run(record["settings"], folder)
    snapshot = _snapshot(folder, record, step)
    store = Store.open(Path(data) / "prepared" / run.dataset.name).require(run.dataset.settings)
    if record["code_hash"] != run.training_code():
        warnings.warn(
            f"{folder}: trained by other code than this; its samples may be others", stacklevel=2
        )
    shares = store.shares()
    made = _built(run, store.shape, () if shares is None else tuple(shares.tolist()))
    made.module.load_state_dict(snapshot["weights"])
    return _at(made, int(snapshot["step"]))


def _run(settings: Any, folder: Path) -> Run:
    """A run from its record.

    Raises:
        GanloreError: if this version knows no such settings, or a plug-in of it is not here.
    """
    try:
        return Run.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise GanloreError(
            f"{folder}: not a run of this version: {where}: {first['msg']}\n"
            "  install the version that made it (its record names it), or train it again"
        ) from error


def _snapshot(folder: Path, record: dict[str, Any], step: int | None) -> dict[str, Any]:
    """A snapshot: of all of them, or the last where the study kept that one alone."""
    again = records.remedy(folder)
    if (folder / "snapshots.pt").exists():
        storage.check(folder / "snapshots.pt", storage.hashes(record)["snapshots.pt"], again)
        snapshots = arrays.read_torch(folder / "snapshots.pt")
    elif (folder / "generator.pt").exists():
        evaluated = storage.open_record(folder / records.EVALUATED, again, shapes.Evaluated)
        storage.check(folder / "generator.pt", storage.hashes(evaluated)["generator.pt"], again)
        last = arrays.read_torch(folder / "generator.pt")
        snapshots = [last] if last else []
    else:
        raise GanloreError(
            f"{folder}: no weights: the study did not keep them (`keep: {{snapshots: none}}`)\n"
            "  set keep.snapshots to last or all, and run snakemake"
        )
    chosen = [one for one in snapshots if step is None or one["step"] == step]
    if not chosen:
        steps = ", ".join(str(one["step"]) for one in snapshots) or "none: the run diverged"
        raise GanloreError(f"{folder}: no snapshot of step {step}\n  there are: {steps}")
    last_of_them: dict[str, Any] = chosen[-1]
    return last_of_them


def _built(run: Run, shape: tuple[int, ...], shares: tuple[float, ...]) -> TrainedGenerator:
    state = build.train_state(run, shape, len(shares), CPU)
    module = state.evaluated.eval().requires_grad_(False)
    return TrainedGenerator(module, run, 0, shape, shares, state.loss)


def _at(made: TrainedGenerator, step: int) -> TrainedGenerator:
    return TrainedGenerator(made.module, made.run, step, made.shape, made.class_shares, made.loss)


def _exported(folder: Path, step: int | None) -> TrainedGenerator:
    from safetensors.torch import load

    again = "export the generator again"
    config = storage.read_json(folder / CONFIG, again)
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise GanloreError(
            f"{folder / CONFIG}: not of a generator that ganlore exported\n"
            "  name a run's folder, or one that `ganlore export` wrote"
        )
    if step not in (None, config["step"]):
        raise GanloreError(
            f"{folder}: exported at step {config['step']}, not {step}\n  leave out the step"
        )
    storage.check(folder / WEIGHTS, config["sha256"], again)
    run = _run(json.loads(json.dumps(config["run"])), folder)
    made = _built(run, tuple(config["shape"]), tuple(config["class_shares"]))
    made.module.load_state_dict(load((folder / WEIGHTS).read_bytes()))
    return _at(made, int(config["step"]))
