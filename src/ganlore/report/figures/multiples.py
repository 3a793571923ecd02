"""A panel for each trick: precision against recall, and FID over images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.report.figures.drawing import (
    COLOURS,
    INK,
    MARKERS,
    MUTED,
    PAPER,
    near,
    plain_log,
    style,
    subplots,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def look_of(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the index-th name: 8 colours twice before one comes again."""
    rounds = index // len(COLOURS)
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[(index + rounds) % len(MARKERS)],
        "linestyle": ("-", (0, (4, 1.5)), (0, (1, 1.2)))[rounds % 3],
    }


def looks(matrix: Matrix) -> dict[str, dict[str, Any]]:
    """The look of each loss, or of each trick if there is one loss; the same in all figures."""
    names = matrix.tricks if matrix.single == "trick" else matrix.losses
    return {name: look_of(index) for index, name in enumerate(sorted(names))}


def panels(matrix: Matrix) -> list[tuple[str, list[tuple[str, tuple[str, str]]]]]:
    """Panels as (title, [(name, cell)]): one for each trick that ran, or one for a single axis."""
    if matrix.single == "trick":
        loss = matrix.losses[0]
        return [(loss, [(trick, (loss, trick)) for trick in matrix.tricks])]
    titles = {PLAIN: "none (the plain loss)"}
    return [
        (titles.get(trick, trick), [(loss, (loss, trick)) for loss in matrix.losses])
        for trick in matrix.tricks
        if any(matrix.cell(loss, trick) for loss in matrix.losses)
    ]


def multiples(matrix: Matrix, size: float, aspect: float) -> tuple[Any, list[Any]]:
    """A figure with a panel for each trick, on common axes; unused places are left out."""
    count = len(panels(matrix))
    columns = min(count, 4 if count <= 12 else 5)
    rows = -(-count // columns)
    if count == 1:
        size *= 1.7
    figure, axes = subplots(
        rows, columns, columns * size + (1.8 if count == 1 else 0.4), rows * size * aspect + 0.7,
        sharex=True, sharey=True,
    )  # fmt: skip
    flat = list(axes.flat)
    for ax in flat[count:]:
        # A panel above an empty place shows the horizontal axis in its stead.
        ax.remove()
    for ax in flat[max(count - columns, 0) : count]:
        ax.tick_params(labelbottom=True)
    return figure, flat[:count]


def legend(figure: Any, matrix: Matrix, line: bool, extra: list[Any]) -> None:
    """The looks by name, beside a single panel or above several; `extra` handles come last."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], label=name, ms=5, **(look if line else look | {"linestyle": "none"}))
        for name, look in looks(matrix).items()
    ]
    count = len(panels(matrix))
    if count == 1:
        figure.legend(handles=handles + extra, loc="outside right upper")
    else:
        columns = min(len(handles) + len(extra), 8)
        figure.legend(handles=handles + extra, loc="outside upper left", ncols=columns,
                      columnspacing=1.4, handletextpad=0.4)  # fmt: skip


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
            _real_point(ax, matrix)
            ax.set(xlim=(low[0] - 0.03, 1.03), ylim=(low[1] - 0.03, 1.03), box_aspect=1)
            ax.xaxis.set_major_locator(MultipleLocator(0.25 if low[0] else 0.5))
            ax.yaxis.set_major_locator(MultipleLocator(0.25 if low[1] else 0.5))
            ax.grid(True)
            if len(axes) > 1:
                ax.set_title(title, loc="left")
        figure.supxlabel("recall: share of the data that is covered", fontsize=8.5)
        figure.supylabel("precision: share of samples that look real", fontsize=8.5)
        real = Line2D([], [], marker="*", ms=9, color=INK, ls="none", label="real data")
        legend(figure, matrix, False, [real])
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


def _real_point(ax: Axes, matrix: Matrix) -> None:
    if {"recall", "precision"} <= matrix.floor.keys():
        ax.plot(matrix.floor["recall"], matrix.floor["precision"], "*", ms=9, color=INK, zorder=2)


def learning_curves(matrix: Matrix) -> Figure:
    """FID over images shown: the seeds' mean, in a band from lowest to highest (of few lines)."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    fid = matrix.metrics[(matrix.metrics["metric"] == "fid") & (matrix.metrics["status"] == "done")]
    curves = fid.set_index(["loss", "trick"]).sort_index()
    extra = []
    with style():
        figure, axes = multiples(matrix, 2.5, 0.82)
        styles = looks(matrix)
        for ax, (title, named) in zip(axes, panels(matrix), strict=True):
            for name, cell in named:
                if cell in curves.index:
                    _curve(ax, curves.loc[[cell]], styles[name], len(styles) <= len(COLOURS))
            ax.set_yscale("log")
            ax.grid(True, which="major")
            if len(axes) > 1:
                ax.set_title(title, loc="left")
        floor = matrix.floor.get("fid", 0.0)
        if near(floor, curves["value"].min()):
            for ax in axes:
                ax.axhline(floor, color=MUTED, lw=0.9, ls=(0, (2, 2)))
            extra = [Line2D([], [], color=MUTED, lw=0.9, ls=(0, (2, 2)), label="real data")]
        plain_log(axes[0].yaxis)
        axes[0].xaxis.set_major_locator(MaxNLocator(4))
        axes[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}"))
        figure.supxlabel("images shown to the discriminator (thousands)", fontsize=8.5)
        figure.supylabel(f"FID on {matrix.dataset}, logarithmic", fontsize=8.5)
        legend(figure, matrix, True, extra)
    return figure  # type: ignore[no-any-return]


def _curve(ax: Axes, rows: Any, look: dict[str, Any], band: bool) -> None:
    by_step = rows.groupby("images")["value"].agg(["mean", "min", "max"])
    if band:
        colour = {"color": look["color"], "alpha": 0.15, "linewidth": 0}
        ax.fill_between(by_step.index, by_step["min"], by_step["max"], **colour)
    ax.plot(by_step.index, by_step["mean"], color=look["color"], ls=look["linestyle"], lw=1.3,
            marker=look["marker"], ms=2.5, mec="none")  # fmt: skip
