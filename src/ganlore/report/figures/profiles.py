"""Performance profiles, robust aggregates, and curves of time to a target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganlore.report.figures._drawing import COLOURS, MUTED, panels, style, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ganlore.analysis.survival import Survival

Array = NDArray[np.float64]


def profiles(curves: dict[str, tuple[Array, Array]], thresholds: Array) -> Figure:
    """The share of runs with an FID of at most so much: a panel for each trick beside the plain.

    Args:
        curves: share of runs at each threshold by trick, with it and without it, (t,) each.
        thresholds: FIDs, ascending, (t,).
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    with style():
        figure, axes = panels(len(curves), min(len(curves), 5), (1.75, 1.5), (0.5, 0.85))
        for ax, (trick, (ours, plain)) in zip(axes, curves.items(), strict=True):
            ax.plot(thresholds, plain, color=MUTED, lw=1.0, label="without")
            ax.plot(thresholds, ours, color=COLOURS[0], lw=1.5, label="with")
            ax.set_title(trick)
            ax.set(xscale="log", ylim=(0, 1))
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 3)))  # narrow panels have few
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2, handlelength=1.2)
        figure.supxlabel("FID of at most", fontsize=8.5)
        figure.supylabel("share of runs", fontsize=8.5)
    return cast("Figure", figure)


def aggregates(table: pd.DataFrame, effects: pd.DataFrame) -> Figure:
    """Each trick's gain in log FID as an interquartile mean, and as the model has it, by dots.

    Args:
        table: `robustness.of_tricks`.
        effects: `interaction.Interaction.tricks`; may be empty.
    """
    rows = table.sort_values("iqm")
    height = 0.95 + 0.24 * len(rows)
    places = np.arange(float(len(rows)))
    with style():
        figure, axes = subplots(1, 2, 8.2, height, sharey=True)
        gain, better = axes[0]
        _dots(gain, places + 0.12, rows, "iqm", COLOURS[0], "interquartile mean")
        if len(effects):
            by_trick = effects.set_index("trick").reindex(rows["trick"])
            turned = pd.DataFrame(
                {"m": -by_trick["effect"], "m_low": -by_trick["high"], "m_high": -by_trick["low"]}
            )
            _dots(gain, places - 0.12, turned, "m", COLOURS[1], "mixed model")
        _dots(better, places, rows, "probability", COLOURS[0], "")
        gain.axvline(0, color=MUTED, lw=0.8)
        better.axvline(0.5, color=MUTED, lw=0.8)
        counts = rows["losses"].astype(int)
        names = [f"{trick} ({n})" for trick, n in zip(rows["trick"], counts, strict=True)]
        gain.set_yticks(places, names)
        gain.set_xlabel("log of plain FID over FID with the trick")
        better.set_xlabel("probability that the trick's run is better")
        better.set_xlim(-0.03, 1.03)
        if len(effects):
            handles, labels = gain.get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=2, handlelength=1.0)
        for ax in (gain, better):
            ax.grid(axis="x")
    return cast("Figure", figure)


def _dots(
    ax: Any, places: NDArray[Any], rows: pd.DataFrame, name: str, colour: str, label: str
) -> None:
    values = rows[name].to_numpy(float)
    ends = np.abs(rows[[f"{name}_low", f"{name}_high"]].to_numpy(float).T - values)
    ax.errorbar(
        values, places, xerr=ends, fmt="o", ms=3.5, lw=1.2, color=colour, label=label or None
    )


def reaching(sides: Sequence[tuple[str, Survival]]) -> Figure:
    """Kaplan and Meier's curves: the share of runs that have not reached a target yet."""
    with style():
        figure, axes = subplots(1, 1, 5.2, 3.1)
        ax = axes[0, 0]
        for index, (name, curve) in enumerate(sides):
            times = np.concatenate([[0.0], curve.times, [1.0]])
            share, low, high = (
                np.concatenate([[1.0], values, values[-1:] if len(values) else [1.0]])
                for values in (curve.share, curve.low, curve.high)
            )
            label = f"{name}: {curve.n_reached} of {curve.n} runs reach it"
            ax.step(times, share, where="post", color=COLOURS[index], lw=1.6, label=label)
            ax.fill_between(times, low, high, step="post", color=COLOURS[index], alpha=0.15, lw=0)
        ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="share of the budget",
               ylabel="not there yet")  # fmt: skip
        figure.legend(loc="outside upper left")
    return cast("Figure", figure)
