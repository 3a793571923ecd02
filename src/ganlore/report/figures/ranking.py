"""Average ranks with the differences that a test can tell: Demsar's critical-difference diagram."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ganlore import formatting
from ganlore.analysis import rankings
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.rankings import Ranking
from ganlore.report.figures._drawing import COLOURS, INK, MUTED, Drawing, style, subplots

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORDER = 10
LINE = 0.21
"""Inches from one name to the next."""


def of_matrix(matrix: Matrix, runs: pd.DataFrame) -> Iterator[Drawing]:
    """The figure, where there are three losses (tricks, with one loss) and two blocks or more."""
    values, left_out = blocks(matrix)
    if len(values) < 2 or values.shape[1] < 3:
        return
    ranking, names = rankings.rank(values.to_numpy()), list(values.columns)
    what = "tricks" if matrix.single == "trick" else "losses"
    kind_of_block = "seeds" if matrix.single else "trick and seed together"
    ranks = "; ".join(f"{names[i]} {ranking.ranks[i]:.2f}" for i in _best_first(ranking))
    p = "< 0.001" if ranking.p < 0.001 else f"= {ranking.p:.3f}"
    caption = (
        f"Average ranks by FID, 1 is best, over {ranking.blocks} blocks ({kind_of_block}). A bar "
        "joins what Nemenyi's test does not tell apart at 5 %: averages no further apart than the "
        f"critical difference. Friedman's test that all are alike: p {p} (Demsar 2006). Blocks "
        "that share a seed are not independent, which makes the bars too short rather than too "
        "long."
    )
    if left_out:
        caption += f" Without {formatting.listed(left_out)}: not all {what} ran with them."
    yield Drawing(
        figure=critical_difference(names, ranking, what),
        kind="ranking",
        name=f"ranking-{matrix.slug}",
        title="Average ranks",
        caption=caption,
        alt=f"Critical-difference diagram of {what} on {matrix.title}; average ranks: {ranks}. "
        f"Critical difference {ranking.difference:.2f}.",
        data="runs.csv",
    )


def blocks(matrix: Matrix) -> tuple[pd.DataFrame, list[str]]:
    """FID of the losses in every block: a seed with a trick.

    Friedman's test needs every loss in every block, so that tricks which some loss does not go
    with are left out. Of a matrix with one loss, tricks are compared in blocks of a seed.

    Returns:
        FID, a row for each block and a column for each item, infinite where a run diverged; and
        the names along the other axis that lack an item, and so are in no block.
    """
    item, other = ("trick", "loss") if matrix.single == "trick" else ("loss", "trick")
    ends = matrix.finals.assign(fid=matrix.finals["fid"].fillna(math.inf))
    values = ends.pivot(index=[other, "train_seed"], columns=item, values="fid")
    lacking = values.isna().any(axis=1)
    return values[~lacking], sorted(set(values.index[lacking].get_level_values(other)))


def critical_difference(names: Sequence[str], ranking: Ranking, what: str) -> Figure:
    """Names at both sides of an axis of average ranks; a bar joins those not told apart.

    Args:
        names: what is ranked.
        ranking: of the names, in their order.
        what: the names' kind, "losses" or "tricks".
    """
    n = len(names)
    half = -(-n // 2)
    top = 3 + len(ranking.groups)
    with style():
        figure, axes = subplots(1, 1, 8.6, 0.5 + LINE * (top + half))
        ax = axes[0, 0]
        ax.set_axis_off()
        width = max(n - 1, 1)
        ax.set(xlim=(1 - 0.34 * width, n + 0.34 * width), ylim=(top + half, -0.6))
        _axis(ax, n, ranking.difference)
        for level, group in enumerate(ranking.groups):
            first, last = ranking.ranks[[group[0], group[-1]]]
            ends = first - 0.012 * width, last + 0.012 * width
            y = 2.5 + level
            ax.plot(ends, (y, y), color=COLOURS[0], lw=4, solid_capstyle="butt", label="tie")
        for place, index in enumerate(_best_first(ranking)):
            name, mean = names[index], ranking.ranks[index]
            left = place < half
            y = top + 0.3 + (place if left else n - 1 - place)
            end = 1 - 0.04 * width if left else n + 0.04 * width
            ax.plot((mean, mean, end), (1.5, y, y), color=INK, lw=0.8, solid_joinstyle="miter")
            ax.text(end + (-1 if left else 1) * 0.012 * width, y, f"{name}  {mean:.1f}"
                    if left else f"{mean:.1f}  {name}", ha="right" if left else "left",
                    va="center", fontsize=8)  # fmt: skip
        ax.set_title(f"Average ranks of {what} by FID over {ranking.blocks} blocks", loc="left")
    return figure  # type: ignore[no-any-return]


def _best_first(ranking: Ranking) -> list[int]:
    return [int(index) for index in np.argsort(ranking.ranks, kind="stable")]


def _axis(ax: Axes, n: int, cd: float) -> None:
    """The ranks with their ticks, and the critical difference as a length above them."""
    ax.plot((1, n), (1.5, 1.5), color=INK, lw=0.9)
    step = 1 if n <= 15 else 2 if n <= 30 else 5
    for rank in range(1, n + 1):
        named = (rank - 1) % step == 0 or rank == n
        ax.plot((rank, rank), (1.5, 1.2 if named else 1.35), color=INK, lw=0.7)
        if named:
            ax.text(rank, 1.1, str(rank), ha="center", va="bottom", fontsize=7.5, color=MUTED)
    width = min(cd, n - 1)
    ax.plot((1, 1 + width), (-0.1, -0.1), color=INK, lw=1.2)
    for end in (1, 1 + width):
        ax.plot((end, end), (-0.25, 0.05), color=INK, lw=1.2)
    ax.text(1 + width + 0.1, -0.1, f"critical difference {cd:.2f}", va="center", fontsize=7.5)
