"""Tests of claims that ask for real data in disguise: no run, a verdict by its repeats."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from ganlore.analysis.claims import comparison, results
from ganlore.analysis.tables import Tables
from ganlore.cli import dry
from ganlore.errors import GanloreError
from ganlore.study import schema
from ganlore.study.expand import expand
from ganlore.study.run import CONTROLS, Plan

RECALL = {
    "take": "real-data", "of": "recall", "input": "one class", "claimed": "lower", "constant": 0.3,
    "margin": 0.0, "treatment": {"datasets": ["digits"]},
}  # fmt: skip
FID = {**RECALL, "of": "fid", "input": "two halves", "relative_to_floor": True, "constant": 3.0}
EMA = {
    "take": "end", "of": "fid", "scale": "log", "claimed": "lower", "margin": 0.05,
    "treatment": {"losses": ["lsgan"], "tricks": ["ema"]}, "control": {"losses": ["lsgan"]},
}  # fmt: skip
STUDY = {
    "name": "controlled",
    "seeds": list(range(6)),
    "training": {"budget": 640, "snapshots": 2},
    "protocol": {"n_fake": 50},
    "grids": [
        {"datasets": ["digits"], "networks": ["mlp"], "losses": ["lsgan"], "tricks": ["none"]},
        {"datasets": ["ring"], "networks": ["mlp"], "losses": ["lsgan"], "tricks": ["none"]},
    ],
}


def study(*tests: dict[str, Any], claim: dict[str, Any] = EMA) -> Plan:
    """A claim behind a positive control of these tests."""
    articles = {"000": {"language": "Arabic", "about": "losses"}}
    controls = {"P01": {"statement": "Metrics tell real data apart.", "tests": list(tests)}}
    claims = {"C01": {"statement": "It helps.", "articles": ["000"], "tests": [claim]}}
    file = {"articles": articles, "controls": controls, "claims": claims}
    return expand(schema.parse(copy.deepcopy({**STUDY, "claims": file}), "study.yaml"))


def tables(plan: Plan, values: dict[str, list[float]], floor: float = 2.0) -> Tables:
    """Tables whose controls have these values: those of `input/metric/data set`, by repeat."""
    rows = []
    for name, numbers in values.items():
        disguise, metric, dataset = name.split("/")
        first = plan.protocols[dataset][1][0]
        for repeat, value in enumerate(numbers):
            row = {"dataset": dataset, "input": disguise, "metric": metric, "repeat": repeat}
            rows.append({**row, "extractor": first, "value": value})
            rows.append({**row, "extractor": "another", "value": 100.0})
    key = ["dataset", "network", "loss", "trick", "variant", "train_seed", "step", "status"]
    empty = pd.DataFrame(columns=[*key, "metric", "value", "extractor"])
    real = [
        {"dataset": name, "extractor": names[0], "metric": "fid", "value": floor}
        for name, (_, names) in plan.protocols.items()
    ]
    controls = pd.DataFrame(rows, columns=list(CONTROLS))
    return Tables(empty, empty, empty, pd.DataFrame(real), controls)


def control(plan: Plan, tidy: Tables) -> results.ClaimResult:
    return comparison.claim_results(plan, tidy)[0]


def test_each_repeat_is_an_observation_of_one_data_set():
    """Eight of .1 and two of .2: the mean is .12, and p 1/2^10 by the exact test."""
    plan = study(RECALL)
    made = control(plan, tables(plan, {"one class/recall/digits": [0.1] * 8 + [0.2] * 2}))
    (test,) = made.tests
    assert (made.verdict, made.passed) == ("holds", True)
    assert test.outcome.n == 10 and test.outcome.p_holds == 1 / 2**10
    assert test.effect[0] == pytest.approx(0.12)
    assert list(test.values["train_seed"]) == list(range(10))
    assert test.observations == "10 repeats" and test.scope == "digits"
    assert "one class" in test.label and "digits" in test.label and not test.cells
    assert test.in_words.endswith("held against 0.3")
    assert results.rows([made])["n"].item() == 10
    assert results.cells([made]).empty


def test_the_other_way_it_fails_and_shuts_the_gate():
    plan = study(RECALL)
    made = comparison.claim_results(plan, tables(plan, {"one class/recall/digits": [0.9] * 10}))
    assert made[0].verdict == "contradicted" and not made[0].passed
    assert comparison.shut(made[:1]) == {
        "digits": "control P01 (Metrics tell real data apart) must hold and is: contradicted"
    }


def test_fid_of_halves_is_a_multiple_of_its_own_floor():
    plan = study(FID)
    fids = [3.0, 3.1, 3.2, 2.9, 3.0, 3.1, 2.8, 3.0, 3.0, 2.9]
    made = control(plan, tables(plan, {"two halves/fid/digits": fids}, floor=2.0))
    assert made.verdict == "holds"
    assert made.tests[0].effect[0] == pytest.approx(1.5)
    assert "multiple of its floor" in made.tests[0].label
    assert control(plan, tables(plan, {"two halves/fid/digits": fids}, floor=0.5)).verdict == (
        "contradicted"
    )


def test_each_data_set_is_a_setting():
    plan = study({**RECALL, "treatment": {"datasets": ["digits", "ring"]}})
    values = {"one class/recall/digits": [0.1] * 10, "one class/recall/ring": [0.9] * 8}
    made = control(plan, tables(plan, values))
    assert {place.setting.words: place.decision.verdict for place in made.settings} == {
        "digits": "holds", "ring": "contradicted",
    }  # fmt: skip


def test_without_numbers_it_is_not_tested_and_says_what_lacks():
    plan = study(RECALL)
    made = control(plan, replace(tables(plan, {"noise/recall/digits": [0.1] * 10})))
    assert made.verdict == "not tested"
    assert made.note == "lacks recall of one class of real data on digits, in controls.csv"


def test_it_trains_nothing_and_asks_for_its_own_data_sets_alone():
    plan, plain = study(RECALL, FID), study({**EMA, "margin": 0.1})
    assert plan.by_id.keys() == plain.by_id.keys()
    assert {dataset for dataset, _ in plan.controls} == {"digits"}
    assert plain.controls == {}


@pytest.mark.parametrize(
    "test, low, high, reason",
    [
        (RECALL, -0.7, 0.3, ""),
        (FID, float("-inf"), 3.0, ""),
        ({**RECALL, "constant": 1.5}, 0.5, 1.5, "it cannot be contradicted"),
    ],
)
def test_attainability_is_checked_before_any_run(test, low, high, reason):
    checked = next(iter(dry.check(study(test))))
    assert (checked.low, checked.high) == (pytest.approx(low), pytest.approx(high))
    assert checked.reason.startswith(reason) and bool(checked.reason) == bool(reason)


def test_a_published_study_is_read_again():
    """The settings of a publication name every default."""
    document = study(RECALL, FID).study.model_dump(mode="json")
    assert expand(schema.parse(document, "published")).controls


@pytest.mark.parametrize(
    "change, words",
    [
        ({"input": None}, "needs `input`"),
        ({"input": "one half"}, "'two halves', 'one class' or 'noise'"),
        ({"constant": None}, "either a control or a constant"),
        ({"treatment": {"datasets": ["digits"], "losses": ["lsgan"]}}, "leave all else out"),
        ({"treatment": {"datasets": ["digit"]}}, "unknown dataset 'digit'"),
        ({"of": "recal"}, "unknown metric 'recal'"),
        ({"converged": True}, "do not converge"),
        ({"take": "end", "input": None}, "name the losses"),
        ({"take": "end"}, "are of real-data"),
    ],
)
def test_a_mistake_is_refused_before_the_runs(change, words):
    with pytest.raises(GanloreError, match=words):
        study({key: value for key, value in {**RECALL, **change}.items() if value is not None})
