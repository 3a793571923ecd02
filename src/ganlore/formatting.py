"""Numbers as text: three significant digits, means with intervals, and what failed."""

from __future__ import annotations

import math
from typing import Any


def decimals(value: float, digits: int = 3) -> int:
    """Decimal places that show a number with so many significant digits."""
    if not math.isfinite(value) or value == 0:
        return digits - 1
    exponent = int(
        f"{abs(value):.{digits - 1}e}".split("e")[1]
    )  # of the rounded number: .9996 is 1
    return min(max(digits - 1 - exponent, 0), 6)


def number(value: float, places: int | None = None) -> str:
    """A number with three significant digits, or so many decimal places; a dash for none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:,.{decimals(value) if places is None else places}f}"
    # A negative that rounds to nothing is nothing.
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", "−")


def spread(mean: float, low: float, high: float) -> tuple[str, str]:
    """A mean and its interval's half-width, with the same decimal places; "" for no interval."""
    half = (high - low) / 2
    places = decimals(mean)
    return number(mean, places), number(half, places) if math.isfinite(half) else ""


def estimate(row: dict[str, Any], metric: str) -> str:
    """A cell's metric for a reader: `12.3 ± 2.1 (1 of 3 diverged)`."""
    mean, half = spread(row[metric], row[f"{metric}_low"], row[f"{metric}_high"])
    text = f"{mean} ± {half}" if half else mean
    failed = "" if metric.endswith("_best") else diverged(row)
    return f"{text} ({failed})" if failed else text


def diverged(row: dict[str, Any]) -> str:
    """How many runs of a cell diverged; "" for none."""
    return f"{row['n_diverged']} of {row['n_seeds']} diverged" if row["n_diverged"] else ""
