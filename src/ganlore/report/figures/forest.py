"""The forest plot: every claim in a row, its effect beside its margin, verdict and scope."""

from __future__ import annotations

import math
from collections.abc import Sequence
from textwrap import shorten, wrap
from typing import TYPE_CHECKING

from ganlore import formatting
from ganlore.analysis.claims.results import ClaimResult
from ganlore.analysis.claims.settings import POLICIES
from ganlore.analysis.claims.verdicts import VERDICTS
from ganlore.report.bars import Bar, Panel, limits, of_claim
from ganlore.report.figures._drawing import COLOURS, INK, MUTED, PAPER, RULE, Drawing, style
from ganlore.report.figures.verdicts import ratio_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, ROW, HEAD, FOOT = 7.4, 0.262, 0.3, 0.4
"""Inches: of the figure, of a row, of what is above the rows and below them."""

PLACES: dict[Panel, tuple[float, float]] = {"ratio": (0.355, 0.185), "margins": (0.55, 0.11)}
"""Left border and width of each panel, as shares of the figure's width."""

VERDICT, WORDS = 0.675, 0.787
"""Where the columns of text to the right of the panels begin, likewise."""

LETTERS = 43
"""Of a line of words: as many as stay inside the figure where most of them are digits."""

TONES = {"held": COLOURS[0], "bad": COLOURS[1], "ink": INK, "muted": MUTED}
PASSED = COLOURS[2]
TITLES: dict[Panel, str] = {"ratio": "ratio", "margins": "difference"}
AXES: dict[Panel, str] = {
    "ratio": "factor in the claim's favour",
    "margins": "multiples of the margin",
}
CAPTION = (
    "One row for each claim that was tested: the effect of the test that its verdict depends on, "
    "with its 95 % interval, to the right in the claim's favour. Grey band: effects smaller than "
    "the margin. "
    "Left axis: ratios; right axis: other effects as multiples of their margin. A hollow mark has "
    "no verdict, since a gate before it is shut; an arrow reaches beyond the axis."
)


def drawing(results: Sequence[ClaimResult]) -> Drawing | None:
    """The forest plot of a study's claims that were tested, None where there are none."""
    results = rows(results)
    if not results:
        return None
    words = "; ".join(f"{one.id} {one.verdict}" for one in results)
    return Drawing(
        figure=forest(results),
        kind="forest",
        name="forest",
        title="All claims that were tested",
        caption=CAPTION,
        alt=f"Forest plot of {len(results)} claims and controls with their verdicts: {words}.",
        data="verdicts.csv",
    )


def rows(results: Sequence[ClaimResult]) -> list[ClaimResult]:
    """The claims and controls that have a row: those that were tested."""
    return [one for one in results if one.verdict != "not tested"]


def inches(count: int) -> float:
    """The height of a forest of so many rows."""
    return HEAD + FOOT + ROW * count


def forest(results: Sequence[ClaimResult]) -> Figure:
    """A row for each claim, with a panel for ratios and one for other effects."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    bars = [of_claim(one) for one in results]
    ends = limits(bars)
    height = inches(len(results))
    with style():
        figure = Figure(figsize=(WIDTH, height))
        figure.set_layout_engine("none")  # columns of text have places of their own
        FigureCanvasAgg(figure)
        low, high = FOOT / height, ROW * len(results) / height
        whole = figure.add_axes((0, low, 1, high), frameon=False)
        whole.set(xlim=(0, 1), ylim=(len(results) - 0.5, -0.5), xticks=[], yticks=[])
        for panel, (left, width) in PLACES.items():
            ax = figure.add_axes((left, low, width, high), sharey=whole)
            _panel(ax, panel, bars, ends[panel])
        for y, one in enumerate(results):
            _texts(whole, y, one)
        for x, title in ((0.0, "claim"), (VERDICT, "verdict"), (WORDS, "effect, and where")):
            whole.text(x, -0.62, title, fontsize=6.5, color=MUTED, va="bottom")
    return figure


def _two_lines(effect: str) -> list[str]:
    """An effect as two lines at most: what is measured is cut short before its number is."""
    effect = formatting.unbroken(effect)
    if len(lines := wrap(effect, LETTERS)) <= 2:
        return lines
    return [shorten(part, LETTERS, placeholder=" …") for part in effect.split(": ", 1)]


def short_scope(words: str) -> str:
    """A scope without the policy that most studies have throughout."""
    return words.replace(f"{POLICIES['shared']}, ", "")


def _panel(ax: Axes, panel: Panel, bars: Sequence[Bar | None], end: float) -> None:
    ax.set(xlim=(-end, end))
    ax.axvline(0, color=MUTED, lw=0.7, zorder=1)
    for y, bar in enumerate(bars):
        if bar is not None and bar.panel == panel:
            _bar(ax, y, bar, end)
    if panel == "ratio":
        ratio_ticks(ax, 0.17)
    ax.tick_params(axis="y", left=False, labelleft=False)
    ax.tick_params(axis="x", labelsize=6)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel(AXES[panel], fontsize=6)
    ax.set_title(TITLES[panel], fontsize=6.5, color=MUTED, pad=3)


def _bar(ax: Axes, y: int, bar: Bar, end: float) -> None:
    colour = COLOURS[0] if bar.decided else MUTED
    band = min(bar.margin, end)
    ax.fill_betweenx((y - 0.42, y + 0.42), -band, band, color=MUTED, alpha=0.18, lw=0, zorder=0)
    if math.isfinite(bar.low) and math.isfinite(bar.high):
        inside = [min(max(value, -end), end) for value in (bar.low, bar.high)]
        ax.plot(inside, (y, y), color=colour, lw=1.6, alpha=0.8, solid_capstyle="butt")
        for value, sign in ((bar.low, "<"), (bar.high, ">")):
            if abs(value) > end:
                x = math.copysign(end, value)
                ax.plot(x, y, sign, ms=4, color=colour, clip_on=False, zorder=4)
    if abs(bar.effect) <= end:
        inner = colour if bar.decided else PAPER
        ax.plot(bar.effect, y, "D", ms=3.6, mfc=inner, mec=colour, mew=0.9, zorder=5)


def _texts(ax: Axes, y: int, one: ClaimResult) -> None:
    """The words of a row: id and statement, verdict, effect and scope."""
    meaning = VERDICTS[one.verdict]
    if y:
        ax.axhline(y - 0.5, color=RULE, lw=0.4, zorder=0)
    statement = one.definition.statement.removesuffix(".").replace("`", "")
    lines = wrap(shorten(statement, 100, placeholder=" …"), 50)
    ax.text(0.0, y, one.id, fontsize=6.5, weight="bold", va="center")
    ax.text(0.045, y, "\n".join(lines), fontsize=5.8, va="center", linespacing=1.1)
    word, colour = f"{meaning.sign} {one.verdict}".replace("not ", "not\n", 1), TONES[meaning.tone]
    if one.is_control:
        word, colour = ("✓ passed", PASSED) if one.passed else ("✗ failed", COLOURS[1])
    ax.text(VERDICT, y, word, fontsize=6.3, weight="bold", va="center", color=colour,
            linespacing=1.1)  # fmt: skip
    effect = one.deciding.in_words if one.deciding.outcome.n else "no runs"
    where = one.summary or short_scope(one.deciding.scope)
    rows = [*_two_lines(effect), shorten(where, LETTERS, placeholder=" …")]
    ax.text(WORDS, y, "\n".join(filter(None, rows)), fontsize=4.9, va="center", linespacing=1.12)
