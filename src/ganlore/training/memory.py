"""What a training step keeps in memory, counted rather than sampled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks


class Kept:
    """A tensor that autograd keeps, from its forward pass until its backward pass is done."""

    def __init__(self, tensor: Tensor, meter: Meter) -> None:
        # not the tensor itself: a step that keeps its own result would keep itself alive
        self.tensor = tensor.detach()
        self.meter = meter
        self.key = meter.take(tensor)

    def __del__(self) -> None:
        self.meter.leave(self.key)


class Meter(saved_tensors_hooks):
    """The most bytes that autograd kept at one time for backward passes, while it was entered.

    Activations are what a step needs beside weights, gradients and the optimiser's state, whose
    sizes the numbers of parameters give. Counted by torch's hooks on saved tensors: the same number
    on every machine, where a process's resident memory is mostly that of the imports. Each storage
    counts once, and the weights that are trained not at all.

    Attributes:
        peak: bytes at most.
        now: bytes that are kept still.
    """

    def __init__(self, weights: Iterable[Tensor]) -> None:
        self.peak = 0
        self.now = 0
        self._known = {_place(weight) for weight in weights}
        self._kept: Counter[tuple[int, int]] = Counter()
        super().__init__(lambda tensor: Kept(tensor, self), lambda kept: kept.tensor)

    def __enter__(self) -> Meter:  # type: ignore[override] # torch's gives nothing
        super().__enter__()
        return self

    def take(self, tensor: Tensor) -> tuple[int, int]:
        """Count a tensor's storage, unless it is counted already; gives its key."""
        key = _place(tensor)
        self._kept[key] += 1
        if self._kept[key] == 1 and key not in self._known:
            self.now += key[1]
            self.peak = max(self.peak, self.now)
        return key

    def leave(self, key: tuple[int, int]) -> None:
        """Count it no longer."""
        self._kept[key] -= 1
        if not self._kept[key] and key not in self._known:
            self.now -= key[1]


def _place(tensor: Tensor) -> tuple[int, int]:
    """Where a tensor's storage lies, and its bytes."""
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.nbytes()
