"""Bars of effects as small SVG pictures in the rows of a table."""

from __future__ import annotations

import math
from html import escape

from ganlore.report.bars import Bar, Panel, place

HEIGHT = 20
PANELS: dict[Panel, tuple[int, int]] = {"ratio": (8, 124), "margins": (160, 72)}
"""Left border and width of each panel, in CSS pixels."""

WIDTH = 240
TICKS = (10, 5, 4, 3, 2, 1.5, 1.2, 1.1)
"""Factors that an axis may name: the largest that it has room for."""


def row(bar: Bar | None, limits: dict[Panel, float], alt: str) -> str:
    """The picture of one claim's effect on both panels' axes."""
    parts = [_zero(panel) for panel in PANELS]
    if bar is not None:
        parts.append(_bar(bar, limits[bar.panel]))
    return _svg(parts, WIDTH, alt)


def single(bar: Bar, limit: float, alt: str) -> str:
    """The picture of a ratio on an axis of its own."""
    return _svg([_zero("ratio"), _bar(bar, limit)], sum(PANELS["ratio"]) + 8, alt)


def axis(limits: dict[Panel, float], panels: tuple[Panel, ...] = ("ratio", "margins")) -> str:
    """The axes of a column of pictures, for its head."""
    parts = []
    for panel in panels:
        left, width = PANELS[panel]
        limit = limits[panel]
        if panel == "ratio":
            most = next((t for t in TICKS if math.log(t) <= 0.95 * limit), math.exp(0.9 * limit))
            ticks = {v: f"×{math.exp(v):.2g}" for v in (-math.log(most), 0.0, math.log(most))}
        else:
            most = math.floor(limit)
            ticks = {-most: f"−{most}", 0.0: "0", most: f"{most}"}
        for value, text in ticks.items():
            x = left + width * place(value, limit) / 100
            parts.append(f'<text x="{x:.1f}" y="12">{text}</text><path d="M{x:.1f} 15v4"/>')
    width = WIDTH if "margins" in panels else sum(PANELS["ratio"]) + 8
    return (
        f'<svg class="bar axis" width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" '
        f'aria-hidden="true">{"".join(parts)}</svg>'
    )


def _svg(parts: list[str], width: int, alt: str) -> str:
    return (
        f'<svg class="bar" width="{width}" height="{HEIGHT}" viewBox="0 0 {width} {HEIGHT}" '
        f'role="img" aria-label="{escape(alt)}">{"".join(parts)}</svg>'
    )


def _zero(panel: Panel) -> str:
    left, width = PANELS[panel]
    return f'<path class="zero" d="M{left + width / 2:g} 0V{HEIGHT}"/>'


def _bar(bar: Bar, limit: float) -> str:
    left, width = PANELS[bar.panel]

    def x(value: float) -> float:
        return round(left + width * place(value, limit) / 100, 1)

    middle, tone = HEIGHT / 2, "sure" if bar.decided else "gated"
    start, end = x(-bar.margin), x(bar.margin)
    parts = [
        f'<rect class="band" x="{start}" y="1" width="{end - start:.1f}" height="{HEIGHT - 2}"/>'
    ]
    if math.isfinite(bar.low) and math.isfinite(bar.high):
        parts.append(f'<path class="reach {tone}" d="M{x(bar.low)} {middle:g}H{x(bar.high)}"/>')
        for value in (bar.low, bar.high):
            if abs(value) > limit:
                tip = 5 if value > 0 else -5
                parts.append(
                    f'<path class="tip {tone}" d="M{x(value) + tip:.1f} {middle:g}l{-tip} -4v8z"/>'
                )
    if abs(bar.effect) <= limit:
        parts.append(
            f'<path class="mean {tone}" d="M{x(bar.effect)} {middle - 5:g}l5 5l-5 5l-5 -5z"/>'
        )
    return "".join(parts)
