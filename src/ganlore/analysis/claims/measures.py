"""What a test of a claim takes of each run: one number, from the tidy tables.

Every function gives a series with one value for each run that has one, indexed by the columns of
`KEY`. What a run is counted with that has none is for `comparison`.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganlore.analysis.estimators import collapsed
from ganlore.analysis.tables import CELL, Tables
from ganlore.study.claims import NO_PRECISION, Test
from ganlore.study.run import Plan

KEY = [*CELL, "train_seed"]

LATE = 2 / 3
"""Where the last third of a budget begins; a number just at it is not late."""

Values: TypeAlias = "pd.Series[Any]"
"""Floats, indexed by the columns of `KEY`."""


class Source:
    """The tables of a study, with the share of the budget in every row.

    Args:
        plan: the study's plan.
        tidy: its tables.
    """

    def __init__(self, plan: Plan, tidy: Tables) -> None:
        self.first = {name: extractors[0] for name, (_, extractors) in plan.protocols.items()}
        keys = pd.MultiIndex.from_tuples([(*run.cell, run.seed) for run in plan.runs], names=KEY)
        steps = [run.training.steps for run in plan.runs]
        budgets = pd.Series(steps, index=keys, name="budget")
        critic = [run.loss.settings["n_critic"] for run in plan.runs]
        self.budgets = pd.DataFrame({"discriminator": steps, "n_critic": critic}, index=keys)
        self.metrics = tidy.metrics.join(budgets, on=KEY)
        self.metrics["share"] = self.metrics["step"] / self.metrics["budget"]
        self.history = tidy.history.join(budgets, on=KEY)
        self.history["share"] = self.history["step"] / self.history["budget"]
        self._by_metric = self._grouped()
        self.runs = tidy.runs.set_index(KEY)
        self.floor = tidy.floor
        self.controls = tidy.controls
        self.costs = tidy.costs.rename(columns={"round": "train_seed"}).set_index(KEY)

    def _grouped(self) -> dict[str, pd.DataFrame]:
        return {
            str(name): rows for name, rows in self.metrics.sort_values("step").groupby("metric")
        }

    def with_metrics(self, metrics: pd.DataFrame) -> Source:
        """The same with other rows of metrics, which have the column `share` already."""
        other = copy(self)
        other.metrics = metrics
        other._by_metric = other._grouped()
        return other

    def metric(self, name: str, extractor: str | None = None) -> pd.DataFrame:
        """The measured rows of a metric, in each data set's first extractor unless one is named."""
        rows = self._by_metric.get(name, self.metrics[:0])
        wanted = extractor or rows["dataset"].map(self.first)
        return rows[(rows["extractor"] == wanted) & (rows["status"] == "done")]

    def least(self, metric: str) -> dict[str, float]:
        """What held-out real data have in a metric, by data set, in its first extractor."""
        floor = self.floor[self.floor["metric"] == metric]
        if floor.empty or "extractor" not in floor:
            return {}
        mine = floor[floor["extractor"] == floor["dataset"].map(self.first)]
        return {str(name): float(v) for name, v in mine.groupby("dataset")["value"].min().items()}

    @property
    def diverged(self) -> pd.MultiIndex:
        """The runs that did not come to their end."""
        rows = self.metrics.loc[self.metrics["status"] == "diverged", KEY].drop_duplicates()
        return pd.MultiIndex.from_frame(rows)

    def modes_of(self, datasets: pd.Index[Any] | Values) -> NDArray[np.float64]:
        """The number of modes of each of these data sets: held-out real data has all of them."""
        modes = self.floor[self.floor["metric"] == "modes"].groupby("dataset")["value"].max()
        total: NDArray[np.float64] = datasets.map(modes).to_numpy(float)
        return total


def end(source: Source, test: Test) -> Values:
    """A metric at the last snapshot; none where a run diverged."""
    return _ends(source, test.of, test.extractor)


def average(source: Source, test: Test) -> Values:
    """The mean of a metric over the second half of the snapshots."""
    rows = source.metric(test.of, test.extractor)
    return rows[rows["share"] > 0.5].groupby(KEY)["value"].mean()


def best(source: Source, test: Test) -> Values:
    """A metric at the snapshot of lowest FID; none where a run diverged.

    FID below that of held-out real data counts as that, as for convergence.
    """
    rows = source.metric(test.of, test.extractor).set_index([*KEY, "step"])["value"]
    at = _best_snapshots(source, test.extractor).index
    values = rows[rows.index.isin(at)].droplevel("step")
    if test.of == "fid" and test.extractor is None and (floor := source.least("fid")):
        least = values.index.get_level_values("dataset").map(floor).to_numpy(float)
        values = values.clip(lower=pd.Series(least, index=values.index).fillna(0.0))
    return values[~values.index.isin(source.diverged)]


