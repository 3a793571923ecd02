"""From tidy tables to the results of claims: the differences of each test, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import cast

import numpy as np
import pandas as pd

from ganlore.analysis import rankings
from ganlore.analysis.claims import measures, verdicts
from ganlore.analysis.claims.describe import describe
from ganlore.analysis.claims.measures import Source, Values
from ganlore.analysis.claims.results import SEEDS, ClaimResult, TestResult, test_result
from ganlore.analysis.tables import CELL, Tables
from ganlore.errors import GanloreError
from ganlore.study.claim_cells import named
from ganlore.study.claims import Cells, Claim, Test
from ganlore.study.run import Cell, Plan


def claim_results(plan: Plan, tidy: Tables) -> list[ClaimResult]:
    """The results of all claims of a study, in the order of their names; none without claims.

    Raises:
        GanloreError: if numbers of two protocols are in one comparison.
    """
    if plan.study.claims is None:
        return []
    claims, source = plan.study.claims, Source(plan, tidy)
    measured = {
        name: [_measure(plan, source, test, f"{name}/{i}") for i, test in enumerate(c.tests)]
        for name, c in claims.claims.items()
    }
    decisions = verdicts.decide(
        {name: [outcome for _, outcome in pairs] for name, pairs in measured.items()}, claims.alpha
    )
    return [
        _result(name, claim, decisions[name], measured[name])
        for name, claim in claims.claims.items()
    ]


Measured = tuple[TestResult, verdicts.Outcome | None]


def _result(
    name: str, claim: Claim, decision: verdicts.Decision, measured: list[Measured]
) -> ClaimResult:
    deciding = _deciding(decision.verdict, measured)
    tests = tuple(replace(test, deciding=test is deciding) for test, _ in measured)
    return ClaimResult(
        name,
        claim.statement,
        tuple(claim.articles),
        decision.verdict,
        decision.p_holds,
        decision.p_contradicted,
        tests,
        _note(tests, decision),
        claim,
    )


def _deciding(verdict: verdicts.Verdict, measured: list[Measured]) -> TestResult:
    """The test that a verdict depends on.

    The one with the least support for the claim, or, where it is contradicted, with the most
    against it; where it was not tested, the first that lacks something.
    """
    for test, outcome in measured:
        if outcome is None:
            return test
    tests = [test for test, _ in measured]
    if verdict == "contradicted":
        return min(tests, key=lambda test: test.p_contradicted)
    return max(tests, key=lambda test: test.p_holds)


def _note(tests: tuple[TestResult, ...], decision: verdicts.Decision) -> str:
    if decision.verdict == "not tested":
        lacking = list(dict.fromkeys(text for test in tests for text in test.missing))
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        return f"lacks {'; '.join(lacking[:3])}{more}"
    if decision.verdict != "undecided":
        return ""
    if decision.seeds_needed is None:
        return "the effect is too close to the margin for any number of seeds to decide"
    return f"about {decision.seeds_needed:,} seeds would decide"


# -- one test --------------------------------------------------------------------------------------


def _measure(plan: Plan, source: Source, test: Test, key: str) -> Measured:
    selected = {side: _select(plan, cells) for side, cells in test.sides}
    missing = tuple(dict.fromkeys(text for _, lacking in selected.values() for text in lacking))
    cells = {side: there for side, (there, _) in selected.items()}
    claims = plan.study.claims
    assert claims is not None
    label = describe(test, claims.sets)
    nothing = pd.DataFrame(columns=SEEDS)
    if missing:
        return test_result(test, label, None, nothing, cells, (0, 0), missing), None
    _check_protocols(source, test, cells)
    values, without = _values(source, test, cells)
    table = _seeds(test, values)
    kept = {
        side: sorted(Cell(*cell) for cell in set(frame.index.droplevel("train_seed")))
        for side, frame in values.items()
    }
    if table.empty:
        reason = "a run that has collapsed" if test.take == "hopping" else "cells of both sides"
        return test_result(test, label, None, nothing, kept, without, (reason,)), None
    outcome = verdicts.weigh(
        table["difference"], test.margin, key, family=len(claims.claims), alpha=claims.alpha
    )
    return test_result(test, label, outcome, table, kept, without, ()), outcome


def _select(plan: Plan, cells: Cells) -> tuple[list[Cell], list[str]]:
    """The cells that are there, and those that are lacking; what has no meaning is neither."""
    there = {run.cell for run in plan.runs}
    senseless = {
        (m.dataset, m.network, m.loss, m.trick, m.variant)
        for m in plan.missing
        if not m.reason.startswith("left out by the study")
    }
    wanted = named(cells)
    lacking = [" ".join(cell) for cell in wanted if cell not in there and cell not in senseless]
    return [cell for cell in wanted if cell in there], lacking


def _check_protocols(source: Source, test: Test, cells: dict[str, list[Cell]]) -> None:
    """Both sides were evaluated alike, data set by data set."""
    used = {cell for side in cells.values() for cell in side}
    rows = source.metric(test.of, test.extractor)
    rows = rows[pd.MultiIndex.from_frame(rows[CELL]).isin(list(used))] if len(rows) else rows
    for dataset, group in rows.groupby("dataset"):
        protocols = group[["split", "n_real", "n_fake", "resize"]].drop_duplicates()
        if len(protocols) > 1:
            raise GanloreError(
                f"claims: {describe(test)}: numbers of {len(protocols)} protocols for {dataset}: "
                f"{protocols.to_dict('records')}\n  evaluate all of it under one protocol"
            )


def _values(
    source: Source, test: Test, cells: dict[str, list[Cell]]
) -> tuple[dict[str, Values], tuple[int, int]]:
    """One number a run of each side, and how many of the sides' runs had none of their own."""
    runs = {side: runs_of(source, found) for side, found in cells.items()}
    taken = measures.take(source, test, runs.get("control", runs["treatment"][:0]))
    found, without = {}, {"treatment": 0, "control": 0}
    for side, index in runs.items():
        values = taken.reindex(index)
        if test.take != "hopping":  # a run that has not collapsed says nothing of collapsed ones
            without[side.partition(",")[0]] += int(values.isna().sum())
            values = _with_worst(values, taken, test, side)
        found[side] = _scaled(values.dropna(), taken, test)
    for side in [name for name in found if name.endswith("relative_to")]:
        base = found.pop(side)
        own = side.partition(",")[0]
        found[own] = found[own] - _in_place(base, found[own].index, test)
    return found, (without["treatment"], without["control"])


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


