"""A study's numbers beside those of the paper that it replicates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ganlore.analysis.tables import Tables, finals
from ganlore.errors import GanloreError
from ganlore.study.paper_tables import PaperTable, Row

LEVEL = 0.95


@dataclass(frozen=True)
class Outcome:
    """A row of a paper's table, and what the study has for it.

    Attributes:
        row: the paper's.
        mean: ours, over the seeds that did not diverge; NaN if none is left.
        error: its standard error; NaN of one seed.
        n: the seeds in it.
        inside: whether the two agree; None where that cannot be said.
    """

    row: Row
    mean: float
    error: float
    n: int
    inside: bool | None


def compare(values: ArrayLike, row: Row, table: PaperTable) -> Outcome:
    """Compare a metric's values, one for each seed, with a row.

    Two means agree if their difference is within Welch's 95 % interval (Welch 1947): t times the
    root of both squared standard errors. Where the paper has no spread, its value is taken as
    exact. A bound holds if every seed is on its side.

    Args:
        values: one for each seed, (n,); those that diverged are left out.
        row: the paper's.
        table: the table of the row.
    """
    mine = np.asarray(values, dtype=np.float64)
    n = len(mine)
    mean = float(mine.mean()) if n else math.nan
    error = float(mine.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    if row.value is None:
        low = -math.inf if row.above is None else row.above
        high = math.inf if row.below is None else row.below
        holds = bool(((mine > low) & (mine < high)).all())
        return Outcome(row, mean, error, n, holds if n else None)
    if n < 2:
        return Outcome(row, mean, error, n, None)
    theirs = row.within or 0.0
    if table.spread == "standard deviation" and table.n:
        theirs /= math.sqrt(table.n)
    inside = abs(mean - row.value) <= _half_width(error, n, theirs, table.n)
    return Outcome(row, mean, error, n, inside)


def _half_width(error: float, n: int, other: float, n_other: int | None) -> float:
    """Half of Welch's interval of a difference of two means with these standard errors."""
    total = error**2 + other**2
    if not total:
        return 0.0
    spread = error**4 / (n - 1)
    if other and n_other and n_other > 1:
        spread += other**4 / (n_other - 1)
    freedom = total**2 / spread if spread else math.inf
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom) * math.sqrt(total))


def outcomes(tidy: Tables, table: PaperTable) -> Iterator[Outcome]:
    """Each row of a paper's table with what a finished study has for it.

    Raises:
        GanloreError: if the study has no such cell or metric.
    """
    ends = finals(tidy.metrics)
    for row in table.rows:
        wanted = [row.loss, row.trick, row.variant]
        cell = (ends[["loss", "trick", "variant"]] == wanted).all(axis=1)
        name = f"{row.loss} {row.trick} {row.variant}"
        if not cell.any() or row.metric not in ends:
            lacking = f"the metric {row.metric}" if cell.any() else f"the cell {name}"
            raise GanloreError(
                f"{table.paper}, {table.table}: the study has not {lacking}\n"
                "  correct the row of published.yaml, or the study"
            )
        yield compare(_values(ends[cell], row.metric), row, table)


def _values(rows: pd.DataFrame, metric: str) -> pd.Series[float]:
    first = rows[rows["extractor"] == rows["extractor"].iloc[0]]
    return first.loc[first["status"] == "done", metric].dropna()


def rows(tidy: Tables, table: PaperTable) -> pd.DataFrame:
    """`outcomes` as a table: the paper's row, then ours, its standard error, seeds and `inside`."""
    return pd.DataFrame(
        {**outcome.row.model_dump(), "ours": outcome.mean, "standard_error": outcome.error,
         "seeds": outcome.n, "inside": outcome.inside}
        for outcome in outcomes(tidy, table)
    )  # fmt: skip
