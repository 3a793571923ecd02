"""Captured steps on a CPU: the kernels of a step are recorded once, and called again.

A step of a small network is bound by Python and by autograd, which plan the same kernels each time.
They are recorded below autograd with the very tensors and numbers that they had, and a replay calls
them in order, into the memory of the recorded results: no modules, no autograd, no views, nothing
allocated. As in a CUDA graph, a Python number that a step read, and what a step keeps in Python,
stay as they were; only tensors, and the state of random generators, can differ. Operations that
read a number back, or have a shape that depends on one, are refused; `tolist` and `numpy` are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

if TYPE_CHECKING:
    from ganlore.training.graphs import Replay

T = TypeVar("T")
Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

LIMIT = 256 * 2**20
"""Bytes of all results of a step. Without a replay most are freed on the way; and a step with more
is bound by arithmetic, to which a replay adds nothing."""

aten = torch.ops.aten
EMPTY = {aten.empty, aten.empty_like, aten.empty_strided, aten.new_empty, aten.new_empty_strided}
"""What gives memory, whose content does not count."""


def capture(
    function: Callable[[], T], generators: Sequence[torch.Generator], stream: Any
) -> Replay[T]:
    """Record a function and run it (`graphs.Capture`).

    Raises:
        RuntimeError: if it cannot be captured; all tensors are then as they were.
    """
    recorder = Recorder()
    try:
        with recorder:
            result = function()
    except Exception:
        recorder.undo()
        raise
    calls = [
        # the operation behind torch's wrapper of it, a twentieth of a small network's step
        (getattr(call, "_op", call), arguments, keywords)
        for recorded in recorder.recorded
        for call, arguments, keywords in recorded
    ]

    def replay() -> None:
        # results are in memory of their own, and have their place in autograd from the record
        with torch.inference_mode():
            for call, arguments, keywords in calls:
                call(*arguments, **keywords)

    return result, replay, recorder.used


class Recorder(TorchDispatchMode):
    """Runs operations, and records what makes each again.

    Attributes:
        recorded: for each operation, the calls that put its results where they are.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorded: list[list[Call]] = []
        self._bytes = 0
        self._made: set[int] = set()
        self._before: dict[int, tuple[Tensor, Tensor]] = {}
        self._alive: list[Any] = []  # so that no memory is given twice

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Whether torch is to wrap this class, which would import its compiler: a second."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        _check(func, args)
        given = list(_tensors((args, kwargs)))
        for tensor in given:
            if _memory(tensor) not in self._made and _memory(tensor) not in self._before:
                content = _bytes(tensor)
                self._before[_memory(tensor)] = content, content.clone()
        # a tensor's own shape may be changed in place later on
        kept_args, kept_kwargs = tree_map(_alias, (args, kwargs))
        out = func(*args, **kwargs)
        there = {_memory(tensor) for tensor in given}
        fresh = [tensor for tensor in _tensors(out) if _memory(tensor) not in there]
        self._made |= {_memory(tensor) for tensor in fresh}
        self._bytes += sum(tensor.untyped_storage().nbytes() for tensor in fresh)
        if self._bytes > LIMIT:
            raise RuntimeError(f"a step's tensors take more than {LIMIT >> 20} MiB")
        kept_out = tree_map(_alias, out)
        self._alive.append((kept_args, kept_kwargs, kept_out))
        self.recorded.append(_again(func, kept_args, kept_kwargs, kept_out, there))
        return out

    @property
    def used(self) -> list[Tensor]:
        """The memory that was there before, as tensors of bytes."""
        return [content for content, _ in self._before.values()]

    @torch.no_grad()
    def undo(self) -> None:
        """Give all tensors that were there before what they had."""
        for content, before in self._before.values():
            content.copy_(before)


def _tensors(value: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))


def _alias(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _bytes(tensor: Tensor) -> Tensor:
    return torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())


def _check(func: Any, args: tuple[Any, ...]) -> None:
    """Refuse what a replay cannot make again."""
    if torch.Tag.data_dependent_output in func.tags:
        raise RuntimeError(f"a number is read back from the device ({func})")
    # the index of numbers has the tag as well, but only that of truths such a shape
    by_truths = func.overloadpacket is not aten.index or any(
        tensor.dtype in {torch.bool, torch.uint8} for tensor in _tensors(args[1])
    )
    if torch.Tag.dynamic_output_shape in func.tags and by_truths:
        raise RuntimeError(f"a shape depends on numbers on the device ({func})")


def _again(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any, there: set[int]
) -> list[Call]:
    """The calls that make an operation again, into the memory of its results.

    Args:
        func: the operation.
        args: its arguments.
        kwargs: its arguments by name.
        out: its results.
        there: the memory of its arguments.
    """
    results = list(_tensors(out))
    fresh = [tensor for tensor in results if _memory(tensor) not in there]
    changes = func._schema.is_mutable and torch.Tag.inplace_view not in func.tags
    stays = all(tensor._is_zerotensor() for tensor in fresh)  # zeros that nothing can change
    if func.overloadpacket in EMPTY or (results and stays and not changes):
        return []  # memory, and views of it, stay
    if not fresh:
        return [(func, args, kwargs)]
    names = None if changes or len(fresh) < len(results) else _into(func)
    if names is not None and len(names[1]) == len(results):
        into, outs = names
        return [(into, args, {**kwargs, **dict(zip(outs, results, strict=True))})]
    return [(_copied(func, results, there), args, kwargs)]


def _copied(func: Any, results: list[Tensor], there: set[int]) -> Callable[..., None]:
    """An operation, and copies of its results to where they were."""
    places = [(i, place) for i, place in enumerate(results) if _memory(place) not in there]

    def call(*args: Any, **kwargs: Any) -> None:
        made = list(_tensors(func(*args, **kwargs)))
        for index, place in places:
            place.copy_(made[index])

    return call


def _given(arguments: Any) -> list[tuple[str, str]]:
    return [(a.name, str(a.type)) for a in arguments if not a.is_out]


def _into(func: Any) -> tuple[Any, list[str]] | None:
    """The form of an operation that is given its results' memory, and those arguments' names."""
    wanted = _given(func._schema.arguments)
    for name in func.overloadpacket.overloads():
        form = getattr(func.overloadpacket, name)
        arguments = form._schema.arguments
        outs = [a.name for a in arguments if a.is_out]
        tensors = all(str(a.type) == "Tensor" for a in arguments if a.is_out)  # and no lists
        if outs and tensors and _given(arguments) == wanted:
            return form, outs
    return None
