"""Three figures of any frame of results; each draws on matplotlib axes and returns them.

A frame is a selection of the rows of `ganlore.load(...).metrics`. Rows of several data sets,
networks, variants or extractors cannot be drawn on one scale and are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ganlore.analysis import estimators, tables
from ganlore.errors import GanloreError
from ganlore.study import registry

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

SETTING = ["dataset", "network", "variant", "extractor"]
"""What has to be one and the same in a figure."""


def learning_curves(frame: pd.DataFrame, ax: Axes | None = None, metric: str = "fid") -> Axes:
    """A metric over images shown: a line of the seeds' mean for each cell, in a band of them.

    Args:
        frame: rows of `metrics`.
        ax: where it is drawn; a new figure if left out.
        metric: its name in the column `metric`.
    """
    rows = _rows(frame, metric)
    ax = _axes(ax)
    for (loss, trick), cell in rows.groupby(["loss", "trick"], sort=False):
        curve = cell.groupby("images")["value"].agg(["mean", "min", "max"])
        (line,) = ax.plot(curve.index, curve["mean"], marker="o", ms=3, label=_named(loss, trick))
        ax.fill_between(curve.index, curve["min"], curve["max"], color=line.get_color(), alpha=0.15)
    if (rows["value"] > 0).all():
        ax.set_yscale("log")
        _plain(ax.yaxis)
    ax.set_xlabel("images shown to the discriminator")
    ax.set_ylabel(f"{metric.upper()} on {rows['dataset'].iloc[0]}")
    ax.legend(fontsize="small")
    return ax


def trick_effects(frame: pd.DataFrame, ax: Axes | None = None, metric: str = "fid") -> Axes:
    """Each trick against the same loss and seed without it: the mean ratio of a metric.

    The ratio is that of last snapshots; a dot is its geometric mean over the seeds of a loss, the
    bar the geometric mean over losses. Below 1 the metric is lower with the trick. Pairs of which a
    run diverged are left out.

    Args:
        frame: rows of `metrics`, with those of the trick `none`.
        ax: where it is drawn; a new figure if left out.
        metric: its name in the column `metric`; its values have to be positive.
    """
    ends = _ends(_rows(frame, metric))
    plain = ends[ends["trick"] == tables.PLAIN].set_index(["loss", "train_seed"])["value"]
    treated = ends[ends["trick"] != tables.PLAIN].set_index(["loss", "train_seed"])
    ratios = np.log(treated["value"] / plain.reindex(treated.index))
    by_loss = ratios.groupby([treated["trick"], treated.index.get_level_values("loss")]).mean()
    by_loss = by_loss.dropna()
    if by_loss.empty:
        raise GanloreError(
            "no trick can be compared: the frame needs runs with the trick 'none' and others of "
            "the same loss and seed\n  select more rows"
        )
    means = by_loss.groupby(level=0).mean().sort_values(ascending=False)
    ax = _axes(ax)
    ax.barh(range(len(means)), np.exp(means) - 1, left=1, color="0.8")
    for place, trick in enumerate(means.index):
        dots = np.exp(by_loss[trick])
        ax.plot(dots, [place] * len(dots), "o", ms=4, color="C0")
    ax.axvline(1, color="0.3", lw=1)
    ax.set_xscale("log")
    _plain(ax.xaxis)
    ax.set_yticks(range(len(means)), means.index)
    ax.set_xlabel(f"{metric.upper()} with the trick / without, on {ends['dataset'].iloc[0]}")
    return ax


def leaderboard(
    frame: pd.DataFrame, ax: Axes | None = None, metric: str = "fid", top: int = 15
) -> Axes:
    """The cells of lowest mean at the last snapshot, with 95 % t intervals over the seeds' logs.

    Cells of which a run diverged are left out: a mean over the seeds that are left would flatter
    them.

    Args:
        frame: rows of `metrics`.
        ax: where it is drawn; a new figure if left out.
        metric: its name in the column `metric`; its values have to be positive.
        top: the most cells.
    """
    rows = _rows(frame, metric, diverged=True)
    ends = _ends(rows)
    failed = set(rows.loc[rows["status"] == "diverged", ["loss", "trick"]].itertuples(index=False))
    cells = []
    for key, cell in ends.groupby(["loss", "trick"], sort=False):
        if key not in failed:
            interval = estimators.mean_interval(np.log(cell["value"].to_numpy()))
            cells.append((_named(*key), *np.exp(interval)))
    cells = sorted(cells, key=lambda cell: cell[1])[:top][::-1]
    ax = _axes(ax)
    for place, (_, mean, low, high) in enumerate(cells):
        ax.plot([low, high], [place, place], color="C0", lw=2, alpha=0.4)
        ax.plot(mean, place, "o", color="C0", ms=5)
    ax.set_xscale("log")
    _plain(ax.xaxis)
    ax.set_yticks(range(len(cells)), [name for name, *_ in cells])
    ax.set_xlabel(f"{metric.upper()} on {rows['dataset'].iloc[0]}")
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot

    made: Axes = pyplot.subplots(figsize=(6, 4), layout="constrained")[1]
    return made


def _plain(axis: Axis) -> None:
    """Label a logarithmic axis at 1, 2 and 5 times powers of ten, without exponents."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _named(loss: str, trick: str) -> str:
    """A cell's name; a loss that is given class labels has an advantage, and says so."""
    there = loss in registry.find("loss")
    labels = there and "labels" in registry.declaration("loss", loss).fact("requires", {})
    name = f"{loss} (with labels)" if labels else loss
    return name if trick == tables.PLAIN else f"{name} + {trick}"


def _rows(frame: pd.DataFrame, metric: str, diverged: bool = False) -> pd.DataFrame:
    """A metric's rows, all of one setting."""
    needed = [*SETTING, "loss", "trick", "train_seed", "images", "metric", "value", "status"]
    if lacking := [name for name in needed if name not in frame]:
        raise GanloreError(
            f"the frame has no column {', '.join(lacking)}\n"
            "  pass rows of `ganlore.load(...).metrics`"
        )
    rows = frame[frame["metric"] == metric]
    if not diverged:
        rows = rows[rows["status"] == "done"]
    if rows.empty:
        options = ", ".join(sorted(map(str, frame["metric"].unique()))) or "(no rows)"
        raise GanloreError(f"the frame has no values of {metric!r}\n  there are: {options}")
    for name in SETTING:
        values = sorted(map(str, rows[name].unique()))
        if len(values) > 1:
            raise GanloreError(
                f"the frame has {len(values)} values of {name}: {', '.join(values)}; their numbers "
                f"cannot be compared\n  choose one: frame[frame.{name} == {values[0]!r}]"
            )
    return rows


def _ends(rows: pd.DataFrame) -> pd.DataFrame:
    """The value at the last snapshot of each run that reached it; a run that diverged has none."""
    run = ["loss", "trick", "train_seed"]
    last = rows["images"] == rows.groupby(run)["images"].transform("max")
    whole = rows["images"].max() == rows["images"]  # a diverged run's rows end earlier
    return rows[last & whole & (rows["status"] == "done")]
