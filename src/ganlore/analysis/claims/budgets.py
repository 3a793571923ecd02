"""A test's effect as it was at shares of the budget: would a shorter study have said the same?

The snapshots up to a share are taken as if the budget had ended there, so that nothing is trained
for it. Intervals are t intervals over seeds, or random effects over losses or data sets: cheap, and
close to the BCa interval that the verdict has at the whole budget.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from ganlore.analysis import estimators, random_effects
from ganlore.analysis.claims import comparison, observations
from ganlore.analysis.claims.measures import Source
from ganlore.analysis.claims.results import ClaimResult, TestResult

TAKES = ("end", "best", "average", "time-to")
"""What a run has at any snapshot; other things are of its history, or of many late snapshots."""

SHARES = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)

FEWEST = 3
"""With fewer points there is no line."""

COLUMNS = ["claim", "test", "share", "effect", "low", "high", "n"]


class Point(NamedTuple):
    """An effect at a share of the budget, positive in the claim's favour.

    Attributes:
        share: of the budget.
        effect: the mean of the observations.
        low: the lower end of its 95 % interval.
        high: the upper end.
        n: observations.
    """

    share: float
    effect: float
    low: float
    high: float
    n: int


def along(source: Source, results: Iterable[ClaimResult]) -> dict[str, list[Point]]:
    """The deciding test of each claim at the shares of the budget that have snapshots.

    Returns:
        By claim; those whose test takes something else, or has fewer than `FEWEST` shares, are
        left out.
    """
    asked = {one.id: one.deciding for one in results if _fits(one.deciding)}
    points: dict[str, list[Point]] = {name: [] for name in asked}
    seen = 0
    for share in SHARES if asked else ():
        cut = truncated(source, share)
        if cut is None or len(cut.metrics) == seen:  # the same snapshots as the share before
            continue
        seen = len(cut.metrics)
        for name, test in asked.items():
            if point := _at(cut, test, share):
                points[name].append(point)
    return {name: line for name, line in points.items() if len(line) >= FEWEST}


def _fits(test: TestResult) -> bool:
    return bool(test.outcome.n) and test.definition.take in TAKES


def truncated(source: Source, share: float) -> Source | None:
    """The tables as if every run's budget had ended at its last snapshot before this share of it.

    None where runs of some budget have no snapshot so early.
    """
    metrics = source.metrics
    kept = metrics[metrics["share"] <= share + 1e-9]
    group = ["dataset", "network", "variant", "budget"]
    ends = kept.groupby(group)["step"].max().rename("end")
    if len(ends) < metrics.groupby(group).ngroups:
        return None
    kept = kept.join(ends, on=group)
    kept = kept.assign(budget=kept["end"], share=kept["step"] / kept["end"]).drop(columns="end")
    return source.with_metrics(kept)


def _at(source: Source, test: TestResult, share: float) -> Point | None:
    cells = {side: there for side, there in test.cells.items() if there}
    values, _ = comparison.values_of(source, test.definition, cells)
    if any(series.empty for series in values.values()):
        return None
    table, pairs = observations.of_test(test.definition, values, test.unit)
    if table.empty:
        return None
    if pairs is not None:
        mean = random_effects.of_pairs(pairs)
        return Point(share, mean.effect, *mean.interval(), len(table))
    differences = table["difference"].to_numpy(dtype=np.float64)
    return Point(share, *estimators.mean_interval(differences), len(table))


def table(lines: dict[str, list[Point]], results: Iterable[ClaimResult]) -> pd.DataFrame:
    """The points as rows: `claims-budget.csv`."""
    numbers = {one.id: 1 + one.tests.index(one.deciding) for one in results if one.id in lines}
    rows = [(name, numbers[name], *point) for name, line in lines.items() for point in line]
    return pd.DataFrame(rows, columns=COLUMNS)
