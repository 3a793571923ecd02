"""The expected best of k draws of a search, for every k."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganlore.analysis import best_of, resampling
from ganlore.analysis.matrices import Matrix
from ganlore.report.figures._drawing import COLOURS, Drawing, describe, plain_log, style
from ganlore.report.figures._multiples import legend, looks, multiples, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORDER = 45
CAPTION = (
    "The lowest FID that k of the search's draws are expected to find, after the first rung, where "
    "all draws were measured: on the data and in the features that the search chooses by, not in "
    "those of the other figures. Bands, where there are not too many lines, are 95 % intervals by "
    "resampling the search. A draw that diverged counts as the worst that did not."
)


def of_matrix(matrix: Matrix, runs: pd.DataFrame) -> Iterator[Drawing]:
    """The figure of a searched matrix."""
    if matrix.search is not None and matrix.search["fid"].notna().any():
        yield Drawing(
            figure=best_of_draws(matrix, matrix.search),
            kind="best-of-draws",
            name=f"best-of-draws-{matrix.slug}",
            title="What a search finds",
            caption=CAPTION,
            alt=describe(matrix, "Line plots of the expected best FID over the number of draws"),
            data="search.csv",
        )


def scores(search: pd.DataFrame) -> dict[tuple[str, str], Any]:
    """FID of every draw after the first rung, by loss and trick, draws in one order."""
    first = search[search["rung"] == 1]
    worst = float(first["fid"].max())
    table = first.pivot(index=["loss", "trick"], columns="draw", values="fid").fillna(worst)
    return {key: row.to_numpy() for key, row in table.iterrows()}


def best_of_draws(matrix: Matrix, search: pd.DataFrame) -> Figure:
    """A panel for each trick, a line for each loss."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    found = scores(search)
    with style():
        figure, axes = multiples(matrix, 2.5, 0.82)
        styles = looks(matrix)
        for ax, (title, named) in zip(axes, panels(matrix), strict=True):
            for name, cell in named:
                if cell in found:
                    _line(ax, found[cell], styles[name], len(styles) <= len(COLOURS))
            ax.set_xscale("log", base=2)
            ax.set_yscale("log")
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
            ax.grid(True, which="major")
            if len(axes) > 1:
                ax.set_title(title, loc="left")
        plain_log(axes[0].yaxis)
        figure.supxlabel("draws", fontsize=8.5)
        figure.supylabel("expected best FID by which the search chooses", fontsize=8.5)
        legend(figure, matrix, True, [])
    return figure  # type: ignore[no-any-return]


def _line(ax: Any, values: Any, look: dict[str, Any], band: bool) -> None:
    k = np.arange(1, len(values) + 1)
    if band:
        low, high = best_of.intervals(values, resampling.keyed("search", len(values)))
        ax.fill_between(k, low, high, color=look["color"], alpha=0.15, linewidth=0)
    ax.plot(k, best_of.expected_best(values), color=look["color"], ls=look["linestyle"], lw=1.3)
