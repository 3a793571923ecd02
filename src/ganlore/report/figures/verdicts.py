"""What a claim's verdict rests on: every seed's difference, the interval, the margin."""

from __future__ import annotations

import math
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from ganlore.report.figures._drawing import COLOURS, INK, MUTED, PAPER, style, subplots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ganlore.analysis.claims.results import TestResult

WIDE = 84
"""Characters of a line of a panel's title."""

RATIOS = (1, 2, 1.5, 10, 5, 1.25, 1.1, 1.05, 3, 20, 50, 100, 1000)
"""Factors that an axis names, the plainest first: where there is little room, the others go."""


def differences(tests: list[TestResult]) -> Figure:
    """A panel for each test of a claim: seeds as circles, their mean and interval, the margin.

    Args:
        tests: those that were made; at least one.
    """
    with style():
        titles = [wrap(result.label, WIDE) for result in tests]
        height = 0.15 + 0.93 * len(tests) + 0.12 * sum(map(len, titles))
        figure, axes = subplots(len(tests), 1, 5.8, height)
        for ax, result, title in zip(axes[:, 0], tests, titles, strict=True):
            _panel(ax, result)
            ax.set_title("\n".join(title), loc="left", fontsize=8)
    return figure  # type: ignore[no-any-return]


def _panel(ax: Axes, result: TestResult) -> None:
    effect, low, high = result.outcome.effect, result.outcome.low, result.outcome.high
    values = result.values["difference"].to_numpy(dtype=np.float64)
    margin = result.definition.margin
    ax.axvspan(-margin, margin, color=MUTED, alpha=0.18, lw=0, zorder=0, label="margin")
    ax.axvline(0, color=MUTED, lw=0.8, zorder=1)
    ax.plot(values, _spread_out(len(values)), "o", ms=5, mfc="none", mec=INK, mew=0.9, alpha=0.8,
            label="seeds")  # fmt: skip
    if math.isfinite(low) and math.isfinite(high):
        ax.plot((low, high), (0, 0), color=COLOURS[0], lw=3, alpha=0.75,
                label="interval")  # fmt: skip
    ax.plot(effect, 0, "D", ms=7, color=COLOURS[0], mec=PAPER, mew=0.8, label="effect")
    finite = np.array([v for v in (*values, low, high, margin, -margin, 0.0)
                      if math.isfinite(v)])  # fmt: skip
    margin = 0.08 * (finite.max() - finite.min() or 1.0)
    ax.set(xlim=(finite.min() - margin, finite.max() + margin), ylim=(-1, 1), yticks=[])
    ax.spines["left"].set_visible(False)
    if result.definition.scale == "log":
        ratio_ticks(ax)
        ax.set_xlabel("factor in the claim's favour", fontsize=7.5)
    else:
        ax.set_xlabel("difference in the claim's favour", fontsize=7.5)


def _spread_out(n: int) -> np.ndarray:
    """Heights that keep equal values of different seeds apart: the same each time."""
    return 0.55 * np.sin(2.4 * np.arange(n)) if n > 1 else np.zeros(n)


def ratio_ticks(ax: Axes, apart: float = 0.09, along: str = "x") -> None:
    """Ticks of logarithms as factors: x0.5, x1, x2; of a narrow range, x0.99, x1, x1.01.

    Args:
        ax: the axes.
        apart: the least distance of two ticks, as a share of the axis.
        along: which axis, x or y.
    """
    from matplotlib.ticker import MaxNLocator

    axis = ax.xaxis if along == "x" else ax.yaxis
    low, high = axis.get_view_interval()
    values = dict.fromkeys(sign * math.log(ratio) for ratio in RATIOS for sign in (1, -1))
    inside = [value for value in values if low <= value <= high]
    if len(inside) < 3:
        even = MaxNLocator(6).tick_values(math.exp(low), math.exp(high))
        inside = [math.log(ratio) for ratio in even if math.exp(low) <= ratio <= math.exp(high)]
    kept: list[float] = []
    for value in inside:
        if all(abs(value - other) >= apart * (high - low) for other in kept):
            kept.append(value)
    axis.set_ticks(kept, [f"×{math.exp(value):.3g}" for value in kept])
