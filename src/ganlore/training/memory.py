"""The memory that a training step needs, counted rather than sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


class Saved:
    """A tensor that autograd saves in the forward pass, until its backward pass is done."""

    def __init__(self, tensor: Tensor, meter: Meter) -> None:
        # not the tensor itself: an operation that saves its own result would keep itself alive
        self.tensor = tensor.detach()
        self.meter = meter
        self.key = meter.add(tensor)

    def __del__(self) -> None:
        self.meter.remove(self.key)


class Meter(saved_tensors_hooks):
    """A context that measures the peak bytes that autograd saves for backward passes.

    These activations are a step's memory besides weights, gradients and the optimiser's state,
    whose sizes follow from the numbers of parameters. They are counted by torch's hooks on saved
    tensors, so that the number is the same on every machine, while a process's resident memory is
    mostly that of the imports. Each storage counts once; trained weights do not count.

    Attributes:
        peak: the most bytes at one time.
        now: the bytes saved at present.
    """

    def __init__(self, weights: Iterable[Tensor]) -> None:
        self.peak = 0
        self.now = 0
        self._weights = {_storage_key(weight) for weight in weights}
        self._saved: Counter[tuple[int, int]] = Counter()
        super().__init__(lambda tensor: Saved(tensor, self), lambda saved: saved.tensor)

    def __enter__(self) -> Meter:  # type: ignore[override] # torch's gives nothing
        super().__enter__()
        return self

    def add(self, tensor: Tensor) -> tuple[int, int]:
        """Count a tensor's storage, unless it is counted already; returns its key."""
        key = _storage_key(tensor)
        self._saved[key] += 1
        if self._saved[key] == 1 and key not in self._weights:
            self.now += key[1]
            self.peak = max(self.peak, self.now)
        return key

    def remove(self, key: tuple[int, int]) -> None:
        """Remove one reference to a storage."""
        self._saved[key] -= 1
        if not self._saved[key] and key not in self._weights:
            self.now -= key[1]


def _storage_key(tensor: Tensor) -> tuple[int, int]:
    """The address of a tensor's storage, and its bytes."""
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.nbytes()
