"""A colour for every loss and trick."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganlore import formatting
from ganlore.analysis import estimators
from ganlore.analysis.matrices import MARKS, Matrix
from ganlore.analysis.tables import CELL
from ganlore.report.figures._drawing import (
    INK,
    MUTED,
    PAPER,
    RULE,
    Drawing,
    describe,
    levels,
    plain_log,
    style,
    subplots,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

ORDER = 20
CAPTION = (
    "Mean over seeds with how far its 95 % interval reaches: up and down by a factor for FID (the "
    "geometric mean), by half of its width for the others. Losses and tricks are ordered by their "
    "median FID, best first; the plain loss stands first."
)
TIME = (
    " The time of a discriminator step, with its share of the generator's and the machine's noise."
)
GOOD_TO_BAD = "crest_r"
RANKED = ("fid",)
"""What cells are ranked by, so that a figure marks which have not converged or use labels."""

NEW_LINE = "\n"


def of_matrix(matrix: Matrix, runs: pd.DataFrame) -> Iterator[Drawing]:
    """FID, two more metrics and the time of a step, for a matrix of losses and tricks."""
    if matrix.single:
        return
    matrix = matrix.dense
    metrics = levels(matrix, ("fid", "recall", "high_quality", "modes"))
    timed = with_spread(matrix, runs, "step_ms")
    for metric, label, lower in (*metrics, ("step_ms", "Milliseconds of a step", True)):
        yield Drawing(
            figure=heat_map(timed, metric, label, lower),
            kind="heat",
            name=f"heat-{metric.replace('_', '-')}-{matrix.slug}",
            title=label,
            caption=_caption(matrix, metric),
            alt=describe(matrix, f"Heat map of {metric.replace('_', ' ')}"),
            data="cells.csv",
        )


def _caption(matrix: Matrix, metric: str) -> str:
    if metric not in RANKED:
        return CAPTION + (TIME if metric == "step_ms" else "")
    signs = {sign for cell in matrix.cells.index for sign in matrix.marks(*cell)}
    return CAPTION + "".join(f" {sign} {words}." for sign, words in MARKS.items() if sign in signs)


def with_spread(matrix: Matrix, runs: pd.DataFrame, cost: str) -> Matrix:
    """The matrix with the interval over seeds of a cost, as metrics have one."""
    place = [matrix.dataset, matrix.network, matrix.variant]
    mine = runs[(runs[["dataset", "network", "variant"]] == place).all(axis=1)]
    ends = {
        cell: estimators.mean_interval(values[cost].to_numpy())[1:]
        for cell, values in mine.groupby(CELL[2:4])
    }
    low, high = zip(*(ends[cell] for cell in matrix.cells.index), strict=True)
    cells = matrix.cells.assign(**{f"{cost}_low": low, f"{cost}_high": high})
    return dataclasses.replace(matrix, cells=cells)


def heat_map(matrix: Matrix, metric: str = "fid", label: str = "FID", lower: bool = True) -> Figure:
    """Mean and half-width of a metric for every loss and trick.

    Args:
        matrix: the cells.
        metric: its column.
        label: its name for a reader.
        lower: whether a lower value is better, which gets the deeper colour.
    """
    import matplotlib as mpl
    import seaborn as sns

    values = grid_of(matrix, metric)
    values = values.T if matrix.losses_down else values
    rows, columns = values.shape
    with style():
        figure, axes = subplots(1, 1, 1.9 + 0.92 * columns, max(0.95 + 0.5 * rows, 2.3))
        ax = axes[0, 0]
        norm = _norm(values)
        sns.color_palette(GOOD_TO_BAD)  # registers the colour map's name with matplotlib
        colours = mpl.colormaps[GOOD_TO_BAD if lower else GOOD_TO_BAD.removesuffix("_r")]
        mesh = ax.pcolormesh(
            np.ma.masked_invalid(values), cmap=colours, norm=norm, edgecolor=PAPER, linewidth=1.5
        )
        for i, trick in enumerate(matrix.tricks):
            for j, loss in enumerate(matrix.losses):
                corner = (i, j) if matrix.losses_down else (j, i)
                _annotate(ax, matrix, metric, (loss, trick), corner)
        names = matrix.losses, matrix.tricks
        name_axes(ax, *(names[::-1] if matrix.losses_down else names))
        bar = figure.colorbar(mesh, ax=ax, fraction=0.025, pad=0.015, aspect=max(28, 2.4 * rows))
        bar.outline.set_visible(False)
        better = "lower" if lower else "higher"
        # of a low figure the label would be cut, so it is in two lines
        bar.set_label(f"{label}{NEW_LINE if rows < 5 else ' '}({better} is better)", fontsize=7.5)
        if isinstance(norm, mpl.colors.LogNorm):
            plain_log(bar.ax.yaxis)
        floor = matrix.floor.get(metric)
        real = "" if floor is None else f"; real data gets {formatting.number(floor)}"
        ax.set_title(f"{label} on {matrix.title}{real}", loc="left", pad=10)
    return figure  # type: ignore[no-any-return]


def grid_of(matrix: Matrix, metric: str) -> np.ndarray:
    """A metric's means, (tricks, losses); NaN where there is none."""
    values = matrix.cells[metric].unstack("loss").reindex(matrix.tricks, columns=matrix.losses)
    return np.asarray(values, dtype=np.float64)


