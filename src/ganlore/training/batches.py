"""The training data in memory, and the batch of every step."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.steps import seeding
from ganlore.steps.scaling import to_network

Batch = tuple[Tensor, Tensor | None]
"""Samples (N, ...), scaled as network input, and class labels (N,) or None."""


@dataclass(frozen=True, eq=False)
class Held:
    """The training split on a device, once for all runs of a process that train on it.

    Attributes:
        samples: (N, ...), as stored; nobody may change them.
        labels: (N,), None without.
    """

    samples: Tensor
    labels: Tensor | None

    def to(self, device: torch.device) -> Held:
        """The same on a device."""
        labels = None if self.labels is None else self.labels.to(device)
        return Held(self.samples.to(device), labels)


_held: WeakValueDictionary[tuple[str, str, str], Held] = WeakValueDictionary()
_kept: deque[Held] = deque(maxlen=0)


def keep(count: int) -> None:
    """Keep the last data sets on their device also while no run trains on them."""
    global _kept  # noqa: PLW0603
    _kept = deque(_kept, maxlen=count)


def held(store: Store, device: torch.device) -> Held:
    """The training split of prepared data on a device, where it may be already."""
    key = str(store.folder.resolve()), store.digest, str(device)
    there = _held.get(key)
    if there is None:
        there = _held[key] = _read(store).to(device)
    if there not in _kept:
        _kept.append(there)
    return there


def nbytes() -> int:
    """Bytes of all that is held, on whatever device."""
    return sum(
        tensor.nbytes
        for data in _held.values()
        for tensor in (data.samples, data.labels)
        if tensor is not None
    )


def _read(store: Store) -> Held:
    """The training split on the CPU, as an own copy: a store's file is opened read-only."""
    labels = store.labels("train")
    samples = torch.from_numpy(store.samples("train").copy())
    return Held(samples, None if labels is None else torch.from_numpy(labels))


def _corrupted(store: Store, share: float, seed: int) -> Held:
    """The same, with a share of the samples replaced by noise, which is the seed's own."""
    data = _read(store)
    _corrupt(data.samples, share, seeding.generator(seed, "corrupted"))
    return data


class Batches:
    """Shuffled epochs of the training split, which is kept in memory (or on the GPU) as stored.

    The order depends only on the seed, so that all cells of a study train on the same images in the
    same order. An incomplete last batch is dropped. Random numbers of a whole epoch are drawn on
    the CPU and moved at once, so that no step waits for a transfer.

    Args:
        store: the prepared data.
        size: samples in a batch.
        seed: the run's.
        device: where the samples are kept.
        flip: whether to flip each image horizontally with probability 1/2, drawn for each epoch.
        layout: the memory format of batches of images.
        corrupted: the share of samples that are replaced by uniform noise.
        subset: the share of samples that epochs are of, which the seed draws.
    """

    def __init__(
        self,
        store: Store,
        size: int,
        seed: int,
        device: torch.device,
        flip: bool = False,
        layout: torch.memory_format = torch.contiguous_format,
        corrupted: float = 0.0,
        subset: float = 1.0,
    ) -> None:
        if corrupted:
            self._data = _corrupted(store, corrupted, seed).to(device)
        else:
            self._data = held(store, device)  # which lives as long as this
        self.samples, self.labels = self._data.samples, self._data.labels
        self.size = size
        self.seed = seed
        self.flip = flip
        self.layout = layout
        self._chosen = _subset(len(self.samples), subset, seed)
        count = len(self.samples) if self._chosen is None else len(self._chosen)
        self.per_epoch = count // size
        if not self.per_epoch:
            share = "" if subset == 1 else f" (training.subset = {subset:g} of it)"
            raise GanloreError(
                f"training.batch = {size} is larger than the data set {store.name}, which has "
                f"{count} training samples{share}"
            )
        self._epoch = -1
        self._order = self._flipped = torch.empty(0)

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step: samples (size, ...) and class labels (size,), or None."""
        epoch, index = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._shuffle(epoch)
        part = slice(index * self.size, (index + 1) * self.size)
        chosen = self._order[part]
        labels = None if self.labels is None else self.labels[chosen]
        samples = self.samples[chosen]
        if self.flip:
            samples = torch.where(self._flipped[part], samples.flip(-1), samples)
        samples = to_network(samples)
        if samples.dim() == 4:
            samples = samples.contiguous(memory_format=self.layout)
        return samples, labels

    def _shuffle(self, epoch: int) -> None:
        """Draw an epoch's order, and which of its images are flipped, (N, 1, 1, 1)."""
        device = self.samples.device
        n = len(self.samples) if self._chosen is None else len(self._chosen)
        order = torch.randperm(n, generator=seeding.generator(self.seed, "order", epoch))
        if self._chosen is not None:
            order = self._chosen[order]
        self._epoch, self._order = epoch, order.to(device)
        if self.flip:
            uniform = torch.rand(n, 1, 1, 1, generator=seeding.generator(self.seed, "flip", epoch))
            self._flipped = (uniform < 0.5).to(device)


def _subset(n: int, share: float, seed: int) -> Tensor | None:
    """The samples that a seed learns from, (m,), or None for all of them."""
    if share == 1:
        return None
    chosen = torch.randperm(n, generator=seeding.generator(seed, "subset"))
    return chosen[: max(1, round(share * n))]


def _corrupt(samples: Tensor, share: float, rng: torch.Generator) -> None:
    """Replace a share of samples, in place, by uniform noise over the range of all samples."""
    chosen = torch.randperm(len(samples), generator=rng)[: round(share * len(samples))]
    low, high = samples.min().item(), samples.max().item()
    noise = torch.rand(len(chosen), *samples.shape[1:], generator=rng)
    if samples.dtype == torch.uint8:
        noise = (low + noise * (high + 1 - low)).floor()
    else:
        noise = low + noise * (high - low)
    samples[chosen] = noise.to(samples.dtype)
