"""Gates before a verdict: whether the cells of a test have converged.

A verdict on runs that are still on the way ranks who learns fastest in so many steps. So a test
whose cells have not converged has a state in place of a verdict, with the reason
(docs/adr/0032-gates-units-and-controls.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganlore import formatting
from ganlore.analysis.claims.measures import Source
from ganlore.analysis.claims.verdicts import Verdict
from ganlore.analysis.tables import CELL
from ganlore.study.claim_gates import FALLING, SETTLED, Gated, Gates
from ganlore.study.claims import Test
from ganlore.study.run import Cell

FEWEST_SNAPSHOTS = 4
"""With fewer there is no curve to speak of."""

HALF = (0.4, 0.625)
"""A snapshot in this part of the budget is near its half: five of equal distance have one."""

RESOLUTION = 2.0**-23
"""Of single precision, in which a run computes: a value below this share of where a curve began is
zero, and has converged to it."""

WORST = 3
"""So many cells that have not converged are named."""


class Gate(NamedTuple):
    """A gate that is shut.

    Attributes:
        state: the word in place of a verdict.
        reason: why, in words.
    """

    state: Verdict
    reason: str


class Convergence(NamedTuple):
    """Whether a curve has converged.

    Attributes:
        passed: whether it has.
        moved: the difference of logarithms over the last doubling of the budget; NaN for none.
        reason: why it has not, in words.
        above: how many times what held-out real data have the curve is at its end; NaN where that
            is not known.
        arrived: whether it passed for that alone, that nothing better than its best is counted.
    """

    passed: bool
    moved: float = math.nan
    reason: str = ""
    above: float = math.nan
    arrived: bool = False


def convergence(
    shares: ArrayLike,
    values: ArrayLike,
    change: float = FALLING,
    plateau: bool = False,
    higher_is_better: bool = False,
) -> Convergence:
    """Whether a curve changes by less than `change` for the last doubling of its budget.

    The change is the slope of a straight line through its logarithms over log2 of the budget, from
    the snapshot nearest half of the budget on: between log(1 - change) and log(1 + change).

    Args:
        shares: of the budget at each snapshot, ascending, (s,).
        values: the metric there, such as its median over seeds, (s,); infinite where most seeds
            have diverged. A curve that ends so has converged: more training mends nothing. So has
            one that is zero, to the resolution of its beginning, from half of the budget on.
        change: the smallest relative change that counts.
        plateau: whether a curve that has passed its best has converged too: its best is not after
            half of the budget, or its last two values are both worse than it by `change` or more.
        higher_is_better: the direction of a better value.
    """
    at, curve = np.asarray(shares, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(curve) < FEWEST_SNAPSHOTS:
        return Convergence(False, reason=f"{len(curve)} snapshots, fewer than {FEWEST_SNAPSHOTS}")
    at = at / at[-1]
    half = int(np.argmin(np.abs(at - 0.5)))
    if not HALF[0] <= at[half] <= HALF[1]:
        return Convergence(False, reason="no snapshot near half of the budget")
    if np.isinf(curve[-1]) or (not higher_is_better and _gone(curve, half)):
        return Convergence(True)
    if not (curve > 0).all():
        return Convergence(False, reason="a value that is not positive has no relative change")
    logs, least = np.log(curve), math.log1p(change)
    # over all snapshots of the last doubling: the difference of two would be mostly noise
    moved = float(np.polynomial.polynomial.polyfit(np.log2(at[half:]), logs[half:], 1)[1])
    worse = -(logs - logs.max()) if higher_is_better else logs - logs.min()
    past = int(np.argmin(worse)) <= half or bool((worse[-2:] >= least).all())
    if math.log1p(-change) < moved < least or (plateau and past):
        return Convergence(True, moved)
    return Convergence(False, moved, f"{formatting.change(moved)} over the last doubling")


def _gone(curve: NDArray[np.float64], half: int) -> bool:
    """Whether a curve that ends is zero from `half` on, to the resolution of its beginning."""
    finite = curve[np.isfinite(curve)]
    return bool(len(finite) and (np.abs(curve[half:]) <= RESOLUTION * abs(finite[0])).all())


def of_cells(
    source: Source, cells: Iterable[Cell], metric: str, change: float, by: Gated = True
) -> dict[Cell, Convergence]:
    """The convergence of cells by the median of a metric over seeds.

    A run counts as infinitely bad from where it diverged on, and nothing is better than what
    held-out real data have: below that a generator is nearer to the very images that it learns
    from, which no claim is about. So a best so far that is there has converged, whenever it came
    there: no more steps can change it (docs/adr/0043-a-study-in-parts.md).

    Args:
        source: the tables.
        cells: of these.
        metric: by this.
        change: the smallest relative change that counts.
        by: "best": the curve is of the best value so far; "plateau": a cell past its best has
            converged.
    """
    from ganlore.metrics import metrics

    higher = metrics()[metric].higher_is_better
    rows = source.metric(metric)
    floor = source.least(metric)
    groups = {Cell(*key): group for key, group in rows.groupby(CELL)}
    lost = source.diverged.to_frame(index=False).groupby(CELL)["train_seed"].agg(set)
    made = {}
    for cell in dict.fromkeys(cells):
        gone = lost.get(tuple(cell), set())
        if cell not in groups:
            made[cell] = Convergence(bool(gone), reason="" if gone else f"{metric} not measured")
            continue
        curves = groups[cell].pivot(index="train_seed", columns="share", values="value")
        if gone and not higher:
            curves = curves.reindex(curves.index.union(sorted(gone)))
            curves[curves.index.isin(gone)] = curves[curves.index.isin(gone)].fillna(np.inf)
        if by == "best":
            curves = curves.cummax(axis=1) if higher else curves.cummin(axis=1)
        middle: pd.Series[float] = curves.median()
        least = floor.get(cell.dataset, 0.0)
        if not higher:
            middle = middle.clip(lower=least)
        one = convergence(middle.index, middle, change, by == "plateau", higher)
        if by == "best" and not (one.passed or higher) and 0 < least == middle.iloc[-1]:
            one = one._replace(passed=True, reason="", arrived=True)
        made[cell] = one._replace(above=middle.iloc[-1] / least if least else math.nan)
    return made


def settled(source: Source, test: Test, cells: Iterable[Cell]) -> Gate | None:
    """The gate of a column that must have come to rest, None where it is open.

    Args:
        source: the tables.
        test: names the column, if there is such a gate.
        cells: those of its control.
    """
    if not test.settled:
        return None
    rows = source.history[source.history["share"] > 0.5]
    quarters = rows.assign(last=rows["share"] > 0.75).groupby([*CELL, "last"])[test.settled].mean()
    for cell in cells:
        before, last = (float(quarters.get((*cell, late), math.nan)) for late in (False, True))
        if not abs(last - before) < SETTLED:
            moved = f"from {formatting.number(before)} to {formatting.number(last)}"
            return Gate(
                "not converged",
                f"{test.settled} of {' '.join(cell)} has not come to rest: {moved} over the last "
                "half of the budget",
            )
    return None


def converged(source: Source, test: Test, cells: Iterable[Cell], gates: Gates) -> Gate | None:
    """The gate of convergence of a test, None where it is open.

    Args:
        source: the tables.
        test: says whether there is such a gate, and by which metric.
        cells: those that the test compares.
        gates: how much a cell may change, and how many cells may change more.
    """
    if not test.gated:
        return None
    every = of_cells(source, cells, test.converged_by, gates.change, test.gated)
    failing = {cell: one for cell, one in every.items() if not one.passed}
    if len(failing) <= gates.share * len(every):
        return None
    worst = sorted(failing.items(), key=lambda item: -abs(np.nan_to_num(item[1].moved, nan=np.inf)))
    named = "; ".join(f"{' '.join(cell)}: {one.reason}" for cell, one in worst[:WORST])
    more = f" and {len(worst) - WORST} more" if len(worst) > WORST else ""
    share = f"{100 * len(failing) / len(every):.0f} %"
    return Gate(
        "not converged",
        f"{len(failing)} of {len(every)} cells ({share}) have not converged by "
        f"{test.converged_by}: {named}{more}",
    )