def _in_place(base: Values, index: pd.Index, test: Test) -> Values:
    """The values of the runs that `relative_to` names, in the places of those they belong to."""
    there = index.to_frame(index=False)
    for axis, name in test.relative_to.items():
        there[axis] = name
    found = base.reindex(pd.MultiIndex.from_frame(there))
    return pd.Series(found.to_numpy(), index=index)


# -- from runs to seeds ----------------------------------------------------------------------------


def _seeds(test: Test, values: dict[str, Values]) -> pd.DataFrame:
    """One row a seed, as `Measured.values`."""
    if test.combine == "agreement":
        table = _agreement(values["treatment"])
    else:
        sides = _matched(test, values)
        combined = {side: _combined(test, found) for side, found in sides.items()}
        table = pd.DataFrame({"treatment": combined["treatment"]})
        table["control"] = combined.get("control", test.constant)
        table = table.dropna()
    sign = 1.0 if test.claimed == "higher" else -1.0
    table["difference"] = sign * (table["treatment"] - table["control"])
    return table.rename_axis("train_seed").reset_index()


def _matched(test: Test, values: dict[str, Values]) -> dict[str, Values]:
    """The runs of both sides whose names along `match` both sides have."""
    if not test.match or "control" not in values:
        return values
    keys = {side: _names(found, test.match) for side, found in values.items()}
    common = keys["treatment"].intersection(keys["control"])
    return {side: found[keys[side].isin(common)] for side, found in values.items()}


def _names(values: Values, axes: Sequence[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(values.index.to_frame()[list(axes)])


def _combined(test: Test, values: Values) -> Values:
    """One number a seed."""
    if test.combine == "spread":
        groups = values.groupby(["loss", "train_seed"]).std(ddof=1)
    else:
        axes: list[str] = [*test.match, "train_seed"]
        groups = values.groupby(axes).mean()
    return groups.groupby("train_seed").mean()


def _agreement(values: Values) -> pd.DataFrame:
    """Kendall's tau of the losses' rankings: between data sets, and between seeds of one of them.

    Each seed is held against the next one (the last against the first), on the other data set and
    on the same one.
    """
    wide = values.groupby(["dataset", "train_seed", "loss"]).mean().unstack("loss")
    datasets, seeds = (list(wide.index.unique(level)) for level in ("dataset", "train_seed"))
    if len(datasets) < 2 or len(seeds) < 2:
        return pd.DataFrame(columns=["treatment", "control"], dtype=float)

    def tau(one: str, other: str, seed: int, following: int) -> float:
        return rankings.kendall(wide.loc[(one, seed)], wide.loc[(other, following)])[0]

    rows = {}
    for seed, following in pairwise([*seeds, seeds[0]]):
        across = [tau(a, b, seed, following) for a in datasets for b in datasets if a != b]
        within = [tau(a, a, seed, following) for a in datasets]
        rows[seed] = {"treatment": np.mean(across), "control": np.mean(within)}
    return pd.DataFrame.from_dict(rows, orient="index")
