"""Every seed of the cells along one axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganlore import formatting
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.report.figures._drawing import (
    COLOURS,
    MUTED,
    RULE,
    Drawing,
    describe,
    levels,
    near,
    plain_log,
    style,
    subplots,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORDER = 20
CAPTION = (
    "One circle is one seed; the tick is their mean, the bar its 95 % t interval, cut where the "
    "axis ends. The dashed line is what real data gets, where it is near. † has not converged, ‡ "
    "uses class labels."
)
ALT = "Dot plot with one row for each cell"


def of_matrix(matrix: Matrix, runs: pd.DataFrame) -> Iterator[Drawing]:
    """FID and two more metrics, for a matrix with one loss or one trick that has a number."""
    metrics = levels(matrix, ("fid", "modes", "high_quality", "recall"))
    if not matrix.single and matrix.dense is not matrix:
        matrix = matrix.plain
    if not matrix.single or not metrics:
        return
    yield Drawing(
        figure=dot_plot(matrix, metrics),
        kind="dots",
        name=f"dots-{matrix.slug}",
        title="Every seed",
        caption=CAPTION,
        alt=describe(matrix, ALT),
        data="runs.csv",
    )


def dot_plot(matrix: Matrix, metrics: list[tuple[str, str, bool]]) -> Figure:
    """Every seed's value, the mean and its interval, for a matrix with one row or one column.

    Args:
        matrix: the cells.
        metrics: column, label, and whether lower is better, for each panel.
    """
    names = matrix.tricks if matrix.single == "trick" else matrix.losses
    cells = [
        (matrix.losses[0], name) if matrix.single == "trick" else (name, matrix.tricks[0])
        for name in names
    ]
    with style():
        width = 1.6 + 3.2 * len(metrics)
        figure, axes = subplots(1, len(metrics), width, 1.15 + 0.3 * len(names), sharey=True)
        for ax, (metric, label, lower) in zip(axes[0], metrics, strict=True):
            for y, cell in enumerate(cells):
                _dots(ax, matrix, metric, cell, y)
            _finish_dots(ax, matrix, metric, label, lower)
        axes[0, 0].set_yticks(range(len(names)), [_with_failures(matrix, c) for c in cells])
        axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
        fixed = matrix.tricks[0] if matrix.single == "loss" else matrix.losses[0]
        what = "without a trick" if fixed == PLAIN else f"with {fixed}"
        figure.suptitle(f"{matrix.title}, {what}", x=0.01, ha="left", fontsize=9)
    return figure  # type: ignore[no-any-return]


def _with_failures(matrix: Matrix, cell: tuple[str, str]) -> str:
    """A cell's name on the one axis there is, with its diverged runs in a second line."""
    name = cell[matrix.single == "trick"]
    row = matrix.cell(*cell)
    failed = formatting.diverged(row) if row else ""
    name += matrix.marks(*cell)
    return f"{name}\n({failed})" if failed else name


def _dots(ax: Axes, matrix: Matrix, metric: str, cell: tuple[str, str], y: int) -> None:
    row = matrix.cell(*cell)
    colour = COLOURS[0]
    ax.axhline(y, color=RULE, lw=0.6, zorder=0)
    if row is None:
        ax.text(0.01, y, "n/a", transform=ax.get_yaxis_transform(), va="center", color=MUTED)
        return
    ends = matrix.finals.set_index(["loss", "trick"])
    values = ends.loc[[cell], metric].dropna().to_numpy()
    ax.plot(values, np.full(len(values), y), "o", ms=5, mfc="none", mec=colour, mew=0.9, alpha=0.75)
    if len(values) > 1:
        ax.plot(
            [row[f"{metric}_low"], row[f"{metric}_high"]], [y, y], color=colour, lw=2, alpha=0.35
        )
        ax.plot(row[metric], y, "|", ms=12, mew=2, color=colour)


def _finish_dots(ax: Axes, matrix: Matrix, metric: str, label: str, lower: bool) -> None:
    values = matrix.finals[metric].dropna()
    floor = matrix.floor.get(metric)
    # What is better when higher has a top to be near to, which a logarithmic axis would squeeze.
    if lower and len(values) and values.min() > 0 and values.max() / values.min() > 10:
        ax.set_xscale("log")
        low = min(values.min(), floor if floor and near(floor, values.min()) else math.inf)
        ax.set_xlim(low / 1.5, values.max() * 2)
        plain_log(ax.xaxis)
    else:
        top = max([values.max() if len(values) else 1.0, floor or 0.0])
        ax.set_xlim(min(0.0, values.min() if len(values) else 0.0) - 0.03 * top, 1.08 * top)
    if floor is not None and ax.get_xlim()[0] < floor < ax.get_xlim()[1]:
        ax.axvline(floor, color=MUTED, lw=0.8, ls=(0, (2, 2)))
        place: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "va": "bottom"}
        near_end = ax.transLimits.transform(ax.transScale.transform((floor, 0)))[0] > 0.5
        ax.text(floor, 1.0, "real data", fontsize=7, color=MUTED,
                ha="right" if near_end else "left", **place)  # fmt: skip
    ax.set_xlabel(f"{label} ({'lower' if lower else 'higher'} is better)")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
