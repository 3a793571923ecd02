"""Samples of a trained generator, and what its loss lets be measured and seen beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganlore.data import Store
from ganlore.losses import Snapshot
from ganlore.steps import TrainState, seeding
from ganlore.steps.scaling import to_network, to_storage

if TYPE_CHECKING:
    from ganlore.study.run import Run

CHUNK = 512
CPU = torch.device("cpu")


@torch.no_grad()
def draw(state: TrainState, run: Run, store: Store) -> Snapshot:
    """What a run's samples are made from; the same for every run and snapshot of a protocol.

    Noise and labels are keyed by the evaluation's seed.
    """
    n = run.protocol.n_fake
    rng = seeding.generator(run.protocol.eval_seed, "evaluation")
    latent = state.loss.latent(n, run.training.latent, rng)
    labels = None
    if (shares := store.shares()) is not None:
        labels = torch.multinomial(torch.from_numpy(shares), n, replacement=True, generator=rng)
    held_out = torch.from_numpy(np.array(store.samples("test")[:n]))
    return Snapshot(state.evaluated, state.evaluated_modules, latent, labels, to_network(held_out))


def load(state: TrainState, snapshot: dict[str, Any]) -> None:
    """Put a snapshot's weights into what is evaluated."""
    state.evaluated.load_state_dict(snapshot["weights"])
    for name, weights in snapshot["modules"].items():
        state.evaluated_modules[name].load_state_dict(weights)


@torch.no_grad()
def sample(snapshot: Snapshot, device: torch.device = CPU) -> NDArray[Any] | None:
    """Generated samples in the store's form, (n_fake, ...), None if any is not finite.

    Args:
        snapshot: what they are made from, on the CPU.
        device: where they are made, chunk by chunk.
    """
    chunks = []
    snapshot.generator.to(device)
    for start in range(0, len(snapshot.latent), CHUNK):
        here = slice(start, start + CHUNK)
        part = None if snapshot.labels is None else snapshot.labels[here].to(device)
        made = snapshot.generator(snapshot.latent[here].to(device), part)
        if not bool(made.isfinite().all()):
            break
        chunks.append(to_storage(made).cpu())
    snapshot.generator.to(CPU)
    finished = sum(map(len, chunks)) == len(snapshot.latent)
    return torch.cat(chunks).numpy() if finished else None


@torch.no_grad()
def evidence(state: TrainState, snapshot: Snapshot) -> dict[str, NDArray[Any]]:
    """What a loss lets be measured beside its samples: fields of `metrics.Comparison`."""
    fields: dict[str, NDArray[Any]] = state.loss.evidence(snapshot)
    if state.loss.conditional and snapshot.labels is not None:
        fields["asked"] = snapshot.labels.numpy()
    return fields


def observe(
    state: TrainState, drawn: Snapshot, device: torch.device = CPU
) -> tuple[NDArray[Any], dict[str, Any]] | None:
    """Samples and evidence of the weights that are loaded; None if any number is not finite."""
    samples = sample(drawn, device)
    more = evidence(state, drawn)
    finite = all(np.isfinite(values).all() for values in more.values())
    return (samples, more) if samples is not None and finite else None


@torch.no_grad()
def pictures(state: TrainState, snapshot: Snapshot) -> dict[str, NDArray[Any]]:
    """The loss's own pictures, (rows, columns, C, H, W) in the store's form; of images only."""
    if snapshot.held_out.dim() != 4:
        return {}
    drawn = state.loss.pictures(snapshot)
    return {
        name: to_storage(grid.flatten(0, 1)).numpy().reshape(grid.shape)
        for name, grid in drawn.items()
    }
