"""A study's numbers beside those of the paper that it replicates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from ganlore import formatting
from ganlore.analysis.tables import CELL, RUN, Tables, finals
from ganlore.errors import GanloreError
from ganlore.study.paper_tables import PaperTable, Row

LEVEL = 0.95

WORDS = {True: "inside", False: "outside", None: "not said: too few seeds are left"}

SINGLE = "one seed, held against the spread of single runs of theirs"


@dataclass(frozen=True)
class Outcome:
    """A row of a paper's table, and what the study has for it.

    Attributes:
        row: the paper's.
        mean: ours, over the seeds that did not diverge; NaN if none is left.
        error: its standard error; NaN of one seed.
        n: the seeds in it.
        inside: whether the two agree; None where that cannot be said.
        lost: the seeds that diverged.
    """

    row: Row
    mean: float
    error: float
    n: int
    inside: bool | None
    lost: int = 0

    @property
    def cell(self) -> str:
        """Which cell it is."""
        row = self.row
        return " ".join(word for word in (row.loss, row.trick, row.variant) if word != "base")

    @property
    def is_bound(self) -> bool:
        """Whether the paper has no number for it: then what it says is held as a bound."""
        return self.row.value is None

    @property
    def theirs(self) -> str:
        """The paper's number, or its bound, in words."""
        row = self.row
        if row.value is not None:
            return f"{row.value:g}" + ("" if row.within is None else f" ± {row.within:g}")
        return f"below {row.below:g}" if row.below is not None else f"above {row.above:g}"

    @property
    def ours(self) -> str:
        """This study's mean and, of several seeds, its standard error, in words."""
        return _text(self.mean) + (f" ± {_text(self.error)}" if self.n > 1 else "")

    @property
    def agrees(self) -> str:
        """Whether the two agree, in words, and why not where that is known."""
        lost = f"{self.lost} of {self.lost + self.n} seeds diverged" if self.lost else ""
        one = self.n == 1 and self.row.value is not None and self.inside is not None
        explained = self.row.explained if self.inside is False else ""
        return ": ".join(filter(None, (WORDS[self.inside], SINGLE * one, lost, explained)))


def _text(value: float) -> str:
    """A number as it is read, or its power of ten: what has come to rest is 1e-12 away, not 0."""
    return f"{value:.0e}" if 0 < abs(value) < 1e-4 else formatting.number(value)


def compare(values: ArrayLike, row: Row, table: PaperTable, lost: int = 0) -> Outcome:
    """Compare a metric's values, one for each seed, with a row.

    Two means agree if their difference is within Welch's 95 % interval (Welch 1947): t times the
    root of both squared standard errors. Where the paper has no spread, its value is taken as
    exact. One seed alone agrees if it is within the 95 % interval of one more run of theirs, which
    is Student's t test with one value in the first sample: much wider, so that it says little where
    their runs differ much. A bound holds if every seed is on its side, which one that has diverged
    is not.

    Args:
        values: one for each seed, (n,); those that diverged are left out.
        row: the paper's.
        table: the table of the row.
        lost: the seeds that diverged.
    """
    mine = np.asarray(values, dtype=np.float64)
    n = len(mine)
    mean = float(mine.mean()) if n else math.nan
    error = float(mine.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    if row.value is None:
        low = -math.inf if row.above is None else row.above
        high = math.inf if row.below is None else row.below
        holds = bool(((mine > low) & (mine < high)).all())
        return Outcome(row, mean, error, n, holds and not lost if n + lost else None, lost)
    theirs = row.within or 0.0
    if table.spread == "standard deviation" and table.n:
        theirs /= math.sqrt(table.n)
    if n > 1:
        half = _half_width(error, n, theirs, table.n)
    elif n == 1 and row.within is not None and table.n and table.n > 1:
        half = _quantile(table.n - 1) * theirs * math.sqrt(table.n + 1)
    else:
        return Outcome(row, mean, error, n, None, lost)
    return Outcome(row, mean, error, n, abs(mean - row.value) <= half, lost)


def _half_width(error: float, n: int, other: float, n_other: int | None) -> float:
    """Half of Welch's interval of a difference of two means with these standard errors."""
    total = error**2 + other**2
    if not total:
        return 0.0
    spread = error**4 / (n - 1)
    if other and n_other and n_other > 1:
        spread += other**4 / (n_other - 1)
    freedom = total**2 / spread if spread else math.inf
    return _quantile(freedom) * math.sqrt(total)


def _quantile(freedom: float) -> float:
    """Student's t that the interval reaches to."""
    return float(stats.t.ppf((1 + LEVEL) / 2, freedom))


def outcomes(tidy: Tables, table: PaperTable) -> Iterator[Outcome]:
    """Each row of a paper's table with what a finished study has for it.

    A row's metric is one of the last snapshot, or a column of the last row of the history.

    Raises:
        GanloreError: if the study has no such cell or metric, or several that a row may mean.
    """
    ends = finals(tidy.metrics)
    steps = _last_steps(tidy.history, ends)
    for row in table.rows:
        source = steps if row.metric in steps and row.metric not in ends else ends
        wanted = [row.loss, row.trick, row.variant]
        cell = source[(source[["loss", "trick", "variant"]] == wanted).all(axis=1)]
        name = f"{row.loss} {row.trick} {row.variant}"
        if cell.empty or row.metric not in source:
            lacking = f"the cell {name}" if cell.empty else f"the metric {row.metric}"
            raise _mistaken(table, f"the study has not {lacking}")
        if len(cell[["dataset", "network"]].drop_duplicates()) > 1:
            raise _mistaken(table, f"the study has {name} on several data sets or networks")
        first = cell[cell["extractor"] == cell["extractor"].iloc[0]]
        done = first["status"] == "done"
        values = first.loc[done, row.metric].dropna()
        yield compare(values, row, table, int((~done).sum()))


def _mistaken(table: PaperTable, what: str) -> GanloreError:
    return GanloreError(
        f"{table.paper}, {table.table}: {what}\n  correct the row of published.yaml, or the study"
    )


def _last_steps(history: pd.DataFrame, ends: pd.DataFrame) -> pd.DataFrame:
    """The last row of each run's history, with the run's status and one of its extractors."""
    if history.empty:
        return pd.DataFrame(columns=RUN)
    run = [*CELL, "train_seed"]
    last = history.sort_values("step", kind="stable").drop_duplicates(run, keep="last")
    return last.merge(ends.drop_duplicates(run)[[*RUN, "status"]], on=run)


def rows(tidy: Tables, table: PaperTable) -> pd.DataFrame:
    """`outcomes` as a table: the paper's row, then ours, its standard error, seeds and `inside`."""
    return pd.DataFrame(
        {**outcome.row.model_dump(), "ours": outcome.mean, "standard_error": outcome.error,
         "seeds": outcome.n, "inside": outcome.inside}
        for outcome in outcomes(tidy, table)
    )  # fmt: skip
