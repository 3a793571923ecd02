"""Capture and replay of a step without a GPU, by what a CUDA graph does: fixed kernels and memory.

Each operation of torch that a step makes is recorded with the very tensors and numbers that it had.
A replay calls them again, in order, and writes every result into the memory of the recorded one. A
Python number that a step read, a tensor that was made from one, and what a step keeps in Python
stay as they were when recorded, as in a CUDA graph; only tensors, and the state of generators, can
differ. What reads numbers back from the device, or has a shape that depends on them, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

T = TypeVar("T")
aten = torch.ops.aten

REFUSED = {
    aten._local_scalar_dense: "a number is read back from the device",
    aten.nonzero: "a shape depends on numbers on the device",
    aten.masked_select: "a shape depends on numbers on the device",
    aten._unique2: "a shape depends on numbers on the device",
    aten.is_nonzero: "a number is read back from the device",
    aten.equal: "a number is read back from the device",
}
"""What a stream cannot capture, and why."""


class Recorder(TorchDispatchMode):
    """Records operations, and runs them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []
        self._made: set[int] = set()
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if reason := REFUSED.get(func.overloadpacket):
            raise RuntimeError(f"{reason} ({func})")
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, Tensor) and not {id(value), value.data_ptr()} & self._made:
                self._before.setdefault(id(value), (value, value.clone()))
        out = func(*args, **(kwargs or {}))
        for value in tree_leaves(out):
            if isinstance(value, Tensor) and id(value) not in self._before:
                self._made |= {id(value), value.data_ptr()}
        self.calls.append((func, args, kwargs or {}, out))
        return out

    @torch.no_grad()
    def undo(self) -> None:
        """Give all tensors that were there before what they had: CUDA records, and runs nothing."""
        for tensor, before in self._before.values():
            tensor.data.copy_(before)

    @torch.no_grad()
    def replay(self) -> None:
        """Make every operation again."""
        for func, args, kwargs, out in self.calls:
            for kept, new in zip(tree_leaves(out), tree_leaves(func(*args, **kwargs)), strict=True):
                # a view, or a result in place, is there already
                if isinstance(kept, Tensor) and kept.data_ptr() != new.data_ptr():
                    kept.data.copy_(new)


def capture(
    function: Callable[[], T], generators: Sequence[torch.Generator], stream: Any
) -> tuple[T, Callable[[], None]]:
    """As `graphs.cuda_graph`."""
    recorder = Recorder()
    try:
        with recorder:
            result = function()
    except Exception:
        recorder.undo()
        raise
    return result, recorder.replay
