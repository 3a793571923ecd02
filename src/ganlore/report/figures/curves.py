"""FID along training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.report.figures._drawing import (
    COLOURS,
    MUTED,
    RULE,
    Drawing,
    describe,
    near,
    plain_log,
    style,
)
from ganlore.report.figures._drawing import panels as _panels
from ganlore.report.figures._multiples import (
    highlighted,
    legend,
    look_of,
    looks,
    multiples,
    panels,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORDER = 40
CAPTION = (
    "The line is the geometric mean at each snapshot over the seeds that have not diverged; the "
    "band, where there are not too many lines, reaches from the lowest seed to the highest. A line "
    "ends where every seed has diverged; the dashed line is what real data gets, where it is near."
)


ALONE = (
    "One panel for each loss without a trick, best first, with the others in grey behind it; the "
    "line is the geometric mean over seeds, the band reaches from the lowest seed to the highest. "
    "† has not converged, ‡ uses class labels; the dashed line is what real data gets, where it is "
    "near."
)


def of_matrix(matrix: Matrix, runs: pd.DataFrame) -> Iterator[Drawing]:
    """The figure of any matrix; none where all were measured once, at the end."""
    if matrix.metrics["step"].nunique() < 2:
        return
    alone = matrix.plain if highlighted(matrix.plain) else None
    if alone is not None and PLAIN in matrix.tricks:
        yield Drawing(
            figure=each_alone(alone),
            kind="curves",
            name=f"curves-plain-{matrix.slug}",
            title="Learning curves of the plain losses",
            caption=ALONE,
            alt=describe(alone, "Small line plots of FID over images shown, one for each loss"),
            data="snapshots.csv",
        )
    yield Drawing(
        figure=learning_curves(matrix.dense),
        kind="curves",
        name=f"curves-{matrix.slug}",
        title="Learning curves",
        caption=CAPTION,
        alt=describe(matrix, "Line plots of FID over images shown"),
        data="snapshots.csv",
    )


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
            for name, cell in sorted(named, key=lambda item: list(styles).index(item[0])):
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


def each_alone(matrix: Matrix) -> Figure:
    """FID over images shown: a panel for each plain loss, the others in grey behind it."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    done = matrix.metrics[
        (matrix.metrics["metric"] == "fid")
        & (matrix.metrics["status"] == "done")
        & (matrix.metrics["trick"] == PLAIN)
    ]
    by_loss = {str(loss): rows for loss, rows in done.groupby("loss")}
    ranks = {loss: (matrix.cell(loss, PLAIN) or {"rank": 0})["rank"] for loss in by_loss}
    losses = sorted(by_loss, key=lambda loss: ranks[loss])
    with style():
        figure, axes = _panels(len(losses), 5, (2.0, 1.45), (0.4, 0.5))
        for ax, loss in zip(axes, losses, strict=True):
            for other in losses:
                if other != loss:
                    _curve(ax, by_loss[other], GREY, False)
            _curve(ax, by_loss[loss], look_of(0), True)
            ax.set_yscale("log")
            ax.set_title(loss + matrix.marks(loss, PLAIN), loc="left", fontsize=8)
            if near(matrix.floor.get("fid", 0.0), done["value"].min()):
                ax.axhline(matrix.floor["fid"], color=MUTED, lw=0.9, ls=(0, (2, 2)))
        plain_log(axes[0].yaxis)
        axes[0].xaxis.set_major_locator(MaxNLocator(4))
        axes[0].xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}"))
        figure.supxlabel("images shown to the discriminator (thousands)", fontsize=8.5)
        figure.supylabel(f"FID on {matrix.dataset}, logarithmic", fontsize=8.5)
    return figure  # type: ignore[no-any-return]


GREY = {"color": RULE, "marker": "", "linestyle": "-"}


def _curve(ax: Axes, rows: Any, look: dict[str, Any], band: bool) -> None:
    by_step = rows.groupby("images")["value"].agg(["min", "max"])
    by_step["mean"] = np.exp(np.log(rows["value"]).groupby(rows["images"]).mean())
    if band:
        colour = {"color": look["color"], "alpha": 0.15, "linewidth": 0}
        ax.fill_between(by_step.index, by_step["min"], by_step["max"], **colour)
    ax.plot(by_step.index, by_step["mean"], color=look["color"], ls=look["linestyle"], lw=1.3,
            marker=look["marker"], ms=2.5, mec="none")  # fmt: skip
