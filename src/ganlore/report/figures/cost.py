"""The time of a step, against quality and beside the plain loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.report.figures._drawing import (
    INK,
    MUTED,
    PAPER,
    Drawing,
    describe,
    plain_log,
    style,
    subplots,
)
from ganlore.report.figures._multiples import legend, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORDER = 60
CAPTION = (
    "The line joins the cells that no other cell beats in both time and FID (the Pareto front). "
    "Time includes the generator's steps, which losses with several critic steps make less often, "
    "and the machine's noise."
)


def of_matrix(matrix: Matrix, runs: pd.DataFrame) -> Iterator[Drawing]:
    """The figure of any matrix."""
    yield Drawing(
        figure=cost(matrix),
        kind="cost",
        name=f"cost-{matrix.slug}",
        title="Cost against quality",
        caption=CAPTION,
        alt=describe(matrix, "Scatter plot of the time of a step against FID"),
        data="cells.csv",
    )


def cost(matrix: Matrix) -> Figure:
    """Time of a step against FID; and, where there are tricks, what each adds to the plain loss."""
    both = len(matrix.tricks) > 1 and matrix.cells["step_ms_relative"].notna().any()
    with style():
        height = max(2.9, 1.2 + 0.3 * len(matrix.tricks)) if both else 2.9
        figure, axes = subplots(1, 2 if both else 1, 11 if both else 6.4, height)
        _cost_quality(axes[0, 0], matrix, height)
        if both:
            _cost_of_tricks(axes[0, 1], matrix)
        legend(figure, matrix, False, [])
    return figure  # type: ignore[no-any-return]


def _cost_quality(ax: Axes, matrix: Matrix, height: float) -> None:
    styles = looks(matrix)
    table = matrix.cells[matrix.cells["fid"].notna()]
    grey_first = sorted(
        table.index, key=lambda cell: list(styles).index(cell[matrix.single == "trick"])
    )
    table = table.loc[grey_first]
    for (loss, trick), row in table.iterrows():
        look = styles[trick if matrix.single == "trick" else loss]
        ax.plot(row["step_ms"], row["fid"], marker=look["marker"], color=look["color"], ms=6.5,
                mec=PAPER, mew=0.7)  # fmt: skip
    front = table.sort_values(["step_ms", "fid"])
    front = front[front["fid"] < front["fid"].cummin().shift(fill_value=math.inf)]
    ax.step(front["step_ms"], front["fid"], where="post", color=INK, lw=0.9, zorder=0)
    if len(table) and table["fid"].max() / table["fid"].min() > 4:
        ax.set_yscale("log")
    ax.margins(x=0.05, y=0.12)
    if len(table) and table["step_ms"].min() < 0.5 * table["step_ms"].max():
        ax.set_xlim(0, None)
    if ax.get_yscale() == "log":
        plain_log(ax.yaxis)
    _name_front(ax, matrix, front, height)
    ax.set(xlabel="milliseconds for a discriminator step", ylabel=f"FID on {matrix.dataset}")
    ax.set_title("named: no other cell is both faster and better", loc="left")
    ax.grid(True)


def _name_front(ax: Axes, matrix: Matrix, front: Any, height: float) -> None:
    """Names at the right border of the plot, one below the other, each with a line to its point."""
    low, high = ax.get_ylim()
    log = ax.get_yscale() == "log"
    free, line = -0.01, 0.165 / (height - 1)
    for (loss, trick), row in front[::-1].iterrows():
        name = trick if matrix.single == "trick" else loss
        name += f" + {trick}" if matrix.single is None and trick != PLAIN else ""
        share = (row["fid"] - low) / (high - low)
        if log:
            share = math.log(row["fid"] / low) / math.log(high / low)
        free = max(share, free + line)
        ax.annotate(
            name, (row["step_ms"], row["fid"]), (1.02, free), textcoords="axes fraction",
            fontsize=7.5, va="center", zorder=1,
            arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.4, "ls": (0, (1, 2)),
                        "shrinkA": 1, "shrinkB": 3},
        )  # fmt: skip


def _cost_of_tricks(ax: Axes, matrix: Matrix) -> None:
    styles = looks(matrix)
    tricks = [trick for trick in matrix.tricks if trick != PLAIN]
    for y, trick in enumerate(tricks):
        for loss in matrix.losses:
            row = matrix.cell(loss, trick)
            if row is not None and math.isfinite(row["step_ms_relative"]):
                look = styles[trick if matrix.single == "trick" else loss]
                ax.plot(row["step_ms_relative"], y, marker=look["marker"], color=look["color"],
                        ms=5.5, alpha=0.85, mec=PAPER, mew=0.6)  # fmt: skip
    ax.axvline(1, color=MUTED, lw=0.8, ls=(0, (2, 2)))
    ax.set_yticks(range(len(tricks)), tricks)
    ax.set_ylim(len(tricks) - 0.5, -0.5)
    ax.set_xlabel("time of a step, as a multiple of the same loss without a trick")
    ax.set_title("what a trick costs", loc="left")
    ax.grid(True, axis="both")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