def unsteadiness(source: Source, test: Test) -> Values:
    """The standard deviation of a metric's logarithm about a line over the last third.

    Without the line it would be the slope of learning. Of three snapshots or more.
    """
    rows = source.metric(test.of, test.extractor)
    rows = rows[rows["share"] > LATE]
    logs = rows.assign(value=np.log(rows["value"])).set_index([*KEY, "step"])["value"]
    squares = (_detrended(logs) ** 2).groupby(KEY)
    return np.sqrt(squares.sum() / (squares.size() - 2).where(squares.size() > 2)).dropna()


def decline(source: Source, test: Test) -> Values:
    """The logarithm of a metric at the end over its best; none where a run diverged."""
    from ganlore.metrics import metrics

    rows = source.metric(test.of, test.extractor).groupby(KEY)["value"]
    higher = metrics()[test.of].higher_is_better
    logs = np.log(_ends(source, test.of, test.extractor)) - np.log(
        rows.max() if higher else rows.min()
    )
    return (-logs if higher else logs).dropna()


def far_from_best(source: Source, test: Test, runs: pd.MultiIndex) -> Values:
    """1 for a run whose best is worse than `factor` times the best of all runs, else 0.

    Args:
        source: the tables.
        test: `among` says whether all are those of the run's own loss.
        runs: those of both sides of the test.
    """
    bests = best(source, test).reindex(runs)
    places = ["dataset"] + ["loss"] * (test.among == "loss")
    counted = bests.fillna(np.inf)
    least = counted.groupby(places).transform("min")
    return (counted > test.factor * least).astype(float)


def failed(source: Source, test: Test) -> Values:
    """1 for a run that diverged or collapsed, else 0."""
    lost = pd.Series(0.0, index=source.runs.index)
    lost[lost.index.isin(source.diverged)] = 1.0
    modes, precision = (_ends(source, name).reindex(lost.index) for name in ("modes", "precision"))
    total = source.modes_of(lost.index.get_level_values("dataset"))
    lost[collapsed(modes.to_numpy(float), total, precision.to_numpy(float))] = 1.0
    return lost


def tracking(source: Source, test: Test) -> Values:
    """Spearman's correlation of a column of the history with a metric over the snapshots.

    A column is averaged from one snapshot to the next. Both are less their straight lines over the
    steps: two curves that fall for whatever reason follow one another otherwise. A column or metric
    that does not move tells nothing of the other: 0.
    """
    both = _beside(source, test)
    ranks = both.apply(lambda values: _detrended(values).round(9)).groupby(KEY).rank()
    away = ranks - ranks.groupby(KEY).transform("mean")
    products = pd.DataFrame(
        {
            "both": away["value"] * away["column"],
            "value": away["value"] ** 2,
            "column": away["column"] ** 2,
        }
    )
    sums = products.groupby(KEY).sum()
    spread = np.sqrt(sums["value"] * sums["column"])
    correlation = (sums["both"] / spread.where(spread > 0)).fillna(0.0)
    return correlation[both.groupby(KEY).size() > 3]


def stopping(source: Source, test: Test) -> Values:
    """The logarithm of a metric where the column is lowest, over the metric's best, as a loss >= 0.

    What who stops by that column pays. Of the snapshots after `since`.
    """
    both = _beside(source, test)
    lowest = both.sort_values("column", kind="stable").groupby(KEY)["value"].first()
    return np.log(lowest / both.groupby(KEY)["value"].min())


def reaching(source: Source, test: Test, control: pd.MultiIndex, runs: pd.MultiIndex) -> Values:
    """The share of the budget until a metric is at a target; NaN where it never is.

    The target is the test's, or the control's median run at its end. The share is of the longest
    budget among the test's runs, in steps of the discriminator or of the generator.
    """
    from ganlore.metrics import metrics

    sign = -1 if metrics()[test.of].higher_is_better else 1
    target = None if test.target is None else sign * test.target
    if target is None:
        ends = end(source, test)
        target = (sign * ends[ends.index.isin(control)]).median()
    rows = source.metric(test.of, test.extractor)
    there = rows[sign * rows["value"] <= target].groupby(KEY)["step"].min()
    there = there.reindex(rows.groupby(KEY).size().index).astype(float)
    critic = source.budgets["n_critic"].astype(float)
    each = critic if test.axis == "generator" else critic * 0 + 1
    budgets = source.budgets["discriminator"] / each
    longest = budgets[budgets.index.isin(runs)].max()
    return there / each.reindex(there.index) / longest


