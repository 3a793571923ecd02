"""The training data in memory, and the batch of every step."""

from __future__ import annotations

import torch
from torch import Tensor

from ganlore import seeding
from ganlore.data import Store
from ganlore.errors import GanloreError


def as_seen(samples: Tensor) -> Tensor:
    """What networks see: uint8 images as floats in [-1, 1], points as they are."""
    return samples.float().div_(127.5).sub_(1) if samples.dtype == torch.uint8 else samples


def as_stored(samples: Tensor) -> Tensor:
    """The inverse of `as_seen`, rounded to the 256 grey levels that an image file would have."""
    if samples.dim() != 4:
        return samples.float()
    return samples.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


Batch = tuple[Tensor, Tensor | None]
"""Samples (N, ...) as networks see them, and labels (N,) or None."""


class Batches:
    """Shuffled epochs of the training split, whole in memory (or on the GPU) as stored.

    The order depends on the seed alone, so that all cells of a study see the same images in the
    same order. A last batch that would be smaller is left out.
    """

    def __init__(self, store: Store, size: int, seed: int, device: torch.device) -> None:
        # copied: the store's file is opened read-only, and tensors may not share such memory
        self.samples = torch.from_numpy(store.samples("train").copy()).to(device)
        labels = store.labels("train")
        self.labels = None if labels is None else torch.from_numpy(labels).to(device)
        self.size = size
        self.seed = seed
        self.per_epoch = len(self.samples) // size
        if not self.per_epoch:
            raise GanloreError(
                f"training.batch = {size} is larger than the data set {store.name}, which has "
                f"{len(self.samples)} training samples"
            )
        self._epoch = -1
        self._order = torch.empty(0)

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step: samples (size, ...) as networks see them, and labels (size,)."""
        epoch, index = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = seeding.generator(self.seed, "order", epoch)
            order = torch.randperm(len(self.samples), generator=rng)
            self._epoch, self._order = epoch, order.to(self.samples.device)
        chosen = self._order[index * self.size : (index + 1) * self.size]
        labels = None if self.labels is None else self.labels[chosen]
        return as_seen(self.samples[chosen]), labels
