"""Average ranks with the differences that a test can tell: Demsar's critical-difference diagram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ganlore.report.figures.drawing import COLOURS, INK, MUTED, style, subplots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Ranking:
    """Average ranks of what is compared over blocks, with Nemenyi's critical difference.

    Friedman's test and Nemenyi's after it (Demsar 2006, section 3.2.2).

    Attributes:
        names: what is compared, best average rank first.
        ranks: their average ranks, 1 is best.
        cd: averages further apart than this differ at the 5 % level.
        groups: names that the test does not tell apart, as indices into `names`: the first and the
            last of each group.
        n_blocks: number of blocks that were ranked.
        p: of Friedman's test that all are alike.
        left_out: what makes no block, because something that is compared does not go with it.
    """

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    cd: float
    groups: tuple[tuple[int, int], ...]
    n_blocks: int
    p: float
    left_out: tuple[str, ...] = ()


LINE = 0.21
"""Inches from one name to the next."""


def critical_difference(ranking: Ranking, what: str) -> Figure:
    """Names at both sides of an axis of average ranks; a bar joins those not told apart.

    Args:
        ranking: the averages.
        what: the names' kind, "losses" or "tricks".
    """
    n = len(ranking.names)
    half = -(-n // 2)
    bars = _levels(ranking)
    top = 3 + len(bars)
    with style():
        figure, axes = subplots(1, 1, 8.6, 0.5 + LINE * (top + half))
        ax = axes[0, 0]
        ax.set_axis_off()
        width = max(n - 1, 1)
        ax.set(xlim=(1 - 0.34 * width, n + 0.34 * width), ylim=(top + half, -0.6))
        _axis(ax, n, ranking.cd)
        for level, (first, last) in enumerate(bars):
            y = 2.5 + level
            ends = ranking.ranks[first] - 0.012 * width, ranking.ranks[last] + 0.012 * width
            ax.plot(ends, (y, y), color=COLOURS[0], lw=4, solid_capstyle="butt", label="tie")
        for index, (name, rank) in enumerate(zip(ranking.names, ranking.ranks, strict=True)):
            left = index < half
            y = top + 0.3 + (index if left else n - 1 - index)
            end = 1 - 0.04 * width if left else n + 0.04 * width
            ax.plot((rank, rank, end), (1.5, y, y), color=INK, lw=0.8, solid_joinstyle="miter")
            ax.text(end + (-1 if left else 1) * 0.012 * width, y, f"{name}  {rank:.1f}"
                    if left else f"{rank:.1f}  {name}", ha="right" if left else "left",
                    va="center", fontsize=8)  # fmt: skip
        ax.set_title(f"Average ranks of {what} by FID over {ranking.n_blocks} blocks", loc="left")
    return figure  # type: ignore[no-any-return]


def _levels(ranking: Ranking) -> list[tuple[int, int]]:
    """The bars, the leftmost on top; groups of one need none."""
    return sorted(group for group in ranking.groups if group[1] > group[0])


def _axis(ax: Axes, n: int, cd: float) -> None:
    """The ranks with their ticks, and the critical difference as a length above them."""
    ax.plot((1, n), (1.5, 1.5), color=INK, lw=0.9)
    step = 1 if n <= 15 else 2 if n <= 30 else 5
    for rank in range(1, n + 1):
        named = (rank - 1) % step == 0 or rank == n
        ax.plot((rank, rank), (1.5, 1.2 if named else 1.35), color=INK, lw=0.7)
        if named:
            ax.text(rank, 1.1, str(rank), ha="center", va="bottom", fontsize=7.5, color=MUTED)
    shown = min(cd, n - 1)
    ax.plot((1, 1 + shown), (-0.1, -0.1), color=INK, lw=1.2)
    for end in (1, 1 + shown):
        ax.plot((end, end), (-0.25, 0.05), color=INK, lw=1.2)
    ax.text(1 + shown + 0.1, -0.1, f"critical difference {cd:.2f}", va="center", fontsize=7.5)