def late(source: Source, test: Test) -> Values:
    """The mean of a column of the history over the last third of training.

    On the scale log the geometric one: of what spikes, a mean would be that of the spikes.
    """
    rows = source.history[source.history["share"] > LATE]
    if test.scale == "log":
        rows = rows.assign(**{test.of: np.log(rows[test.of].where(rows[test.of] > 0))})
    means = rows.groupby(KEY)[test.of].mean().dropna()
    return np.exp(means) if test.scale == "log" else means


def at_best(source: Source, test: Test) -> Values:
    """A column of the history at the snapshot of lowest FID."""
    values = _best_snapshots(source, test.extractor).join(_between(source, test.of), how="inner")[
        "column"
    ]
    return values.droplevel("step").dropna()


def cost(source: Source, test: Test) -> Values:
    """A column of the table of costs: a round of a cell stands where a run does elsewhere."""
    return source.costs[test.of].dropna()


def hopping(source: Source, test: Test) -> Values:
    """Mean movement of modes between successive snapshots of a collapsed generator.

    It has collapsed if the shares of all its samples are as uneven as half of the modes would be or
    more (a reverse KL of log 2), while they have some quality, and if it covered more before: what
    has not learned yet has lost nothing.
    """
    parts = {
        name: source.metric(name, test.extractor).set_index([*KEY, "step"])["value"]
        for name in ("reverse_kl", "high_quality")
    }
    rows = pd.DataFrame(parts).dropna().sort_index()
    learned = rows["high_quality"] >= NO_PRECISION
    few = learned & (rows["reverse_kl"] >= np.log(2))
    covered = (learned & ~few).groupby(KEY).cummax()
    few &= covered
    both = few & few.groupby(KEY).shift(fill_value=False)
    moved = source.metric("mode_movement", test.extractor).set_index([*KEY, "step"])["value"]
    return moved[moved.index.isin(both.index[both])].groupby(KEY).mean()


def _ends(source: Source, metric: str, extractor: str | None = None) -> Values:
    rows = source.metric(metric, extractor)
    return rows[rows["step"] == rows["budget"]].set_index(KEY)["value"]


def _best_snapshots(source: Source, extractor: str | None) -> pd.DataFrame:
    """The row of lowest FID of each run, the first of equals, by run and step."""
    rows = source.metric("fid", extractor).sort_values(["value", "step"], kind="stable")
    return rows.drop_duplicates(KEY).set_index([*KEY, "step"])


def _beside(source: Source, test: Test) -> pd.DataFrame:
    """The metric `along` (value) and a column of the history (column), by run and snapshot."""
    rows = source.metric(test.along, test.extractor)
    rows = rows[rows["share"] > test.since].set_index([*KEY, "step"])[["value"]]
    return rows.join(_between(source, test.of), how="inner").dropna()


def _detrended(values: Values) -> Values:
    """Values by run and step, less each run's least-squares line over its steps."""
    steps = pd.Series(values.index.get_level_values("step"), index=values.index, dtype=float)
    x = steps - steps.groupby(KEY).transform("mean")
    y = values - values.groupby(KEY).transform("mean")
    squares = (x**2).groupby(KEY).transform("sum")
    slope = (x * y).groupby(KEY).transform("sum") / squares.where(squares > 0)
    return y - slope.fillna(0.0) * x


def _between(source: Source, column: str) -> Values:
    """A column's mean from one snapshot to the next, by run and the later snapshot's step."""
    snapshots = source.metrics[[*KEY, "step"]].drop_duplicates().sort_values("step")
    snapshots = snapshots.assign(snapshot=snapshots["step"])
    rows = source.history[[*KEY, "step", column]].sort_values("step")
    placed = pd.merge_asof(rows, snapshots, on="step", by=KEY, direction="forward")
    placed = placed.dropna(subset="snapshot").drop(columns="step")
    placed = placed.astype({"snapshot": int}).rename(columns={"snapshot": "step"})
    means: Values = placed.groupby([*KEY, "step"])[column].mean()
    return means.rename("column")


TAKES: dict[str, Callable[[Source, Test], Values]] = {
    "end": end,
    "best": best,
    "average": average,
    "unsteadiness": unsteadiness,
    "decline": decline,
    "failed": failed,
    "tracking": tracking,
    "stopping": stopping,
    "late": late,
    "at-best": at_best,
    "cost": cost,
    "hopping": hopping,
}


def take(source: Source, test: Test, control: pd.MultiIndex, runs: pd.MultiIndex) -> Values:
    """What a test takes of each run, before logarithm and distance.

    Args:
        source: the tables.
        test: says what to take.
        control: the runs of its control, for a target that they set.
        runs: the runs of both sides.
    """
    if test.take == "time-to":  # restricted to the budget
        values = reaching(source, test, control, runs).fillna(1.0)
    elif test.take == "far-from-best":
        values = far_from_best(source, test, runs)
    else:
        values = TAKES[test.take](source, test)
    return values.rename("value").astype(float)
