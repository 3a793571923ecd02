"""Captured steps: the kernels of a step are recorded once and replayed.

A small step is bound by Python, by autograd and, on a GPU, by launches, not by arithmetic; a replay
costs none of them. On a GPU it is a CUDA graph, on a CPU a list of calls (`replay.py`).
What changes from step to step is in tensors that are filled before the replay: the batch, the
scheduled values and the state of the random generators. What changes the networks (a plug-in's
scheduled whole numbers, and whether the generator is updated) has a graph of its own.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from ganlore.console import say
from ganlore.errors import GanloreError
from ganlore.execution import gpu
from ganlore.steps import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganlore.training.batches import Batch
    from ganlore.training.trainer import Update, Updates

T = TypeVar("T")

Replay = tuple[T, Callable[[], None], Sequence[Tensor]]
"""A function's result, whose tensors every replay fills anew; what replays it; and, where replays
can be compared with the function itself, the memory from before that it uses, as bytes."""

Capture = Callable[[Callable[[], T], Sequence[torch.Generator], Any], Replay[T]]
"""Records a function that draws from some generators, on a stream, and runs it once."""

Key = tuple[Any, ...]
"""What a graph is good for: whether the generator is updated, and the scheduled whole numbers."""

OTHERWISE = "a replay gives other numbers than the step, which may keep a number in Python"
"""Why a step cannot be captured that could be recorded."""

WARM_UP = 3
"""Steps of a kind that are made without a graph before one is recorded: optimisers make their
state, and libraries choose their kernels."""


def cuda_graph(
    function: Callable[[], T], generators: Sequence[torch.Generator], stream: torch.cuda.Stream
) -> Replay[T]:
    """Record a function in a CUDA graph and replay it (`Capture`).

    The stream must be that of the steps before: what autograd keeps of a parameter as long as a
    step's tensors are there belongs to a stream, and would draw another one into the capture.
    """
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    failed: list[Exception] = []
    try:
        with torch.cuda.graph(graph, stream=stream):
            try:
                result = function()
            except Exception as error:
                failed.append(error)
                raise
    except Exception as end:
        # the end of a capture that an error has broken raises one of its own, which says nothing
        first = failed[0] if failed else end
        raise first from first.__cause__
    graph.replay()
    return result, graph.replay, ()


def side_stream(device: torch.device) -> torch.cuda.Stream:
    """The stream to warm up and to capture on, which may not be the default one.

    A run that takes turns with others has one of its own already. Another one would be one of
    torch's 32, which it gives out in a circle: soon that of a run whose graphs are replayed at the
    same time, with libraries' working memory that belongs to a stream.
    """
    current = torch.cuda.current_stream(device)
    alone = current == torch.cuda.default_stream(device)
    return torch.cuda.Stream(device) if alone else current


@dataclass
class Recorded:
    """A step that was recorded.

    Attributes:
        updates: of the discriminator and of the generator, whose tensors every replay fills.
        gradients: of each parameter that is updated, likewise.
        replay: makes the step again.
        used: the memory from before that the step uses, until a replay was compared with a step.
    """

    updates: Updates
    gradients: list[tuple[Tensor, Tensor]]
    replay: Callable[[], None]
    used: Sequence[Tensor]


class Graphs:
    """Makes a run's steps from graphs, and those that cannot be captured without.

    Args:
        function: makes a step from its schedule, its batch and whether the generator is updated.
        generators: the random generators that it draws from, seeded before each call of `step`.
        parameters: of all networks, for their gradients.
        device: where the networks are.
        strict: whether a step that cannot be captured is an error.
        capture: what records and replays.

    Attributes:
        refusal: why steps cannot be captured, None if they can.
        replayed: steps that were made from a graph.
    """

    def __init__(
        self,
        function: Callable[[Schedule, Batch, bool], Updates],
        generators: Sequence[torch.Generator],
        parameters: Sequence[Tensor],
        device: torch.device,
        strict: bool = False,
        capture: Capture[Any] = cuda_graph,
    ) -> None:
        self._function = function
        self._generators = generators
        self._parameters = parameters
        self._side = side_stream(device) if device.type == "cuda" else None
        self._strict = strict
        self._capture = capture
        self._recorded: dict[Key, Recorded] = {}
        self._made: Counter[Key] = Counter()
        self._batch: Batch | None = None
        self._last: Recorded | None = None
        self._expected: list[tuple[Tensor, Tensor]] = []
        self.refusal: str | None = None
        self.replayed = 0

    def ready(self, schedule: Schedule, generator_too: bool) -> bool:
        """Whether enough steps of a kind were made without a graph, and can be captured."""
        return self.refusal is None and self.made(schedule, generator_too) >= WARM_UP

    def made(self, schedule: Schedule, generator_too: bool) -> int:
        """How many steps of a kind were made without a graph, or begun."""
        return self._made[_key(schedule, generator_too)]

    def step(self, schedule: Schedule, batch: Batch, generator_too: bool) -> Updates | None:
        """Make a step from a graph; None if it is to be made without, and nothing was made.

        Args:
            schedule: of the step.
            batch: of the step.
            generator_too: whether the generator is updated.

        Raises:
            GanloreError: if it cannot be captured (`strict`).
        """
        key = _key(schedule, generator_too)
        self._fill(batch)
        if key in self._recorded:
            if self._recorded[key].used:
                self._foretell(self._recorded[key])
                return None  # and the step without a graph is compared with it
            self._recorded[key].replay()
        else:
            try:
                self._record(key, schedule)
            except (RuntimeError, GanloreError) as error:
                if gpu.short_of_memory(error):  # which whoever trains the run has an answer to
                    raise
                self.refuse(error)
                return None
        self.replayed += 1
        recorded = self._recorded[key]
        if recorded is not self._last:  # whose gradients are other tensors
            for parameter, gradient in recorded.gradients:
                parameter.grad = gradient
        self._last = recorded
        discriminator, generator = recorded.updates
        return _now(discriminator, schedule), generator and _now(generator, schedule)

    @contextmanager
    def without(self, schedule: Schedule, generator_too: bool) -> Iterator[None]:
        """A context to make a step without a graph, on the stream on which graphs warm up."""
        self._made[_key(schedule, generator_too)] += 1
        self._last = None
        if self._side is None:
            yield
            self._compare()
            return
        self._side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._side):
            yield
        torch.cuda.current_stream().wait_stream(self._side)

    def refuse(self, error: Exception) -> None:
        """Make no more steps from graphs, for this reason, which is said once.

        Raises:
            GanloreError: if that is not wanted (`strict`).
        """
        if self.refusal is not None:
            return
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if self._strict:
            raise GanloreError(
                f"training.capture = 'on', but this step cannot be captured: {reason}\n"
                "  use 'auto', which trains without a graph then"
            ) from error
        self.refusal = reason
        self._recorded, self._last = {}, None  # whose memory may be large
        say(f"note: steps are not captured: {reason}")

    @torch.no_grad()
    def _foretell(self, recorded: Recorded) -> None:
        """Note what a replay makes of all memory, for a step without a graph to be compared with.

        So a number that the step keeps in Python is noticed, which a replay would never change.
        """
        before = [(tensor, tensor.clone()) for tensor in recorded.used]
        try:
            recorded.replay()
            self._expected = [(tensor, tensor.clone()) for tensor in recorded.used]
        except (RuntimeError, TypeError, NotImplementedError) as error:
            self.refuse(error)
        finally:
            for tensor, content in before:
                tensor.copy_(content)
        recorded.used = ()

    def _compare(self) -> None:
        """Refuse to go on with graphs if the step was another than a replay's."""
        expected, self._expected = self._expected, []
        if not all(torch.equal(actual, foretold) for actual, foretold in expected):
            self.refuse(GanloreError(OTHERWISE))

    def _fill(self, batch: Batch) -> None:
        """Copy a batch to the tensors that graphs read."""
        if self._batch is None:
            images, labels = batch
            self._batch = images.clone(), None if labels is None else labels.clone()
            return
        for target, source in zip(self._batch, batch, strict=True):
            if target is not None and source is not None:
                target.copy_(source)

    def _record(self, key: Key, schedule: Schedule) -> None:
        """Record and make a step; graphs of other stages of the networks are dropped."""
        assert self._batch is not None
        batch, generator_too = self._batch, key[0]
        self._recorded = {k: r for k, r in self._recorded.items() if k[1:] == key[1:]}

        def make() -> Updates:
            updates = self._function(schedule, batch, generator_too)
            for update in updates:
                if update is not None:
                    log = update[0].log
                    log |= {name: v() if callable(v) else v for name, v in log.items()}
            return updates

        for parameter in self._parameters:
            parameter.grad = None
        updates, replay, used = self._capture(make, self._generators, self._side)
        gradients = [(p, p.grad) for p in self._parameters if p.grad is not None]
        self._recorded[key] = Recorded(updates, gradients, replay, used)


def _key(schedule: Schedule, generator_too: bool) -> Key:
    whole = ((name, n) for name, n in sorted(schedule.numbers.items()) if isinstance(n, int))
    return (generator_too, *whole)


def _now(update: Update, schedule: Schedule) -> Update:
    """A recorded update at a later step. What is computed of it later must not stay in it."""
    step = copy.copy(update[0])
    step.schedule = schedule
    return step, update[1]
