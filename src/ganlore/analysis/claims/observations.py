"""From values of runs to observations: one a seed, or one a loss or data set."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganlore.analysis.claims.measures import Values
from ganlore.study.claims import Test, Unit


class Observations(NamedTuple):
    """What a test's statistics are of.

    Attributes:
        table: one row an observation: its name (`train_seed`, or `unit`), treatment, control, and
            their difference, positive as claimed.
        pairs: the differences of each unit and seed, (k, n), NaN where one is missing; None where
            seeds are the observations.
    """

    table: pd.DataFrame
    pairs: NDArray[np.float64] | None = None


def of_test(test: Test, values: dict[str, Values], unit: Unit = "seed") -> Observations:
    """The observations of a test, from one number a run of each side."""
    return Observations(_seeds(test, values)) if unit == "seed" else _units(test, values, unit)


def _units(test: Test, values: dict[str, Values], unit: Unit) -> Observations:
    """One row a loss or data set: its mean over seeds, cells of equal `match` first."""
    sides = {}
    for side, runs in _matched(test, values).items():
        groups = runs.groupby([*dict.fromkeys([*test.match, unit]), "train_seed"]).mean()
        sides[side] = groups.groupby([unit, "train_seed"]).mean()
    both = pd.DataFrame({"treatment": sides["treatment"]})
    both["control"] = sides.get("control", test.constant)
    both = _with_difference(test, both.dropna())
    table = both.groupby(unit).mean().rename_axis("unit").reset_index()
    pairs = both["difference"].unstack("train_seed").to_numpy(dtype=np.float64)
    return Observations(table, pairs)


def _seeds(test: Test, values: dict[str, Values]) -> pd.DataFrame:
    """One row a seed."""
    if test.combine == "agreement":
        table = _agreement(values["treatment"])
    else:
        combined = {side: _combined(test, runs) for side, runs in _matched(test, values).items()}
        table = pd.DataFrame({"treatment": combined["treatment"]})
        table["control"] = combined.get("control", test.constant)
        table = _halved(table.dropna()) if test.halves else table.dropna()
    return _with_difference(test, table).rename_axis("train_seed").reset_index()


def _halved(table: pd.DataFrame) -> pd.DataFrame:
    """The treatment of the first half of the seeds beside the control of the second."""
    half = len(table) // 2
    return table.iloc[:half].assign(control=table["control"].to_numpy()[half : 2 * half])


def _with_difference(test: Test, table: pd.DataFrame) -> pd.DataFrame:
    """The table with treatment less control, positive as claimed."""
    sign = 1.0 if test.claimed == "higher" else -1.0
    return table.assign(difference=sign * (table["treatment"] - table["control"]))


def _matched(test: Test, values: dict[str, Values]) -> dict[str, Values]:
    """The runs of both sides whose names along `match` both sides have."""
    if not test.match or "control" not in values:
        return values
    names = {
        side: pd.MultiIndex.from_frame(runs.index.to_frame()[list(test.match)])
        for side, runs in values.items()
    }
    common = names["treatment"].intersection(names["control"])
    return {side: runs[names[side].isin(common)] for side, runs in values.items()}


def _combined(test: Test, values: Values) -> Values:
    """One number a seed."""
    if test.combine == "spread":
        groups = values.groupby(["loss", "train_seed"]).std(ddof=1)
    else:
        groups = values.groupby([*test.match, "train_seed"]).mean()
    return groups.groupby("train_seed").mean()


def _agreement(values: Values) -> pd.DataFrame:
    """Kendall's tau of the losses' rankings: between data sets, and between seeds of one of them.

    Each seed is held against the next one (the last against the first), on the other data set and
    on the same one.
    """
    from scipy import stats

    wide = values.groupby(["dataset", "train_seed", "loss"]).mean().unstack("loss")
    datasets, seeds = (list(wide.index.unique(level)) for level in ("dataset", "train_seed"))
    if len(datasets) < 2 or len(seeds) < 2:
        return pd.DataFrame(columns=["treatment", "control"], dtype=float)

    def tau(one: str, other: str, seed: int, following: int) -> float:
        return float(
            stats.kendalltau(wide.loc[(one, seed)], wide.loc[(other, following)]).statistic
        )

    rows = {}
    for seed, following in pairwise([*seeds, seeds[0]]):
        across = [tau(a, b, seed, following) for a in datasets for b in datasets if a != b]
        within = [tau(a, a, seed, following) for a in datasets]
        rows[seed] = {"treatment": np.mean(across), "control": np.mean(within)}
    return pd.DataFrame.from_dict(rows, orient="index")
