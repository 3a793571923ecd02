"""Tests of claims about cost: cells that are timed in rounds and never trained."""

from __future__ import annotations

import copy
import math
from typing import Any

import pandas as pd
import pytest

from ganlore.analysis.claims import comparison, describe
from ganlore.analysis.claims.results import ClaimResult
from ganlore.analysis.tables import CELL, Tables
from ganlore.cli import dry
from ganlore.errors import GanloreError
from ganlore.study import fingerprint, schema
from ganlore.study.expand import expand
from ganlore.study.run import Plan, Run

COST = {
    "take": "cost", "of": "step_ms", "scale": "log", "claimed": "lower", "margin": 0.05,
    "treatment": {"losses": ["lsgan", "hinge"], "tricks": ["spectral-norm"]},
    "control": {"losses": ["lsgan", "hinge"], "tricks": ["gradient-penalty"]},
    "match": ["loss"],
}  # fmt: skip


def study(*tests: dict[str, Any], **changes: Any) -> Plan:
    """A study of one cell, with a claim about other cells' costs."""
    claim = {"statement": "It costs less.", "articles": ["000"], "tests": list(tests or [COST])}
    articles = {"000": {"language": "Arabic", "about": "losses"}}
    document = {
        "name": "costly",
        "seeds": [3, 4],
        "training": {"budget": 640, "snapshots": 2},
        "protocol": {"n_fake": 50},
        "variants": {"wide": {"networks": {"mlp": {"width": 64}}}},
        "grids": [
            {"datasets": ["digits"], "networks": ["mlp"], "losses": ["lsgan"], "tricks": ["none"]}
        ],
        "claims": {"articles": articles, "claims": {"C15": claim}},
    }
    return expand(schema.parse(schema.merge(copy.deepcopy(document), changes), "costly.yaml"))


def tables(plan: Plan, drift: float = 3.0) -> Tables:
    """Twelve rounds on a machine that slows down: spectral norm takes 2 ms, a penalty 4 ms."""
    rows = [
        {**run.cell._asdict(), "round": number, "step_memory_mb": 1.0, "step_gflop": 0.5,
         "step_ms": (2.0 if run.trick == "spectral-norm" else 4.0) * (1 + drift * number / 11)}
        for run in plan.costs
        for number in range(12)
    ]  # fmt: skip
    key = [*CELL, "train_seed", "step", "status", "metric", "value", "extractor"]
    empty = pd.DataFrame(columns=key)
    return Tables(empty, empty, empty, empty, costs=pd.DataFrame(rows)) if rows else None


def only(plan: Plan, tidy: Tables) -> ClaimResult:
    (made,) = comparison.claim_results(plan, tidy)
    return made


def test_what_is_timed_is_not_trained():
    plan = study()
    assert {run.cell.trick for run in plan.runs} == {"none"}
    assert {(run.loss.name, run.trick) for run in plan.costs} == {
        (loss, trick)
        for loss in ("lsgan", "hinge")
        for trick in ("spectral-norm", "gradient-penalty")
    }
    assert {run.seed for run in plan.costs} == {3}
    assert "they need 0 cells" in next(describe.lines(plan))


def test_a_cell_that_is_trained_too_is_timed_as_it_is_trained():
    plan = study({**COST, "treatment": {"losses": ["lsgan"]}})
    timed: list[Run] = [run for run in plan.costs if run.trick == "none"]
    assert timed == [run for run in plan.runs if run.seed == 3]


def test_cells_are_compared_within_a_round():
    """The machine slows down fourfold; the ratio is a half in every round."""
    plan = study()
    made = only(plan, tables(plan))
    (test,) = made.tests
    assert made.verdict == "holds"
    assert test.outcome.n == 12 and test.observations == "12 rounds"
    assert test.effect == pytest.approx((-math.log(2),) * 3)
    assert test.scope == "digits, mlp, one optimiser for all"  # and no number of steps
    assert len(test.cells["treatment"]) == 2
    assert test.in_words == "Time of a step: 50 % lower, 50 to 50 %"


def test_how_many_rounds_would_decide_is_said_of_rounds():
    plan = study({**COST, "scale": "value", "margin": 4.5})  # the differences are 2 to 8 ms
    made = only(plan, tables(plan))
    assert made.verdict == "undecided" and "rounds would decide" in made.note


def test_a_count_is_the_same_in_all_rounds():
    plan = study({**COST, "of": "step_gflop"})
    made = only(plan, tables(plan))
    assert made.verdict == "does not hold" and made.tests[0].effect == pytest.approx((0, 0, 0))


def test_without_times_it_is_not_tested_and_says_what_lacks():
    plan = study()
    tidy = tables(plan)
    half = tidy.costs[tidy.costs["trick"] == "spectral-norm"]
    made = only(plan, Tables(*[tidy.runs] * 4, costs=half))
    assert (made.verdict, made.note) == (
        "not tested", "lacks step_ms of cells of both sides, in costs.csv",
    )  # fmt: skip


def test_it_can_come_out_both_ways():
    (checked,) = dry.check(study())
    assert checked.reason == "" and (checked.low, checked.high) == (-math.inf, math.inf)


def test_seeds_and_budgets_time_nothing_again_and_settings_and_code_do(monkeypatch):
    made_of = study().costs_made_of
    same = {"budget": 1280, "snapshots": 4, "history": 7}
    assert study(seeds=[3, 4, 5], training=same).costs_made_of == made_of
    assert study(seeds=[9]).costs_made_of == made_of
    wide = study(settings={"networks": {"mlp": {"width": 8}}}).costs_made_of
    assert wide["cells"] != made_of["cells"] and wide["code_hash"] == made_of["code_hash"]
    monkeypatch.setattr(fingerprint, "timing", lambda: "other code")
    assert study().costs_made_of["code_hash"] != made_of["code_hash"]


def test_a_published_study_is_read_again():
    plan = study()
    again = expand(schema.parse(plan.study.model_dump(mode="json"), "published"))
    assert again.costs == plan.costs and again.runs == plan.runs


@pytest.mark.parametrize("of", ["seconds", "peak_memory_mb", "step_m"])
def test_what_depends_on_other_jobs_is_no_cost_of_a_claim(of):
    with pytest.raises(GanloreError, match=f"unknown cost '{of}'"):
        study({**COST, "of": of})
