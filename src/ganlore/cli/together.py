"""Several runs that are trained in turn in one process, a step each, on one device.

How many is measured (`execution.sharing`): each newcomer makes some steps alone while the others
pause, which gives the time of its step and its memory; then all make some together.
"""

from __future__ import annotations

import gc
import math
import time
import traceback
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

import torch

from ganlore.execution import sharing
from ganlore.training import batches
from ganlore.training.loop import Steps

WARM = 64
"""Rounds before a measurement: of captures, of timed kernels, of terms that come every 16 steps."""

ROUNDS = 20
"""The fewest rounds of a measurement."""

SECONDS = 0.3
"""The shortest measurement."""

PAUSE = 0.1
"""Seconds between two questions whether memory has become free: each asks the driver."""


ALONE = "alone"
"""The kind of a run that had too little memory beside others."""


@dataclass(eq=False)
class Member:
    """A run in this process.

    Attributes:
        steps: its training.
        kind: runs of one kind need as much memory as each other.
        enter: makes the output of this process that run's; called before each of its steps.
        cpu: seconds of the processor that its steps have taken.
        alone: seconds of the clock that a step takes alone; None while not measured.
        before: the device's memory before its first step.
        lane: the context of its steps: a stream of its own on a GPU.
    """

    steps: Steps
    kind: Hashable
    enter: Callable[[], None] = lambda: None
    cpu: float = 0.0
    alone: float | None = None
    before: tuple[int, int] = (0, 0)
    lane: AbstractContextManager[Any] = field(default_factory=nullcontext)


@dataclass(frozen=True)
class Ended:
    """A run that has ended: with a status, or by an error."""

    member: Member
    status: str = ""
    error: BaseException | None = None


