"""How closely a published table must agree with the same table made again on another machine.

The one place of these tolerances; docs/adr/0028-tolerances-of-published-tables.md gives their
reasons.

- What is counted, named or formatted agrees to the letter.
- A number that is computed without iteration agrees up to `EXACT`, relative: libraries add in
  another order. What is left of a difference of equal numbers is anything up to their rounding:
  `ROUNDED` of the largest number of its column counts as zero.
- An estimate of an iterative fit (`FITTED`) agrees up to a share of its own confidence interval's
  width, and its p up to `PROBABILITY`: where an optimiser stops depends on the processor.
"""

from __future__ import annotations

import csv
import io
import math
from fnmatch import fnmatch
from itertools import zip_longest

EXACT = 1e-9
"""Relative difference of numbers that are computed without iteration."""

ROUNDED = 1e-14
"""Of the largest number of a column: what a sum that should be zero may be."""

FITTED = {"tables/model-*.csv": ("low", "high", "effect")}
"""Tables of iterative fits: the columns of the interval's ends, and of what it is around."""

WIDTH = 0.02
"""Difference of a fitted number, as a share of the interval's width."""

PROBABILITY = 0.01
"""Difference of a fitted number's p."""


def same(name: str, published: str, made: str) -> bool:
    """Whether a published table is the one that was made again, within the tolerances.

    Args:
        name: the table's path in the report's folder.
        published: its text.
        made: the text that the published metrics give here.
    """
    if published == made:
        return True
    rows, others = (list(csv.reader(io.StringIO(text))) for text in (published, made))
    if [len(row) for row in rows] != [len(row) for row in others] or rows[:1] != others[:1]:
        return False
    columns = next((columns for form, columns in FITTED.items() if fnmatch(name, form)), None)
    zeros = [ROUNDED * largest for largest in _largest(others[1:])]
    return all(
        _close(value, expected, max(allowed, zero))
        for row, other in zip(rows[1:], others[1:], strict=True)
        for value, expected, allowed, zero in zip(
            row, other, _allowed(rows[0], other, columns), zeros, strict=False
        )
    )


def _largest(rows: list[list[str]]) -> list[float]:
    """The largest magnitude in each column, of what are finite numbers; 0 where none is."""
    return [
        max((abs(x) for x in map(_number, column) if math.isfinite(x)), default=0.0)
        for column in zip_longest(*rows, fillvalue="")
    ]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _allowed(head: list[str], row: list[str], columns: tuple[str, ...] | None) -> list[float]:
    """The absolute difference that is allowed beside `EXACT`, for each value of a row."""
    if columns is None or len(row) != len(head):
        return [0.0] * len(row)
    low, high = (float(row[head.index(end)]) for end in columns[:2])
    return [
        WIDTH * (high - low) if name in columns else PROBABILITY if name == "p" else 0.0
        for name in head
    ]


def _close(value: str, expected: str, allowed: float) -> bool:
    pair = _number(value), _number(expected)
    return value == expected or math.isclose(*pair, rel_tol=EXACT, abs_tol=allowed)
