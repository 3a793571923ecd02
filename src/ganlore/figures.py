"""From the tables to figures. Every function takes a `Matrix` and gives a matplotlib `Figure`.

Figures carry no date and no random name: the same table gives the same bytes.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganlore import storage, tables
from ganlore.tables import PLAIN, Matrix

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

INK, MUTED, RULE, PAPER = "#1b1c1e", "#6a6e75", "#d6d8dc", "#fefefe"
"""Colours with a meaning; a page replaces them by its own (see `inline`)."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#948b00")
"""Okabe and Ito's palette for all kinds of colour vision, of middling lightness for dark pages."""

MARKERS = "osD^vPX*"
GOOD_TO_BAD = "crest_r"

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "ganlore", "pdf.fonttype": 42,
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 8.5,
    "axes.titlesize": 9, "axes.labelsize": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "legend.fontsize": 8, "axes.linewidth": 0.6, "xtick.major.width": 0.6,
    "ytick.major.width": 0.6, "xtick.major.size": 3, "ytick.major.size": 3,
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "text.color": INK, "axes.titlecolor": INK,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "grid.color": RULE, "grid.linewidth": 0.6, "axes.facecolor": "none",
    "figure.facecolor": PAPER, "savefig.facecolor": PAPER, "axes.spines.top": False,
    "axes.spines.right": False, "axes.axisbelow": True, "legend.frameon": False,
    "hatch.linewidth": 0.6, "hatch.color": RULE, "figure.constrained_layout.use": True,
    "lines.solid_capstyle": "round",
}  # fmt: skip


@contextmanager
def style() -> Iterator[None]:
    """The look of all figures; matplotlib's own settings are back afterwards."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        yield


def _subplots(
    rows: int, columns: int, width: float, height: float, **kinds: Any
) -> tuple[Any, Any]:
    """Axes in a figure that no window knows, so that hundreds can be made."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **kinds)


# -- heat maps -------------------------------------------------------------------------------------


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
        figure, axes = _subplots(1, 1, 1.9 + 0.92 * columns, 0.95 + 0.5 * rows)
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
        _name_axes(ax, matrix)
        bar = figure.colorbar(mesh, ax=ax, fraction=0.025, pad=0.015, aspect=max(28, 2.4 * rows))
        bar.outline.set_visible(False)
        better = "lower" if lower else "higher"
        bar.set_label(f"{label} ({better} is better)")
        if isinstance(norm, mpl.colors.LogNorm):
            _plain_log(bar.ax.yaxis)
        ax.set_title(_heading(matrix, metric, label), loc="left", pad=10)
    return figure  # type: ignore[no-any-return]


def grid_of(matrix: Matrix, metric: str) -> np.ndarray:
    """A metric's means, (tricks, losses); NaN where there is none."""
    return np.array(
        [
            [(matrix.cell(loss, trick) or {}).get(metric, math.nan) for loss in matrix.losses]
            for trick in matrix.tricks
        ],
        dtype=np.float64,
    )


def _norm(values: np.ndarray) -> Normalize:
    """A scale over the values; logarithmic if they span more than a decade."""
    from matplotlib.colors import LogNorm, Normalize

    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5 * abs(low), high + 0.5 * abs(high) or 1.0
    kind = LogNorm if low > 0 and high / low > 10 else Normalize
    return kind(low, high)


def _annotate(
    ax: Axes, matrix: Matrix, metric: str, cell: tuple[str, str], corner: tuple[int, int]
) -> None:
    from matplotlib.patches import Rectangle

    row = matrix.cell(*cell)
    x, y = corner[0] + 0.5, corner[1] + 0.5
    centred: dict[str, Any] = {"ha": "center", "va": "center"}
    if row is None or not math.isfinite(row[metric]):
        hatch = None if row else "////"
        ax.add_patch(
            Rectangle((x - 0.47, y - 0.46), 0.94, 0.92, fill=False, hatch=hatch, ec=RULE, lw=0.6)
        )
        absent = "n/a" if cell in matrix.missing else "not run"
        text = tables.diverged(row).replace(" diverged", "\ndiverged") if row else absent
        ax.text(x, y, text, color=INK if row else MUTED, fontsize=7.5, **centred)
        return
    mean, half = tables.spread(row[metric], row[f"{metric}_low"], row[f"{metric}_high"])
    failed = tables.diverged(row)
    colour = _readable(ax.collections[0], row[metric])
    lines = [mean, *([f"± {half}"] if half else []), *([failed] if failed else [])]
    for index, line in enumerate(lines):
        offset = 0.27 * (index - (len(lines) - 1) / 2)
        size = 9 if index == 0 else 6 if line == failed else 7
        ax.text(x, y + offset, line, color=colour, fontsize=size, **centred)


