"""Tests of the metrics themselves: real data in disguise, without any run (`controls.csv`).

An observation is a repeat: another division into halves, another class, other noise.
"""

from __future__ import annotations

import math

import pandas as pd

from ganlore.analysis.claims.measures import KEY, Source, Values
from ganlore.study.claims import Test
from ganlore.study.run import REPEATS


def take(source: Source, test: Test) -> Values:
    """A metric of each repeat, in each data set's first extractor unless the test names one.

    As a run is named by its cell and seed, a repeat is by its data set and number.
    """
    rows = _rows(source.controls, source, test)
    rows = rows[rows["input"] == test.input]
    values = rows["value"].astype(float)
    if test.relative_to_floor:
        floor = _rows(source.floor, source, test).set_index("dataset")["value"]
        values = values / rows["dataset"].map(floor)
    named = rows.assign(train_seed=rows["repeat"].astype(int)).reindex(columns=KEY, fill_value="")
    named["value"] = values
    return named.dropna().set_index(KEY)["value"]


def _rows(table: pd.DataFrame, source: Source, test: Test) -> pd.DataFrame:
    """The rows of a table that are of a test's metric, data sets and extractors."""
    wanted = test.extractor or table["dataset"].map(source.first)
    mine = (table["metric"] == test.of) & (table["extractor"] == wanted)
    return table[mine & table["dataset"].isin(test.treatment.datasets)]


def repeats(test: Test, classes: float) -> int:
    """How many observations there will be, for data of so many classes; infinite for none."""
    if test.input != "one class":
        return REPEATS
    return 0 if math.isinf(classes) else min(REPEATS, int(classes))


def lacking(test: Test) -> str:
    """What has to be there for a test that has no observation."""
    where = " and ".join(test.treatment.datasets)
    return f"{test.of} of {test.input} of real data on {where}, in controls.csv"
