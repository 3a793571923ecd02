"""Random numbers of a step that are needed again: two inputs that must be augmented alike.

`Draws` rewinds the step's generator. A step that is captured cannot: a CUDA graph has no state of a
generator to set. `Tape` keeps the numbers instead, and gives the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from ganlore.errors import GanloreError

Position = Any
"""A place in a step's random numbers."""


class Draws:
    """The random numbers of a step.

    Attributes:
        rng: the step's random generator, for torch's functions.
    """

    def __init__(self, rng: torch.Generator) -> None:
        self.rng = rng

    def active(self) -> AbstractContextManager[Any]:
        """A context in which the step draws."""
        return nullcontext()

    def position(self) -> Position:
        """The place of the next number."""
        return self.rng.get_state()

    @contextmanager
    def again(self, position: Position) -> Iterator[None]:
        """Draw from an earlier place inside the block, and go on as before after it."""
        now = self.rng.get_state()
        self.rng.set_state(position)
        yield
        self.rng.set_state(now)

    def fork(self) -> Draws:
        """Draws of the same numbers from here on, with a place of their own."""
        return Draws(self.rng.clone_state())


class Tape(Draws):
    """Keeps each tensor that is drawn, for whoever draws the same again.

    Raises:
        GanloreError: by a draw of another kind, shape or bounds than the one before it at its
            place. A generator that is rewound would give other numbers than the ones kept.
    """

    def __init__(self, rng: torch.Generator, origin: Tape | None = None, at: int = 0) -> None:
        # a fork's only names it, and none may be made on a GPU while a step is captured there
        super().__init__(rng if origin is None else torch.Generator())
        self._at = at
        self._mode: _Recorder = _Recorder(rng) if origin is None else origin._mode
        self._mode.places.append(self)

    def active(self) -> AbstractContextManager[Any]:
        """Intercept torch's random functions."""
        return self._mode

    def position(self) -> Position:
        """How many tensors were drawn before."""
        return self._at

    @contextmanager
    def again(self, position: Position) -> Iterator[None]:
        """As `Draws.again`, from the tensors kept."""
        now, self._at = self._at, position
        yield
        self._at = now

    def fork(self) -> Draws:
        """As `Draws.fork`; its `rng` only names it, and numbers come from the origin's."""
        return Tape(self._mode.rng, self, self._at)

    def following(self) -> int:
        """The place of the next tensor, which is then taken."""
        self._at += 1
        return self._at - 1


class _Recorder(TorchFunctionMode):
    """Answers draws of a tape and its forks: the first at each place draws, others get a copy."""

    def __init__(self, rng: torch.Generator) -> None:
        super().__init__()
        self.rng = rng
        self.places: list[Tape] = []
        self._kept: list[tuple[Any, Tensor]] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        rng = kwargs.get("generator")
        place = next((place for place in self.places if place.rng is rng), None)
        if rng is None or place is None:
            return func(*args, **kwargs)
        kwargs["generator"] = self.rng
        call = (func, tree_map(_outline, (args, {**kwargs, "generator": None})))
        index = place.following()
        if index == len(self._kept):
            drawn = func(*args, **kwargs)
            self._kept.append((call, drawn.clone()))  # it may be changed in place
            return drawn
        before, kept = self._kept[index]
        if before != call:
            raise GanloreError(
                f"this step draws {func.__name__} where it drew {before[0].__name__} of another "
                "shape or bounds before, and has to draw the same"
            )
        if func.__name__.endswith("_"):
            return args[0].copy_(kept)
        return kept.clone()


def _outline(value: Any) -> Any:
    return (value.shape, value.dtype) if isinstance(value, Tensor) else value
