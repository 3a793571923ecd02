"""How closely a published table must agree with the same table made again on another machine.

The one place of these tolerances; docs/adr/0028-tolerances-of-published-tables.md gives their
reasons.

- What is counted, named or formatted agrees to the letter.
- A number that is computed without iteration agrees up to `EXACT`, relative: libraries add in
  another order.
- An estimate of an iterative fit (`FITTED`) agrees up to a share of its own confidence interval's
  width, and its p up to `PROBABILITY`: where an optimiser stops depends on the processor.
"""

from __future__ import annotations

import csv
import io
import math
from fnmatch import fnmatch

EXACT = 1e-9
"""Relative difference of numbers that are computed without iteration."""

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
    return all(
        _close(value, expected, allowed)
        for row, other in zip(rows[1:], others[1:], strict=True)
        for value, expected, allowed in zip(
            row, other, _allowed(rows[0], other, columns), strict=False
        )
    )


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
    if value == expected:
        return True
    try:
        return math.isclose(float(value), float(expected), rel_tol=EXACT, abs_tol=allowed)
    except ValueError:
        return False