def _norm(values: np.ndarray) -> Normalize:
    """A scale over the values; logarithmic if they span more than a decade."""
    from matplotlib.colors import LogNorm, Normalize

    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5 * abs(low), high + 0.5 * abs(high) or 1.0
    kind = LogNorm if low > 0 and high / low > 10 else Normalize
    return kind(low, high)


def _annotate(
    ax: Axes, matrix: Matrix, metric: str, cell: tuple[str, str], corner: tuple[int, int]
) -> None:
    row = matrix.cell(*cell)
    x, y = corner[0] + 0.5, corner[1] + 0.5
    centred: dict[str, Any] = {"ha": "center", "va": "center"}
    if row is None or not math.isfinite(row[metric]):
        lost = formatting.diverged(row).replace(" diverged", "\ndiverged") if row else ""
        no_number(ax, corner, lost, cell in matrix.missing)
        return
    mean, reach = formatting.interval(row, metric)
    failed = formatting.diverged(row)
    colour = readable(ax.collections[0], row[metric])
    marks = matrix.marks(*cell) if metric in RANKED else ""
    lines = [mean + marks, *([reach] if reach else []), *([failed] if failed else [])]
    for index, line in enumerate(lines):
        offset = 0.27 * (index - (len(lines) - 1) / 2)
        size = 9 if index == 0 else 6 if line == failed else 7
        ax.text(x, y + offset, line, color=colour, fontsize=size, **centred)


def no_number(ax: Axes, corner: tuple[int, int], lost: str, missing: bool) -> None:
    """The box of a cell without a number: its lost runs, or why there are none."""
    from matplotlib.patches import Rectangle

    x, y = corner
    text = lost or ("n/a" if missing else "not run")
    box: dict[str, Any] = {"hatch": None if lost else "////", "ec": RULE, "lw": 0.6}
    ax.add_patch(Rectangle((x + 0.03, y + 0.04), 0.94, 0.92, fill=False, **box))
    ax.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=7.5,
            color=INK if lost else MUTED)  # fmt: skip


def readable(mesh: Any, value: float) -> str:
    """White on dark colours, near-black on light ones (relative luminance)."""
    red, green, blue, _ = mesh.cmap(mesh.norm(value))
    return "#ffffff" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.53 else "#101113"


def name_axes(ax: Axes, columns: list[str], rows: list[str]) -> None:
    """The names of columns above them and of rows beside them, the first on top."""
    ax.set_xticks(np.arange(len(columns)) + 0.5, _breakable(columns))
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    for spine in ax.spines.values():
        spine.set_visible(False)


def _breakable(names: list[str], most: int = 11) -> list[str]:
    """Long names in several lines, each broken after a hyphen or a plus where there is one."""
    lines = [textwrap.wrap(n.replace("+", "+ "), most, break_long_words=False) for n in names]
    return ["\n".join(parts).replace("+ ", "+") for parts in lines]
