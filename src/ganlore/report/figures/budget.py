"""The effect of a claim's deciding test at shares of the budget, beside its margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganlore.analysis.claims.budgets import Point
from ganlore.analysis.claims.results import ClaimResult
from ganlore.report.figures._drawing import COLOURS, MUTED, Drawing, style, subplots
from ganlore.report.figures.verdicts import ratio_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAPTION = (
    "The effect if training had ended earlier, from the same runs' snapshots; up is in the "
    "claim's favour, the grey band is the margin. Bars are t intervals (over losses or data sets, "
    "where these are counted: random effects), so the last one may differ a little from the "
    "verdict's own interval."
)


def drawing(one: ClaimResult, points: Sequence[Point]) -> Drawing:
    """The panel of a claim."""
    first, last = points[0], points[-1]
    words = (
        f"{100 * first.share:.3g} % of the budget: {first.effect:.2f}; at its end {last.effect:.2f}"
    )
    return Drawing(
        figure=along(one, points),
        kind="budget",
        name=f"budget-{one.id}",
        title="Verdict against budget",
        caption=CAPTION,
        alt=f"Line plot of the effect of claim {one.id} against the budget. At {words}, positive "
        "in the claim's favour.",
        data="claims-budget.csv",
    )


def along(one: ClaimResult, points: Sequence[Point]) -> Figure:
    """Effects with their intervals against the share of the budget."""
    test = one.deciding
    log = test.definition.scale == "log"
    margin = test.definition.margin
    shares = [100 * point.share for point in points]
    effects = [point.effect for point in points]
    with style():
        figure, axes = subplots(1, 1, 3.1, 2.0)
        ax = axes[0, 0]
        ax.axhspan(-margin, margin, color=MUTED, alpha=0.18, lw=0, zorder=0)
        ax.axhline(0, color=MUTED, lw=0.8, zorder=1)
        for share, point in zip(shares, points, strict=True):
            if math.isfinite(point.low) and math.isfinite(point.high):
                ax.plot(
                    (share, share), (point.low, point.high), color=COLOURS[0], lw=2.2, alpha=0.5
                )
        ax.plot(shares, effects, "D-", ms=4, lw=1.2, color=COLOURS[0], zorder=3)
        ax.set(xlim=(0, 105), xticks=(0, 25, 50, 75, 100))
        ax.set_xlabel("per cent of the budget", fontsize=7.5)
        ends = [v for p in points for v in (p.effect, p.low, p.high) if math.isfinite(v)]
        low, high = min(*ends, -margin, 0), max(*ends, margin, 0)
        room = 0.08 * (high - low or 1.0)
        ax.set_ylim(low - room, high + room)
        if log:
            ratio_ticks(ax, 0.12, "y")
        ax.set_ylabel("factor as claimed" if log else "difference as claimed", fontsize=7.5)
        ax.tick_params(labelsize=7)
    return figure  # type: ignore[no-any-return]
