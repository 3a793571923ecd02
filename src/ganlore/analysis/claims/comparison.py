"""From tidy tables to the results of claims: what each test's runs say, and the gates before it."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganlore.analysis.claims import (
    circumstances,
    gates,
    measures,
    observations,
    parts,
    settings,
    verdicts,
)
from ganlore.analysis.claims.describe import describe
from ganlore.analysis.claims.measures import Source, Values
from ganlore.analysis.claims.results import ClaimResult, TestResult
from ganlore.analysis.claims.verdicts import Outcome
from ganlore.analysis.tables import Tables
from ganlore.study.claim_cells import named
from ganlore.study.claims import Cells, Claim, Claims, Test, Unit
from ganlore.study.run import Cell, Plan


def claim_results(plan: Plan, tidy: Tables) -> list[ClaimResult]:
    """The results of all claims of a study, in the order of their names; none without claims."""
    claims = plan.study.claims
    if claims is None:
        return []
    source = Source(plan, tidy)
    tests = {
        name: _parts(plan, claims, source, name, claim) for name, claim in claims.claims.items()
    }
    return parts.decided(claims.claims, tests, claims.alpha)


def _parts(plan: Plan, claims: Claims, source: Source, name: str, claim: Claim) -> list[TestResult]:
    """The tests of a claim, each once for each of its settings."""
    made = []
    for index, whole in enumerate(claim.tests):
        split = settings.split(plan, whole, claim.unit)
        for setting, test in split:
            key = f"{name}/{index}" if len(split) == 1 else f"{name}/{index}/{setting.words}"
            result = test_result(plan, claims, source, test, key, claim.unit)
            made.append(replace(result, setting=setting))
    return made


# -- one test --------------------------------------------------------------------------------------


def test_result(
    plan: Plan, claims: Claims, source: Source, test: Test, key: str, unit: Unit = "seed"
) -> TestResult:
    """What the runs say of one test, with the gate before it.

    Args:
        plan: the study's.
        claims: the file of claims.
        source: the study's tables.
        test: the test.
        key: what the bootstrap's randomness is keyed by.
        unit: what is one observation.
    """
    label = describe(test, claims.sets)
    selected = {side: _select(plan, cells) for side, cells in test.sides}
    cells = {side: there for side, (there, _) in selected.items()}
    if missing := dict.fromkeys(name for _, lacking in selected.values() for name in lacking):
        return TestResult(test, label, cells, missing=tuple(missing))
    values, without = _values(source, test, cells)
    table, pairs = observations.of_test(test, values, unit)
    compared = {
        side: sorted(Cell(*cell) for cell in set(series.index.droplevel("train_seed")))
        for side, series in values.items()
    }
    if table.empty:
        reason = "a run that has collapsed" if test.take == "hopping" else "cells of both sides"
        return TestResult(test, label, compared, without=without, missing=(reason,))
    outcome = _weighed(table, pairs, claims, test, key)
    wanted = [cell for side in cells.values() for cell in side]
    here = circumstances.planned(plan, claims, test, unit)
    here = circumstances.measured(here, source, test, table)
    here = replace(here, observations=len(table))
    gate = circumstances.testable(here, test)
    gate = gate or gates.converged(source, test, wanted, claims.gates)
    outcome = replace(outcome, gated=gate.state if gate else None)
    return TestResult(test, label, compared, outcome, table, without, gate=gate, unit=unit)


def _weighed(
    table: pd.DataFrame, pairs: NDArray[np.float64] | None, claims: Claims, test: Test, key: str
) -> Outcome:
    """The statistics of a test's observations."""
    family = len(claims.claims)
    if pairs is not None:
        return verdicts.weigh_units(pairs, test.margin, family, claims.alpha)
    return verdicts.weigh(table["difference"], test.margin, key, family, claims.alpha)


def _select(plan: Plan, cells: Cells) -> tuple[list[Cell], list[str]]:
    """The cells that are there, and those that are lacking; what has no meaning is neither."""
    there = plan.cells
    senseless = {
        (m.dataset, m.network, m.loss, m.trick, m.variant)
        for m in plan.missing
        if not m.reason.startswith("left out by the study")
    }
    wanted = named(cells)
    lacking = [" ".join(cell) for cell in wanted if cell not in there and cell not in senseless]
    return [cell for cell in wanted if cell in there], lacking


def _values(
    source: Source, test: Test, cells: dict[str, list[Cell]]
) -> tuple[dict[str, Values], tuple[int, int]]:
    """One number a run of each side, and how many of the sides' runs had none of their own."""
    runs = {side: runs_of(source, there) for side, there in cells.items()}
    taken = measures.take(source, test, runs.get("control", runs["treatment"][:0]))
    sides, without = {}, {"treatment": 0, "control": 0}
    for side, index in runs.items():
        values = taken.reindex(index)
        if test.take != "hopping":  # a run that has not collapsed says nothing of collapsed ones
            without[side.partition(",")[0]] += int(values.isna().sum())
            values = _with_worst(values, taken, test, side)
        sides[side] = _scaled(values.dropna(), taken, test)
    for side in [name for name in sides if name.endswith("relative_to")]:
        base, own = sides.pop(side), side.partition(",")[0]
        places = sides[own].index.to_frame(index=False).assign(**test.relative_to)
        sides[own] = sides[own] - base.reindex(pd.MultiIndex.from_frame(places)).to_numpy()
    return sides, (without["treatment"], without["control"])


def runs_of(source: Source, cells: list[Cell]) -> pd.MultiIndex:
    """The runs of some cells."""
    index = cast(pd.MultiIndex, source.runs.index)
    return index[index.droplevel("train_seed").isin(cells)] if cells else index[:0]


def _with_worst(values: Values, taken: Values, test: Test, side: str) -> Values:
    """A run without a value has the worst that any run of its data set and network has.

    Of a metric the worst is known; of anything else it is what speaks against the claim.
    """
    if not values.isna().any():
        return values
    from ganlore.metrics import metrics

    if test.take in {"end", "average", "time-to"}:
        largest = not metrics()[test.of].higher_is_better or test.take == "time-to"
    elif test.take in {"unsteadiness", "failed"}:
        largest = True
    else:
        largest = (test.claimed == "lower") == side.startswith("treatment")
    groups = taken.groupby(["dataset", "network"])
    worst = groups.max() if largest else groups.min()
    places = pd.MultiIndex.from_frame(values.index.to_frame()[["dataset", "network"]])
    return values.fillna(pd.Series(worst.reindex(places).to_numpy(), index=values.index))


def _scaled(values: Values, taken: Values, test: Test) -> Values:
    if test.distance_from is not None:
        values = (values - test.distance_from).abs()
    if test.absolute:
        values = values.abs()
    if test.scale == "log":
        # what is 0 has no logarithm; it counts as the least that is not
        positive = taken[taken > 0]
        values = np.log(values.clip(lower=positive.min() if len(positive) else 1.0))
    return values
