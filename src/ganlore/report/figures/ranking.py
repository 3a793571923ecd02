"""Average ranks with the differences that a test can tell: Demsar's critical-difference diagram."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from ganlore import formatting
from ganlore.analysis import rankings
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.rankings import Ranking
from ganlore.report.figures._drawing import COLOURS, INK, Drawing, style, subplots
from ganlore.report.figures._multiples import marked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORDER = 10


def of_matrix(matrix: Matrix, runs: pd.DataFrame) -> Iterator[Drawing]:
    """The figure, where there are three losses (tricks, with one loss) and two blocks or more."""
    values, left_out = blocks(matrix)
    if len(values) < 2 or values.shape[1] < 3:
        return
    ranking = rankings.rank(values)
    what = "tricks" if matrix.single == "trick" else "losses"
    kind_of_block = "seeds" if matrix.single else "trick and seed together"
    ranks = "; ".join(f"{name} {mean:.2f}" for name, mean in ranking.ranks.sort_values().items())
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
        figure=critical_difference(replace(ranking, **_named(matrix, ranking)), what),
        kind="ranking",
        name=f"ranking-{matrix.slug}",
        title="Average ranks",
        caption=caption,
        alt=f"Critical-difference diagram of {what} on {matrix.title}; average ranks: {ranks}. "
        f"Critical difference {ranking.difference:.2f}.",
        data="runs.csv",
    )


def _named(matrix: Matrix, ranking: Ranking) -> dict[str, Any]:
    """Ranks and p-values by names that say which use labels."""
    names = {name: marked(matrix, str(name)) for name in ranking.ranks.index}
    return {
        "ranks": ranking.ranks.rename(names),
        "p_values": ranking.p_values.rename(index=names, columns=names),
    }


def blocks(matrix: Matrix) -> tuple[pd.DataFrame, list[str]]:
    """FID of the losses in every block: a seed with a trick.

    Friedman's test needs every loss in every block, so that tricks which some loss does not go
    with are left out. A loss that is another one under another name is left out beside it. Of a
    matrix with one loss, tricks are compared in blocks of a seed.

    Returns:
        FID, a row for each block and a column for each item, infinite where a run diverged; and
        the names along the other axis that lack an item, and so are in no block.
    """
    item, other = ("trick", "loss") if matrix.single == "trick" else ("loss", "trick")
    ends = matrix.finals.assign(fid=matrix.finals["fid"].fillna(math.inf))
    ends = ends[~ends["loss"].isin(matrix.checks)]
    values = ends.pivot(index=[other, "train_seed"], columns=item, values="fid")
    lacking = values.isna().any(axis=1)
    return values[~lacking], sorted(set(values.index[lacking].get_level_values(other)))


def critical_difference(ranking: Ranking, what: str) -> Figure:
    """Names at both sides of an axis of average ranks; a bar joins those that do not differ.

    Args:
        ranking: of the names.
        what: the names' kind, "losses" or "tricks".
    """
    from scikit_posthocs import critical_difference_diagram

    n = len(ranking.ranks)
    with style():
        figure, axes = subplots(1, 1, 8.6, 1.1 + 0.2 * n)
        drawn = critical_difference_diagram(
            ranking.ranks,
            ranking.p_values,
            ax=axes[0, 0],
            text_h_margin=0.02 * n,
            label_fmt_left="{label}  {rank:.1f} ",
            label_fmt_right=" {rank:.1f}  {label}",
            label_props={"fontsize": 8, "va": "center"},
            elbow_props={"color": INK, "linewidth": 0.8},
            crossbar_props={"color": COLOURS[0], "linewidth": 4, "solid_capstyle": "butt"},
            marker_props={"s": 8},
        )
        for line in (line for bar in drawn["crossbars"] for line in bar):
            line.set_xdata(sorted(line.get_xdata()))  # in the order of a set: another in each run
        axes[0, 0].set_title(
            f"Average ranks of {what} by FID over {ranking.blocks} blocks; "
            f"critical difference {ranking.difference:.2f}",
            loc="left",
        )
    return figure  # type: ignore[no-any-return]
