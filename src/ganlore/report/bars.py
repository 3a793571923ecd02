"""A claim's effect on a scale that all claims share: where its bar is in the forest plot.

Ratios are on a common logarithmic axis. Other effects have units of their own (shares, modes,
correlations), so each is divided by its margin, the smallest effect that matters to it; without a
margin, by the standard deviation of its observations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ganlore.analysis.claims.results import ClaimResult, TestResult

Panel = Literal["ratio", "margins"]

LEAST: dict[Panel, float] = {"ratio": math.log(1.25), "margins": 2.0}
MOST: dict[Panel, float] = {"ratio": math.log(10.0), "margins": 8.0}
"""Half of an axis, at least and at most; a bar that reaches further ends in an arrow."""


@dataclass(frozen=True)
class Bar:
    """An effect with its interval and margin, positive in the claim's favour.

    Attributes:
        panel: ratio: natural logarithms; margins: multiples of the margin.
        effect: of the test that the verdict depends on.
        low: the lower end of its interval; NaN for none.
        high: the upper end.
        margin: half of the band of effects that do not matter.
        decided: whether the claim has a verdict, so that no gate is shut before it.
    """

    panel: Panel
    effect: float
    low: float
    high: float
    margin: float
    decided: bool


def of_claim(result: ClaimResult) -> Bar | None:
    """The bar of a claim, None where its test could not be made."""
    test = result.deciding
    if not test.outcome.n:
        return None
    panel, unit = _scale(test)
    values = (value / unit for value in (test.outcome.effect, test.outcome.low, test.outcome.high))
    effect, low, high = values
    return Bar(panel, effect, low, high, test.definition.margin / unit, test.gate is None)


def _scale(test: TestResult) -> tuple[Panel, float]:
    """The panel of a test, and what its effect is divided by there."""
    definition, outcome = test.definition, test.outcome
    if definition.scale == "log" and definition.constant is None:
        return "ratio", 1.0
    if definition.margin > 0:
        return "margins", definition.margin
    deviation = outcome.error * math.sqrt(outcome.n)
    return "margins", deviation if math.isfinite(deviation) and deviation > 0 else 1.0


def limits(bars: Iterable[Bar | None]) -> dict[Panel, float]:
    """Half of each panel's axis: what the bars need, within `LEAST` and `MOST`."""
    made = dict(LEAST)
    for bar in bars:
        if bar is not None:
            ends = [abs(v) for v in (bar.effect, bar.low, bar.high) if math.isfinite(v)]
            made[bar.panel] = max(made[bar.panel], *(1.05 * end for end in ends))
    return {panel: min(value, MOST[panel]) for panel, value in made.items()}


def place(value: float, limit: float) -> float:
    """Where a value is on an axis from -limit to limit, in per cent of its width."""
    return round(50 + 50 * min(max(value / limit, -1.0), 1.0), 2)