def _readable(mesh: Any, value: float) -> str:
    """White on dark colours, near-black on light ones (relative luminance)."""
    red, green, blue, _ = mesh.cmap(mesh.norm(value))
    return "#ffffff" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.53 else "#101113"


def _name_axes(ax: Axes, matrix: Matrix) -> None:
    """The names of columns above them and of rows beside them, the first on top."""
    columns, rows = matrix.losses, matrix.tricks
    if matrix.losses_down:
        columns, rows = rows, columns
    ax.set_xticks(np.arange(len(columns)) + 0.5, _breakable(columns))
    ax.set_yticks(np.arange(len(rows)) + 0.5, rows)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    for spine in ax.spines.values():
        spine.set_visible(False)


def _breakable(names: list[str]) -> list[str]:
    """Long names in two lines, at a hyphen where there is one."""
    return [re.sub(r"([-+])", r"\1\n", name, count=1) if len(name) > 12 else name for name in names]


def _heading(matrix: Matrix, metric: str, label: str) -> str:
    floor = matrix.floor.get(metric)
    real = "" if floor is None else f"; real data gets {tables.number(floor)}"
    return f"{label} on {matrix.title}{real}"


def _plain_log(axis: Any) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5, as ordinary numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    decades = math.log10(high / low) if low > 0 else 1
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 3 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


# -- one axis: dots --------------------------------------------------------------------------------


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
        figure, axes = _subplots(1, len(metrics), width, 1.15 + 0.3 * len(names), sharey=True)
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
    failed = tables.diverged(row) if row else ""
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
        low = min(values.min(), floor if floor and _near(floor, values.min()) else math.inf)
        ax.set_xlim(low / 1.5, values.max() * 2)
        _plain_log(ax.xaxis)
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


# -- small multiples -------------------------------------------------------------------------------


def _look(index: int) -> dict[str, Any]:
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
    return {name: _look(index) for index, name in enumerate(sorted(names))}


def _panels(matrix: Matrix) -> list[tuple[str, list[tuple[str, tuple[str, str]]]]]:
    """Panels as (title, [(name, cell)]): one for each trick, or one in all for a single axis."""
    if matrix.single == "trick":
        loss = matrix.losses[0]
        return [(loss, [(trick, (loss, trick)) for trick in matrix.tricks])]
    titles = {PLAIN: "none (the plain loss)"}
    return [
        (titles.get(trick, trick), [(loss, (loss, trick)) for loss in matrix.losses])
        for trick in matrix.tricks
    ]


def _multiples(matrix: Matrix, size: float, aspect: float) -> tuple[Any, list[Any]]:
    """A figure with a panel for each trick, on common axes; unused places are left out."""
    count = len(_panels(matrix))
    columns = min(count, 4 if count <= 12 else 5)
    rows = -(-count // columns)
    if count == 1:
        size *= 1.7
    figure, axes = _subplots(
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


def _legend(figure: Any, matrix: Matrix, line: bool, extra: list[Any]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], label=name, ms=5, **(look if line else look | {"linestyle": "none"}))
        for name, look in looks(matrix).items()
    ]
    count = len(_panels(matrix))
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
        figure, axes = _multiples(matrix, 2.35, 1.0)
        styles = looks(matrix)
        for ax, (title, named) in zip(axes, _panels(matrix), strict=True):
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
        _legend(figure, matrix, False, [real])
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
        figure, axes = _multiples(matrix, 2.5, 0.82)
        styles = looks(matrix)
        for ax, (title, named) in zip(axes, _panels(matrix), strict=True):
            for name, cell in named:
                if cell in curves.index:
                    _curve(ax, curves.loc[[cell]], styles[name], len(styles) <= len(COLOURS))
            ax.set_yscale("log")
            ax.grid(True, which="major")
            if len(axes) > 1:
                ax.set_title(title, loc="left")
        floor = matrix.floor.get("fid", 0.0)
        if _near(floor, curves["value"].min()):
            for ax in axes:
                ax.axhline(floor, color=MUTED, lw=0.9, ls=(0, (2, 2)))
            extra = [Line2D([], [], color=MUTED, lw=0.9, ls=(0, (2, 2)), label="real data")]
        _plain_log(axes[0].yaxis)
        axes[0].xaxis.set_major_locator(MaxNLocator(4))
        axes[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}"))
        figure.supxlabel("images shown to the discriminator (thousands)", fontsize=8.5)
        figure.supylabel(f"FID on {matrix.dataset}, logarithmic", fontsize=8.5)
        _legend(figure, matrix, True, extra)
    return figure  # type: ignore[no-any-return]


