"""Precision against recall, with what each trick did to a loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.report.figures._drawing import INK, MUTED, PAPER, Drawing, describe, style
from ganlore.report.figures._multiples import legend, looks, multiples, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORDER = 50
CAPTION = (
    "Means over seeds; up and to the right is better. The star is real data against real data."
)
START = " A grey dot is the same loss without the trick, and the line is what the trick did to it."


def of_matrix(matrix: Matrix, runs: pd.DataFrame) -> Iterator[Drawing]:
    """The figure, where both have a meaning."""
    if matrix.has("precision") and matrix.has("recall"):
        yield Drawing(
            figure=precision_recall(matrix.dense),
            kind="precision-recall",
            name=f"precision-recall-{matrix.slug}",
            title="Precision against recall",
            caption=CAPTION + ("" if matrix.single else START),
            alt=describe(matrix, "Scatter plots of precision against recall"),
            data="cells.csv",
        )


def precision_recall(matrix: Matrix) -> Figure:
    """Precision against recall: a panel for each trick, with a line from the plain loss."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MultipleLocator

    low = [_quarter_below(matrix.cells[name]) for name in ("recall", "precision")]
    with style():
        figure, axes = multiples(matrix, 2.35, 1.0)
        styles = looks(matrix)
        for ax, (title, named) in zip(axes, panels(matrix), strict=True):
            for name, cell in named:
                _quality_point(ax, matrix, cell, styles[name])
            if {"recall", "precision"} <= matrix.floor.keys():
                real = matrix.floor["recall"], matrix.floor["precision"]
                ax.plot(*real, "*", ms=9, color=INK, zorder=2)
            ax.set(xlim=(low[0] - 0.03, 1.03), ylim=(low[1] - 0.03, 1.03), box_aspect=1)
            ax.xaxis.set_major_locator(MultipleLocator(0.25 if low[0] else 0.5))
            ax.yaxis.set_major_locator(MultipleLocator(0.25 if low[1] else 0.5))
            ax.grid(True)
            if len(axes) > 1:
                ax.set_title(title, loc="left")
        figure.supxlabel("recall: share of the data that is covered", fontsize=8.5)
        figure.supylabel("precision: share of samples that look real", fontsize=8.5)
        star = Line2D([], [], marker="*", ms=9, color=INK, ls="none", label="real data")
        legend(figure, matrix, False, [star])
    return figure  # type: ignore[no-any-return]


def _quarter_below(values: Any) -> float:
    """The lower end of an axis from 0 to 1 on which little lies below these values."""
    least = float(values.min()) if values.notna().any() else 0.0
    return min(math.floor(4 * least) / 4, 0.5)


def _quality_point(ax: Axes, matrix: Matrix, cell: tuple[str, str], look: dict[str, Any]) -> None:
    row = matrix.cell(*cell)
    if row is None or not math.isfinite(row["recall"]):
        return
    plain = matrix.cell(cell[0], PLAIN)
    point = (row["recall"], row["precision"])
    if plain is not None and cell[1] != PLAIN and matrix.single is None:
        start = (plain["recall"], plain["precision"])
        ax.plot(*zip(start, point, strict=True), color=MUTED, lw=0.7, alpha=0.7, zorder=1)
        ax.plot(*start, "o", ms=3, color=MUTED, alpha=0.7, zorder=1)
    ax.plot(
        *point, marker=look["marker"], color=look["color"], ms=6.5, mec=PAPER, mew=0.7, zorder=3
    )
