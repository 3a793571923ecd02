"""From tidy tables to the results of claims: what each test's runs say, and the gates before it."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganlore.analysis.claims import (
    circumstances,
    gates,
    measures,
    observations,
    parts,
    real_data,
    settings,
    verdicts,
)
from ganlore.analysis.claims.describe import describe
from ganlore.analysis.claims.measures import Source, Values
from ganlore.analysis.claims.results import ClaimResult, TestResult
from ganlore.analysis.claims.verdicts import Outcome
from ganlore.analysis.tables import Tables
from ganlore.study import asking
from ganlore.study.claim_cells import firsts, named
from ganlore.study.claims import Cells, Claim, Claims, Control, Test, Unit
from ganlore.study.run import Cell, Plan


def claim_results(plan: Plan, tidy: Tables, source: Source | None = None) -> list[ClaimResult]:
    """The results of a study's controls and then of its claims, each in their order.

    Args:
        plan: the study's plan.
        tidy: its tables.
        source: the same as tests read them, where they are made already.
    """
    claims = plan.study.claims
    if claims is None:
        return []
    source = source or Source(plan, tidy)
    *controls, asked = claims.families
    seen = [one for family in controls for one in _decided(plan, source, family, {})]
    return seen + _decided(plan, source, asked, shut(seen))


def _decided(
    plan: Plan, source: Source, asked: Mapping[str, Claim], closed: dict[str, str]
) -> list[ClaimResult]:
    """The results of controls, or of claims behind them.

    Args:
        plan: the study's.
        source: its tables.
        asked: a family of controls, or the claims.
        closed: the data sets on which there is no verdict, each with the reason.
    """
    claims = plan.study.claims
    assert claims is not None
    trained = asking.names(plan.study)
    tests: dict[str, list[TestResult]] = {}
    for name, claim in asked.items():
        tests[name] = []
        for index, whole in enumerate(claim.tests):
            split = settings.split(plan, whole, claim.unit)
            for setting, test in split:
                key = f"{name}/{index}" + f"/{setting.words}" * (len(split) > 1)
                one = Asked(test, key, claim.unit, len(asked))
                made = replace(test_result(plan, claims, source, one), setting=setting)
                tests[name].append(_behind(made, closed))
        if name not in trained:
            tests[name] = _unasked(plan, tests[name])
    return parts.decided(asked, tests, claims.alpha)


NOT_ASKED = "runs, since this study does not ask it"
"""What a claim lacks whose cells are not trained for it."""


def _unasked(plan: Plan, results: list[TestResult]) -> list[TestResult]:
    """The tests of a claim that is not asked, as they are or, if runs are lacking, without any.

    Its part whose runs are there for others' sake is no answer to it, and no setting of its own.
    """
    away = [circumstances.elsewhere(plan, one.definition) is not None for one in results]
    if all(away) or not (any(away) or any(one.missing for one in results)):
        return results
    return [
        TestResult(one.definition, one.label, missing=(NOT_ASKED,), unit=one.unit)
        for one in results
    ]


def _behind(result: TestResult, closed: dict[str, str]) -> TestResult:
    """A test that was made, behind the gate of its data sets' controls."""
    names = result.setting.datasets if result.setting else ()
    reasons = dict.fromkeys(closed[name] for name in names if name in closed)
    if not reasons or not result.outcome.n:
        return result
    gate = gates.Gate("not testable here", "; ".join(reasons))
    return replace(result, gate=gate, outcome=replace(result.outcome, gated=gate.state))


def shut(controls: Iterable[ClaimResult]) -> dict[str, str]:
    """The data sets whose controls are not as they must be, each with the reason."""
    closed: dict[str, list[str]] = {}
    for one in controls:
        definition = one.definition
        assert isinstance(definition, Control)
        places = [(name, one.verdict) for name in definition.gates] or [
            (name, place.decision.verdict)
            for place in one.settings
            for name in place.setting.datasets
        ]
        for dataset, verdict in dict.fromkeys(places):
            if not one.as_it_must(verdict):
                text = f"control {one.id} {_must(one)} and is: {verdict}"
                closed.setdefault(dataset, []).append(text)
    return {dataset: "; ".join(reasons) for dataset, reasons in closed.items()}


def _must(control: ClaimResult) -> str:
    what = (
        "must hold"
        if control.is_positive
        else "must be seen neither to hold nor to be contradicted"
    )
    return f"({control.definition.statement.rstrip('.')}) {what}"