def _near(floor: float, lowest: float) -> bool:
    """Whether a line at the floor leaves the data most of a logarithmic axis."""
    return floor > 0 and lowest / floor < 20


def _curve(ax: Axes, rows: Any, look: dict[str, Any], band: bool) -> None:
    by_step = rows.groupby("images")["value"].agg(["mean", "min", "max"])
    if band:
        colour = {"color": look["color"], "alpha": 0.15, "linewidth": 0}
        ax.fill_between(by_step.index, by_step["min"], by_step["max"], **colour)
    ax.plot(by_step.index, by_step["mean"], color=look["color"], ls=look["linestyle"], lw=1.3,
            marker=look["marker"], ms=2.5, mec="none")  # fmt: skip


# -- cost ------------------------------------------------------------------------------------------


def cost(matrix: Matrix) -> Figure:
    """Time of a step against FID; and, where there are tricks, what each adds to the plain loss."""
    both = len(matrix.tricks) > 1 and matrix.cells["step_ms_relative"].notna().any()
    with style():
        height = max(2.9, 1.2 + 0.3 * len(matrix.tricks)) if both else 2.9
        figure, axes = _subplots(1, 2 if both else 1, 11 if both else 6.4, height)
        _cost_quality(axes[0, 0], matrix, height)
        if both:
            _cost_of_tricks(axes[0, 1], matrix)
        _legend(figure, matrix, False, [])
    return figure  # type: ignore[no-any-return]


def _cost_quality(ax: Axes, matrix: Matrix, height: float) -> None:
    styles = looks(matrix)
    table = matrix.cells[matrix.cells["fid"].notna()]
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
        _plain_log(ax.yaxis)
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


# -- files -----------------------------------------------------------------------------------------


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write a figure as `<name>.svg` and `<name>.pdf`; gives the SVG's text."""
    texts: dict[str, bytes] = {}
    with style():
        for kind, dated in (("svg", "Date"), ("pdf", "CreationDate")):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, metadata={dated: None})
            texts[kind] = buffer.getvalue()
            storage.write_bytes(folder / f"{name}.{kind}", texts[kind])
    return texts["svg"].decode()


def describe(matrix: Matrix, kind: str) -> str:
    """What a figure shows, in words, with the two ends of its range."""
    what = {
        "dots": "Dot plot with one row for each cell",
        "precision-recall": "Scatter plots of precision against recall",
        "curves": "Line plots of FID over images shown",
        "cost": "Scatter plot of the time of a step against FID",
    }.get(kind, f"Heat map of {kind.removeprefix('heat-').replace('-', ' ')}")
    text = f"{what}: {len(matrix.losses)} losses, {len(matrix.tricks)} tricks on {matrix.title}."
    ranked = matrix.cells.sort_values("rank")
    for word, (key, row) in zip(
        ("Lowest", "Highest"), (next(ranked.iterrows()), next(ranked[::-1].iterrows())), strict=True
    ):
        cell = {str(name): value for name, value in row.items()}
        text += f" {word} FID: {key[0]}, {key[1]}: {tables.estimate(cell, 'fid')}."
    return text


def inline(svg: str, name: str, alt: str) -> tuple[str, int]:
    """An SVG file's text as an element of a page.

    Its names get a prefix, because a page has many figures, and its colours with a meaning become
    the page's, so that it is legible in a dark one.

    Args:
        svg: the file's text.
        name: unique in the page.
        alt: what the figure shows, for those who do not see it.

    Returns:
        The element, and its width in CSS pixels.
    """
    from html import escape

    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', body)
    for colour, variable in ((INK, "ink"), (MUTED, "muted"), (RULE, "rule"), (PAPER, "paper")):
        body = body.replace(colour, f"var(--{variable})")
    body = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--sans)", body)
    opened = re.match(r"<svg[^>]*>", body)
    assert opened is not None
    width, height = (float(re.search(rf'\b{side}="([\d.]+)pt"', opened[0])[1])  # type: ignore[index]
                     for side in ("width", "height"))  # fmt: skip
    head = f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 0 {width:g} {height:g}">'
    return head + body[opened.end() :].strip(), round(width * 4 / 3)
