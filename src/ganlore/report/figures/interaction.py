"""Who improves whom: the change that each trick makes to each loss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganlore.analysis.matrices import Matrix, decided, improvements
from ganlore.analysis.tables import PLAIN
from ganlore.formatting import short_change
from ganlore.report.figures._drawing import PAPER, Drawing, style, subplots
from ganlore.report.figures.heat import name_axes, no_number, readable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

ORDER = 30
CAPTION = (
    "FID with the trick over FID without it, seed by seed: the geometric mean of the ratios. "
    "Blue: the trick helps this loss; red: it harms it. A dot and bold: the 95 % t interval "
    "over seeds of the log ratio excludes no change (each by itself, without correction for "
    "their number: of twenty that do nothing one is marked). “lost” counts seeds of which a "
    "run diverged. Colours end at a factor of 4."
)
HELPS_TO_HARMS = "RdBu_r"
FACTORS = (1.05, 1.1, 1.2, 1.5, 2, 3, 4)
MOST = math.log(4)
"""Where colours end: changes by more than a factor of 4 look alike."""


def of_matrix(matrix: Matrix, runs: pd.DataFrame) -> Iterator[Drawing]:
    """The figure of a matrix of losses and tricks that has the plain losses."""
    if matrix.single or PLAIN not in matrix.tricks:
        return
    matrix = matrix.dense
    table = improvements(matrix)
    if table.empty:
        return
    sure = table[[decided(*ends) for ends in zip(table.low, table.high, strict=True)]]
    helps, harms = (sure["log_ratio"] < 0).sum(), (sure["log_ratio"] > 0).sum()
    yield Drawing(
        figure=interaction(matrix, table),
        kind="interaction",
        name=f"interaction-{matrix.slug}",
        title="Who improves whom",
        caption=CAPTION,
        alt=f"Heat map of the change of FID that each of {table['trick'].nunique()} tricks makes "
        f"to {table['loss'].nunique()} losses on {matrix.title}: {helps} help and {harms} harm "
        f"beyond their interval, of {len(table)} pairs.",
        data=f"improvements-{matrix.slug}.csv",
    )


def interaction(matrix: Matrix, table: pd.DataFrame) -> Figure:
    """The change of FID by each trick for each loss, blue where it helps.

    Args:
        matrix: the cells.
        table: `matrices.improvements(matrix)`.
    """
    import matplotlib as mpl

    tricks = [t for t in matrix.tricks if t != PLAIN and t in set(table["trick"])]
    down = matrix.losses_down
    columns, rows = (tricks, matrix.losses) if down else (matrix.losses, tricks)
    by_cell = {(row["loss"], row["trick"]): row for row in table.to_dict("records")}
    finite = table["log_ratio"][np.isfinite(table["log_ratio"])].abs()
    most = min(MOST, max(finite.max() if len(finite) else 0.0, math.log(1.25)))
    with style():
        figure, axes = subplots(1, 1, 1.9 + 0.88 * len(columns), max(1.05 + 0.42 * len(rows), 2.5))
        ax = axes[0, 0]
        ax.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
        scale = mpl.cm.ScalarMappable(mpl.colors.Normalize(-most, most), HELPS_TO_HARMS)
        for y, row in enumerate(rows):
            for x, column in enumerate(columns):
                cell = (row, column) if down else (column, row)
                _draw(ax, scale, x, y, by_cell.get(cell), cell in matrix.missing)
        name_axes(ax, columns, rows)
        bar = figure.colorbar(scale, ax=ax, fraction=0.025, pad=0.015, extend="both",
                              aspect=max(20, 2.4 * len(rows)))  # fmt: skip
        bar.outline.set_visible(False)
        ticks = [ratio for ratio in FACTORS if math.log(ratio) <= most][
            -3 if len(rows) > 5 else -1 :
        ]
        signed = [sign * math.log(ratio) for ratio in ticks for sign in (1, -1)]
        bar.set_ticks([0, *signed], labels=[f"×{math.exp(t):.2g}" for t in (0, *signed)])
        bar.set_label("FID with the trick / without it")
        ax.set_title(f"Change of FID by a trick on {matrix.title}", loc="left", pad=10)
    return figure  # type: ignore[no-any-return]


def _draw(
    ax: Axes, scale: ScalarMappable, x: int, y: int, row: dict[Any, Any] | None, missing: bool
) -> None:
    from matplotlib.patches import Rectangle

    if row is None or not math.isfinite(row["log_ratio"]):
        no_number(ax, (x, y), f"{row['n_lost']} lost" if row else "", missing)
        return
    sure = decided(row["low"], row["high"])
    filled: dict[str, Any] = {"fc": scale.to_rgba(row["log_ratio"]), "ec": PAPER, "lw": 0.6}
    ax.add_patch(Rectangle((x + 0.03, y + 0.04), 0.94, 0.92, **filled))
    colour = readable(scale, row["log_ratio"])
    text = ("● " if sure else "") + short_change(row["log_ratio"])
    lost = f"{row['n_lost']} lost" if row["n_lost"] else ""
    ax.text(x + 0.5, y + (0.38 if lost else 0.5), text, ha="center", va="center", color=colour,
            fontsize=8, fontweight="bold" if sure else "normal")  # fmt: skip
    if lost:
        ax.text(x + 0.5, y + 0.72, lost, ha="center", va="center", color=colour, fontsize=6)