# -- one test --------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """A test as it is asked of the runs.

    Attributes:
        test: the test.
        key: what the bootstrap's randomness is keyed by.
        unit: what is one observation.
        family: the claims, or the controls, that it is corrected with.
    """

    test: Test
    key: str
    unit: Unit = "seed"
    family: int = 1


def test_result(plan: Plan, claims: Claims, source: Source, asked: Asked) -> TestResult:
    """What the runs say of one test, with the gate before it."""
    test, unit = asked.test, asked.unit
    label = describe(test, claims.sets)
    if gate := circumstances.elsewhere(plan, test):
        return TestResult(test, label, {}, Outcome(gated=gate.state), gate=gate, unit=unit)
    there = firsts(plan, test).keys()
    selected = {side: _select(plan, cells, there) for side, cells in test.sides}
    cells = {side: there for side, (there, _) in selected.items()}
    if missing := dict.fromkeys(name for _, lacking in selected.values() for name in lacking):
        return TestResult(test, label, cells, missing=tuple(missing))
    values, without = values_of(source, test, cells)
    compared = {
        side: sorted(Cell(*cell) for cell in set(series.index.droplevel("train_seed")))
        for side, series in values.items()
        if test.take != "real-data"
    }
    gate = circumstances.unranked(source, test, values, claims.gates.share)
    table, pairs = observations.of_test(test, values, unit)
    if gate := gate or (circumstances.nothing(test) if table.empty else None):
        return TestResult(test, label, compared, Outcome(gated=gate.state), gate=gate, unit=unit)
    if table.empty:
        return TestResult(test, label, compared, without=without, missing=(_lacking(test),))
    outcome = _weighed(table, pairs, claims.alpha, asked)
    wanted = [cell for side in cells.values() for cell in side]
    here = circumstances.planned(plan, claims.alpha, test, unit, asked.family)
    here = circumstances.measured(here, source, test, table)
    here = replace(here, observations=len(table))
    gate = circumstances.testable(here, test)
    gate = gate or circumstances.imputed(values, without)
    gate = gate or gates.converged(source, test, wanted, claims.gates)
    gate = gate or gates.settled(source, test, cells.get("control", ()))
    outcome = replace(outcome, gated=gate.state if gate else None)
    timed = arrivals(source, test, cells) if test.take == "time-to" else {}
    came = {side: (int(shares.count()), len(shares)) for side, shares in timed.items()}
    return TestResult(test, label, compared, outcome, table, without, came, gate=gate, unit=unit)


def arrivals(source: Source, test: Test, cells: dict[str, list[Cell]]) -> dict[str, Values]:
    """When the runs of each side of a test of time came to its target; NaN for those never there.

    Values are shares of the budget, as of `measures.reaching`.
    """
    sides = {side: runs_of(source, there) for side, there in cells.items()}
    every = functools.reduce(pd.MultiIndex.union, sides.values())
    shares = measures.reaching(source, test, sides.get("control", every[:0]), every)
    return {side: shares.reindex(index) for side, index in sides.items()}


def _lacking(test: Test) -> str:
    """What a test needs that has cells, if any, and no observation."""
    if test.take == "real-data":
        return real_data.lacking(test)
    if test.take == "cost":
        return f"{test.of} of cells of both sides, in costs.csv"
    return "cells of both sides"


def _weighed(
    table: pd.DataFrame, pairs: NDArray[np.float64] | None, alpha: float, asked: Asked
) -> Outcome:
    """The statistics of a test's observations."""
    test, family = asked.test, asked.family
    if pairs is not None:
        return verdicts.weigh_units(pairs, test.margin, family, alpha, test.not_worse)
    return verdicts.weigh(
        table["difference"], test.margin, asked.key, family, alpha, test.not_worse
    )


def _select(plan: Plan, cells: Cells, there: Collection[Cell]) -> tuple[list[Cell], list[str]]:
    """The cells that are there, and those that are lacking; what has no meaning is neither."""
    senseless = {
        (m.dataset, m.network, m.loss, m.trick, m.variant)
        for m in plan.missing
        if not m.reason.startswith("left out by the study")
    }
    wanted = named(cells)
    lacking = [" ".join(cell) for cell in wanted if cell not in there and cell not in senseless]
    return [cell for cell in wanted if cell in there], lacking


def values_of(
    source: Source, test: Test, cells: dict[str, list[Cell]]
) -> tuple[dict[str, Values], tuple[int, int]]:
    """One number a run of each side, and how many of the sides' runs had none of their own."""
    if test.take == "real-data":
        taken = _turned(real_data.take(source, test), test)
        return {"treatment": _scaled(taken, taken, test)}, (0, 0)
    runs = {side: runs_of(source, there, test.take == "cost") for side, there in cells.items()}
    every = functools.reduce(pd.MultiIndex.union, runs.values())
    taken = _turned(measures.take(source, test, runs.get("control", every[:0]), every), test)
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


def runs_of(source: Source, cells: list[Cell], timed: bool = False) -> pd.MultiIndex:
    """The runs of some cells, or the rounds that timed them."""
    index = cast(pd.MultiIndex, (source.costs if timed else source.runs).index)
    return index[index.droplevel("train_seed").isin(cells)] if cells else index[:0]


def _with_worst(values: Values, taken: Values, test: Test, side: str) -> Values:
    """A run without a value has the worst that any run of its data set and network has.

    Of a metric the worst is known; of anything else it is what speaks against the claim.
    """
    if not values.isna().any():
        return values
    from ganlore.metrics import metrics

    if test.turned:  # of a distance, what speaks against the claim
        largest = (test.claimed == "lower") == side.startswith("treatment")
    elif test.take in {"end", "best", "average", "time-to"}:
        largest = not metrics()[test.of].higher_is_better or test.take == "time-to"
    elif test.take in {"unsteadiness", "decline", "failed", "stopping"}:
        largest = True
    else:
        largest = (test.claimed == "lower") == side.startswith("treatment")
    groups = taken.groupby(["dataset", "network"])
    worst = groups.max() if largest else groups.min()
    places = pd.MultiIndex.from_frame(values.index.to_frame()[["dataset", "network"]])
    return values.fillna(pd.Series(worst.reindex(places).to_numpy(), index=values.index))


def _turned(values: Values, test: Test) -> Values:
    """Values, or their distance or size where a test is of that."""
    if test.distance_from is not None:
        values = (values - test.distance_from).abs()
    return values.abs() if test.absolute else values


def _scaled(values: Values, taken: Values, test: Test) -> Values:
    if test.scale == "log":
        # what is 0 has no logarithm; it counts as the least that is not
        positive = taken[taken > 0]
        values = np.log(values.clip(lower=positive.min() if len(positive) else 1.0))
    return values
