"""What a test meets in a study, from its plan and from tables of a finished one."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd

from ganlore import formatting
from ganlore.analysis.claims import real_data
from ganlore.analysis.claims.attainable import Circumstances, attainable
from ganlore.analysis.claims.gates import Gate
from ganlore.analysis.claims.measures import Source
from ganlore.study import claim_cells, registry
from ganlore.study.claim_cells import firsts, named
from ganlore.study.claims import Test, Unit
from ganlore.study.run import ROUNDS, Plan


def planned(plan: Plan, alpha: float, test: Test, unit: Unit, family: int) -> Circumstances:
    """What is known of a test before anything has run.

    Args:
        plan: the study's.
        alpha: the level of its file of claims.
        test: the test.
        unit: what is one observation.
        family: the claims, or the controls, that it is corrected with.
    """
    modes = max((_modes(plan, name) for name in test.treatment.datasets), default=math.inf)
    if test.take == "real-data":
        return Circumstances(real_data.repeats(test, modes), family, modes=modes, alpha=alpha)
    runs = firsts(plan, test)
    seeds = ROUNDS if test.take == "cost" else len(plan.study.seeds)
    ours = [runs[cell] for cell in named(test.treatment) if cell in runs]
    units = {run.cell.loss if unit == "loss" else run.cell.dataset for run in ours}
    return Circumstances(
        observations=seeds // (1 + test.halves) if unit == "seed" else len(units),
        exact=unit == "seed",
        family=family,
        snapshots=min((run.training.snapshots for run in ours), default=1),
        modes=modes,
        alpha=alpha,
    )


def _modes(plan: Plan, dataset: str) -> float:
    """The modes of a data set: the classes that it says it has."""
    form = None
    if dataset in plan.datasets:
        form = registry.create("dataset", dataset, plan.datasets[dataset]).form()
    return float(form[1]) if form and form[1] else math.inf


def measured(here: Circumstances, source: Source, test: Test, table: pd.DataFrame) -> Circumstances:
    """The same with what a study's tables say.

    Args:
        here: as planned.
        source: the tables: their floor is what real data get.
        test: what is tested.
        table: one row an observation, with what the control did; may be empty.
    """
    control = None
    if test.control is not None and len(table):
        control = float(table["control"].median())
    return replace(here, best=_best(source, test), control=control)


def _best(source: Source, test: Test) -> float | None:
    """What real data get in a test's metric: the least of its data sets."""
    floor = source.floor[source.floor["metric"] == test.of]
    floor = floor[floor["dataset"].isin(test.treatment.datasets)]
    if test.take not in {"end", "best", "average"} or floor.empty:
        return None
    extractors = floor["dataset"].map(source.first) if test.extractor is None else test.extractor
    values = floor.loc[floor["extractor"] == extractors, "value"]
    return float(values.min()) if len(values) else None


def testable(here: Circumstances, test: Test) -> Gate | None:
    """The gate of a test that cannot come out both ways, None where it can."""
    reason = attainable(test, here).reason
    return Gate("not testable here", reason) if reason else None


def elsewhere(plan: Plan, test: Test) -> Gate | None:
    """The gate of a test on data that the study has not, None where it has them."""
    absent = claim_cells.absent(plan.study, test)
    if not absent:
        return None
    return Gate("not testable here", f"no grid of this study has {formatting.listed(absent)}")
