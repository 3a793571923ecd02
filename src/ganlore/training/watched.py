"""What a step does that a replay would not: looked for in steps that are made without a graph.

A recorded step does not run Python again. What a plug-in decides or keeps there stays as it was,
in every step from then on, and a branch that is taken once in a thousand steps shows in no
comparison of two steps. So it is not the outcome that is looked at, but where it comes from: the
progress of the run, attributes of plug-ins, and numbers that are read back from tensors.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from ganlore.steps import Moment, Schedule

READS = {Tensor.tolist, Tensor.numpy, Tensor.__array__}
"""What reads numbers of a tensor on a CPU without an operation that a recorder would see."""


class Watch(TorchFunctionMode):
    """A context for one step, made as ever.

    Args:
        owners: plug-ins and networks, whose attributes may not change from step to step.
    """

    def __init__(self, owners: Sequence[Any]) -> None:
        super().__init__()
        self._owners = owners
        self._reads: set[str] = set()
        self._before: dict[str, Any] = {}

    def __enter__(self) -> Watch:
        self._before = dict(_kept(self._owners))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in READS:
            self._reads.add(f"numbers of a tensor by `{func.__name__}`")
        return func(*args, **(kwargs or {}))

    def schedule(self, schedule: Schedule) -> Schedule:
        """A schedule that tells when the run's progress is read from it."""
        moment = _Watched(schedule.moment, self._reads)
        return replace(schedule, moment=cast("Moment", moment))

    def reason(self, first: bool) -> str | None:
        """Why the step cannot be replayed, None if nothing was seen.

        Args:
            first: whether it was the first of its kind, in which attributes may be filled.
        """
        if self._reads:
            return f"a step reads {' and '.join(sorted(self._reads))}"
        after = {} if first else dict(_kept(self._owners))
        # what was not there before is made once
        changed = [name for name, value in after.items() if self._before.get(name, value) != value]
        return f"a step changes {' and '.join(sorted(changed))} in Python" if changed else None


class _Watched:
    """The progress of a run, which notes that it is read."""

    def __init__(self, moment: Moment, reads: set[str]) -> None:
        self._moment, self._reads = moment, reads

    def __getattr__(self, name: str) -> Any:
        self._reads.add("`step.schedule.moment`, the progress of the run (see `scheduled`)")
        return getattr(self._moment, name)


def _kept(owners: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """All attributes by name, in a form that can be compared."""
    for owner in owners:
        parts = owner.named_modules() if isinstance(owner, nn.Module) else [("", owner)]
        for place, part in parts:
            name = ".".join(word for word in (type(owner).__name__, place) if word)
            for key, value in vars(part).items():
                # a module's own: parameters, buffers and hooks
                if not (isinstance(part, nn.Module) and key.startswith("_")):
                    yield f"{name}.{key}", _form(value)


def _form(value: Any) -> Any:
    """What is another if a value is. A tensor's content may be: a replay fills the same memory."""
    for kind, form in FORMS:
        if isinstance(value, kind):
            return form(value)
    return id(value)


FORMS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Tensor, lambda value: value.untyped_storage()._cdata),
    (torch.Generator, lambda value: value.get_state().numpy().tobytes()),
    (np.random.Generator, lambda value: repr(value.bit_generator.state)),
    (random.Random, random.Random.getstate),
    (dict, lambda value: [(_form(key), _form(part)) for key, part in value.items()]),
    ((list, tuple), lambda value: [_form(part) for part in value]),
    ((bool, int, float, str, bytes, set, type(None)), repr),  # by which NaN is itself
)
"""How a value of a type is compared; any other is the same as long as it is that object."""
