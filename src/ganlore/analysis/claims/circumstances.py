"""What a test meets in a study, from its plan and from tables of a finished one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from ganlore import formatting
from ganlore.analysis.claims import real_data
from ganlore.analysis.claims.attainable import Circumstances, attainable
from ganlore.analysis.claims.gates import Gate
from ganlore.analysis.claims.measures import Source, Values
from ganlore.study import claim_cells, registry
from ganlore.study.claim_cells import firsts, named
from ganlore.study.claims import Test, Unit
from ganlore.study.run import ROUNDS, Plan

MOST_IMPUTED = 0.5
"""The largest share of a side's runs that may have another's value."""


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
        control = float(table["control"].mean())
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


def imputed(values: Mapping[str, Values], without: tuple[int, int]) -> Gate | None:
    """The gate of a test of which a side has hardly a value of its own, None where it has.

    Args:
        values: of the runs of both sides, those without one have the worst.
        without: how many of treatment and control those are.
    """
    for side, lost in zip(("treatment", "control"), without, strict=True):
        runs = len(values.get(side, ()))
        if lost > MOST_IMPUTED * runs:
            return Gate(
                "not testable here",
                f"{lost} of the {side}'s {runs} runs have no value (they diverged): what would be "
                "compared is the worst value of others",
            )
    return None


def unranked(source: Source, test: Test, values: Mapping[str, Values], share: float) -> Gate | None:
    """The gate of a ranking of losses that a metric cannot tell apart, None where it can.

    Args:
        source: the tables: their floor is what real data get.
        test: what is tested.
        values: of its runs.
        share: the largest share of a data set's losses that may be at the floor.
    """
    if test.combine != "agreement":
        return None
    floors = source.least(test.of)
    middle = values["treatment"].groupby(["dataset", "loss"]).median()
    for dataset, losses in middle.groupby("dataset"):
        ties = int((losses <= floors.get(str(dataset), -math.inf)).sum())
        if ties > share * len(losses):
            return Gate(
                "not testable here",
                f"on {dataset} {ties} of {len(losses)} losses are as good as real data by "
                f"{test.of}, which cannot rank them",
            )
    return None


def nothing(test: Test) -> Gate | None:
    """The gate of a test of what no run has done, None where it is of something else."""
    if test.take != "hopping":
        return None
    return Gate("not testable here", "no run has collapsed after it had covered more modes")


def elsewhere(plan: Plan, test: Test) -> Gate | None:
    """The gate of a test on data that the study has not, None where it has them."""
    absent = claim_cells.absent(plan.study, test)
    if not absent:
        return None
    return Gate("not testable here", f"no grid of this study has {formatting.listed(absent)}")
