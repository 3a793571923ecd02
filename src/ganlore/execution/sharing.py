"""How many runs are trained in turn on one GPU: as many as its memory holds and as still gain.

Only numbers in and numbers out; `cli.together` measures them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

GAIN = 1.1
"""One more run has to make all of them together so many times as fast as before."""

MARGIN = 1.5
"""Memory that a run may need, over what a run of its kind did: another loss, fragments, growth."""


def wanted(speedups: Mapping[int, float], most: int) -> tuple[int, bool]:
    """The number of runs to train together next.

    Args:
        speedups: by number of runs, what was measured with it so far: the steps that all of them
            together make in a second, each run's in units of those that it makes alone. 1 is no
            gain, whatever runs they are.
        most: the most there may be.

    Returns:
        The number, and whether it is settled: more would not gain, or may not be.
    """
    number = 1
    while number < most:
        if number not in speedups:
            return number, False
        if number + 1 not in speedups:
            return number + 1, False
        if speedups[number + 1] < GAIN * speedups[number]:
            return number, True
        number += 1
    return number, True


def fits(peaks: Sequence[int], newcomer: int | None, memory: int | None) -> bool:
    """Whether one more run fits into a GPU's memory beside those that are there.

    Args:
        peaks: bytes of each of those.
        newcomer: its bytes, None for a run of a kind that was not measured yet: half of the memory.
        memory: bytes that the runs of this process may have; None where there is no bound.
    """
    if memory is None or not peaks:
        return True  # a run that fits alone nowhere says so by itself
    own = memory // 2 if newcomer is None else newcomer * MARGIN
    return sum(peaks) * MARGIN + own <= memory


def sentence(speedups: Mapping[int, float], number: int) -> str:
    """One line that says how many runs are trained in turn, and by which measurements."""
    measured = ", ".join(f"{n} {speedups[n]:.2f}" for n in sorted(speedups) if n > 1)
    reason = f"; runs in turn and their speed together, one alone being 1: {measured}"
    return f"runs in turn on this GPU: {number}{reason if measured else ''}"
