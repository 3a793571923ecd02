"""Whether a test can come out as `holds` and as `contradicted`, before anything is trained.

A test that cannot come out both ways says nothing by its verdict: nothing fails less than a control
that never fails, and where a control reaches its target at the budget's very end, no treatment can
be later by more than the margin. What bounds an effect is the range of what is measured, the floor
that real data have, what a control did in a study that is finished, and the number of seeds
(docs/adr/0032-gates-units-and-controls.md). Pure arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from ganlore import formatting
from ganlore.study.claims import Test

ALPHA = 0.05

FEWEST_UNITS = 3
"""With fewer losses or data sets there is no spread between them to speak of."""

FEWEST_LATE = 10
"""Snapshots of the last third, of which fewer have the slope of learning for their spread."""

Range = tuple[float, float]

EVERYTHING: Range = (-math.inf, math.inf)
POSITIVE: Range = (0.0, math.inf)
SHARE: Range = (0.0, 1.0)

COLUMNS: dict[str, Range] = {
    "real_probability": SHARE, "fake_probability": SHARE, "share_at_bound": SHARE,
    "d_gradient_norm": POSITIVE, "g_gradient_norm": POSITIVE,
}  # fmt: skip
"""Bounds of the columns of a history that have any."""


@dataclass(frozen=True)
class Circumstances:
    """What a test meets in a study.

    Attributes:
        observations: seeds, or losses or data sets where they are the unit.
        family: the claims that Holm's correction is over.
        snapshots: of a run, at equal distance.
        exact: whether sign-flip tests decide, whose p has a floor; else a t test over units.
        modes: of the data.
        best: the metric on real data, which no generator is better than; None where unknown.
        control: what the control did, the mean over observations, after all transformations; None
            before it has run.
        alpha: the level.
    """

    observations: int
    family: int = 1
    snapshots: int = 1
    exact: bool = True
    modes: float = math.inf
    best: float | None = None
    control: float | None = None
    alpha: float = ALPHA


class Attainable(NamedTuple):
    """The effects that a test can show, positive as claimed.

    Attributes:
        low: the smallest.
        high: the largest.
        reason: why it cannot come out both ways; empty where it can.
    """

    low: float
    high: float
    reason: str = ""


def attainable(test: Test, here: Circumstances) -> Attainable:
    """The range of a test's effect, and whether it reaches beyond both margins."""
    ours = _combined(test, here)
    theirs = _control(test, here, ours)
    sign = 1.0 if test.claimed == "higher" else -1.0
    low, high = sorted((sign * (ours[0] - theirs[1]), sign * (ours[1] - theirs[0])))
    return Attainable(low, high, _few(test, here) or _one_way(test, here, low, high))


def _control(test: Test, here: Circumstances, ours: Range) -> Range:
    if test.constant is not None:
        return test.constant, test.constant
    return ours if here.control is None else (here.control, here.control)


def _few(test: Test, here: Circumstances) -> str:
    """Why there are too few observations or snapshots for any verdict."""
    n = here.observations
    if not here.exact and n < FEWEST_UNITS:
        return f"{n} of its units, of which it takes {FEWEST_UNITS} to see how they differ"
    if here.exact and here.family * 2.0**-n > here.alpha:
        return (
            f"with {n} {'seed' if n == 1 else 'seeds'} p is at least 1/{2**n:,}, which times "
            f"{here.family} for the number of claims is more than {here.alpha:g}"
        )
    late = here.snapshots - math.floor(here.snapshots * 2 / 3)
    if test.take == "unsteadiness" and late < FEWEST_LATE:
        return (
            f"{late} snapshots in the last third, whose spread is the slope of learning; it takes "
            f"{FEWEST_LATE}"
        )
    return ""


def _one_way(test: Test, here: Circumstances, low: float, high: float) -> str:
    """Why the range of the effect does not reach beyond both margins."""
    least = -test.margin if test.not_worse else test.margin
    ways = [
        word
        for word, reached in (("hold", high > least), ("be contradicted", low < -test.margin))
        if not reached
    ]
    if not ways:
        return ""
    after = "" if here.control is None else f" against a control at {bound(here.control)}"
    return (
        f"it cannot {' or '.join(ways)}: effects{after} are from {bound(low)} to {bound(high)} "
        f"as claimed, and the margin is {test.margin:g}"
    )


def bound(value: float) -> str:
    """A bound as text."""
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    return formatting.difference(value + 0.0, sign=False)  # a bound of -0 is 0


# -- the range of one side -------------------------------------------------------------------------


def _combined(test: Test, here: Circumstances) -> Range:
    if test.combine == "agreement":
        return -1.0, 1.0
    low, high = _scaled(test, _taken(test, here))
    if test.relative_to:
        low, high = low - high, high - low
    if test.combine == "spread":  # at most that of two cells, one at each end
        return 0.0, (high - low) / math.sqrt(2)
    return low, high


def _scaled(test: Test, bounds: Range) -> Range:
    if test.distance_from is not None:
        bounds = _absolute((bounds[0] - test.distance_from, bounds[1] - test.distance_from))
    if test.absolute:
        bounds = _absolute(bounds)
    if test.scale == "log":
        low, high = (math.log(end) if end > 0 else -math.inf for end in bounds)
        return low, high
    return bounds


def _absolute(bounds: Range) -> Range:
    low, high = bounds
    least = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    return least, max(abs(low), abs(high))


def _taken(test: Test, here: Circumstances) -> Range:
    """The range of what a test takes of a run."""
    match test.take:
        case "end" | "best" | "average" | "real-data":
            return POSITIVE if test.relative_to_floor else _metric(test.of, here)
        case "failed" | "far-from-best" | "hopping":
            return SHARE
        case "tracking":
            return -1.0, 1.0
        case "time-to":
            return 1 / here.snapshots, 1.0
        case "unsteadiness" | "decline" | "stopping" | "cost":
            return POSITIVE
        case "late" | "at-best":
            return COLUMNS.get(test.of, EVERYTHING)


def _metric(name: str, here: Circumstances) -> Range:
    from ganlore.metrics import metrics

    metric = metrics()[name]
    low, high = metric.bounds
    least = -math.inf if low is None else low
    most = math.inf if high is None else high
    if "modes" in metric.needs and high is None and metric.higher_is_better:
        most = here.modes
    if here.best is not None and not metric.higher_is_better:
        least = max(least, here.best)
    return least, most