def let_go(error: BaseException | None) -> None:
    """Let go of what an error's frames hold, which is a run with all of its tensors."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


class Device:
    """What is asked of a device: on the CPU its memory has no bound, and nothing is waited for."""

    def __init__(self, device: torch.device) -> None:
        self.cuda = device.type == "cuda"
        self._free: list[Any] = []

    def wait(self) -> None:
        """Wait until all that was asked of the device is done."""
        if self.cuda:
            torch.cuda.synchronize()

    def memory(self) -> int | None:
        """Bytes that this process may have: what is free, and what it has already."""
        if not self.cuda:
            return None
        return int(torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - batches.nbytes())

    def used(self, peak: bool = False) -> tuple[int, int]:
        """Bytes in tensors and bytes held, now or at most since `used` was last asked for now.

        Without the shared data sets.
        """
        if not self.cuda:
            return 0, 0
        shared = batches.nbytes()
        if peak:
            return torch.cuda.max_memory_allocated() - shared, torch.cuda.memory_reserved() - shared
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() - shared, torch.cuda.memory_reserved() - shared

    def lane(self) -> AbstractContextManager[Any]:
        """A stream for one run; those that were given back come first: they hold memory."""
        if not self.cuda:
            return nullcontext()
        lane: AbstractContextManager[Any] = (
            self._free.pop() if self._free else torch.cuda.stream(torch.cuda.Stream())
        )
        return lane

    def free(self, lane: AbstractContextManager[Any]) -> None:
        """Give back a stream, and the memory of its run."""
        gc.collect()
        if self.cuda:
            self._free.append(lane)
            with suppress(RuntimeError):  # of a GPU that has failed, as the run's own error says
                torch.cuda.empty_cache()

    def broken(self) -> bool:
        """Whether the device takes no more work of this process, after an error of a kernel."""
        try:
            self.wait()
        except RuntimeError:
            return True
        return False


class Window:
    """Measures the seconds of a round of some runs."""

    def __init__(self, members: tuple[Member, ...], device: Device) -> None:
        self.members = members
        self._device = device
        self._rounds = -WARM
        self._began = 0.0

    def tick(self) -> float | None:
        """Count a round; gives the seconds of one when enough were made."""
        self._rounds += 1
        if self._rounds == 0:
            self._device.wait()
            self._began = time.perf_counter()
        if self._rounds < ROUNDS or time.perf_counter() - self._began < SECONDS:
            return None
        self._device.wait()
        return (time.perf_counter() - self._began) / self._rounds


class Together:
    """Runs in turn.

    Attributes:
        waiting: those that have not begun.
        active: those that are trained in turn.
        speedups: as in `sharing.wanted`.
        peaks: bytes of a run, by kind.

    Args:
        device: where they are trained.
        most: the most that may be trained in turn.
        fixed: the number of them, where it is not to be measured.
    """

    def __init__(self, device: Device, most: int, fixed: int | None = None) -> None:
        self.waiting: deque[Member] = deque()
        self.active: list[Member] = []
        self.speedups: dict[int, float] = {}
        self.peaks: dict[Hashable, int] = {}
        self._device = device
        self._most = most
        self._fixed = fixed
        self._window: Window | None = None
        self._full_until = -math.inf

    @property
    def wanted(self) -> tuple[int, bool]:
        """How many there are to be, and whether that is settled."""
        if self._fixed is not None:
            return self._fixed, True
        return sharing.wanted(self.speedups, self._most)

    def round(self) -> list[Ended]:
        """Make a step of each run whose turn it is; gives those that have ended."""
        if self._window is None:
            self._admit()
        window = self._window
        members = window.members if window else tuple(self.active)
        ended = [end for member in members if (end := self._step(member))]
        for end in ended:
            self.remove(end.member)
        if window and window is self._window and (seconds := window.tick()) is not None:
            self._record(window, seconds)
            self._window = self._next()
        return ended

    def remove(self, member: Member) -> None:
        """Take a run out, wherever it is; what is measured begins anew."""
        if member in self.waiting:
            self.waiting.remove(member)
            return
        self.active.remove(member)
        self._window, self._full_until = None, -math.inf
        self._device.free(member.lane)

    def _admit(self) -> None:
        """Let runs begin, up to one that is to be measured first, and say what to measure."""
        self._window = self._next()
        while self._window is None and len(self.active) < self.wanted[0]:
            if not self.waiting or time.perf_counter() < self._full_until:
                return
            member = next((m for m in self.waiting if self._fits(m)), None)
            if member is None:
                self._full_until = time.perf_counter() + PAUSE
                return
            self.waiting.remove(member)
            member.before, member.lane = self._device.used(), self._device.lane()
            self.active.append(member)
            self._window = self._next()

    def _fits(self, member: Member) -> bool:
        kinds = {other.kind for other in self.active}
        if kinds and ALONE in {member.kind, *kinds}:
            return False
        memory = self._device.memory()
        if memory is None or self._fixed is not None:
            return True
        if not kinds <= self.peaks.keys():
            return False  # until it is measured what they need
        return sharing.fits(
            [self.peaks[other.kind] for other in self.active], self.peaks.get(member.kind), memory
        )

    def _next(self) -> Window | None:
        """What to measure now."""
        if self._fixed is not None:
            return None
        unsettled = not self.wanted[1]
        for member in self.active:
            if member.alone is None and (unsettled or member.kind not in self.peaks):
                return Window((member,), self._device)
        if unsettled and self.active and len(self.active) not in self.speedups:
            return Window(tuple(self.active), self._device)
        return None

    def _record(self, window: Window, seconds: float) -> None:
        if len(window.members) == 1 and window.members[0].alone is None:
            member = window.members[0]
            member.alone = seconds
            used = self._device.used(peak=True)
            peak = max(now - then for now, then in zip(used, member.before, strict=True))
            self.peaks[member.kind] = max(peak, self.peaks.get(member.kind, 0))
            self.speedups.setdefault(1, 1.0)
        else:
            alone = sum(member.alone or 0.0 for member in window.members)
            self.speedups[len(window.members)] = alone / seconds

    def _step(self, member: Member) -> Ended | None:
        member.enter()
        began = time.process_time()
        try:
            with member.lane:
                next(member.steps)
        except StopIteration as end:
            return Ended(member, str(end.value))
        except BaseException as error:  # a plug-in may raise anything
            return Ended(member, error=error)
        finally:
            member.cpu += time.process_time() - began
        return None
