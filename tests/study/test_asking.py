"""Which claims a study asks: their cells are trained, and others are judged by what is there."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ganlore.cli import dry
from ganlore.errors import GanloreError
from ganlore.forecast import summary
from ganlore.study import asking, schema
from ganlore.study.expand import expand
from ganlore.study.run import Plan


def best(trick: str) -> dict[str, Any]:
    return {
        "take": "best",
        "of": "fid",
        "claimed": "lower",
        "margin": 0.1,
        "treatment": {"losses": ["lsgan"], "tricks": [trick]},
        "control": {"losses": ["lsgan"]},
    }


STUDY = {
    "name": "made-up",
    "seeds": [0, 1],
    "training": {"budget": 640, "snapshots": 5, "history": 10},
    "grids": [{"datasets": ["digits"], "networks": ["mlp"], "losses": ["lsgan"], "tricks": ["none"]}],
    "claims": {
        "articles": {"000": {"language": "Arabic", "about": "losses"}},
        "controls": {"P01": {"statement": "It is seen.", "tests": [best("r1")]}},
        "claims": {
            "C01": {"statement": "One.", "articles": ["000"], "tests": [best("ema")]},
            "C02": {
                "statement": "Two.",
                "articles": ["000"],
                "tests": [best("packing"), best("ttur")],
                "note": "By FID.",
            },
        },
    },
}  # fmt: skip


def planned(ask: Any) -> Plan:
    return expand(schema.parse(copy.deepcopy({**STUDY, "ask": ask}), "made-up.yaml"))


def tricks(plan: Plan) -> set[str]:
    return {run.trick for run in plan.runs}


def test_all_are_asked_where_nothing_is_said():
    document = copy.deepcopy(STUDY)
    assert tricks(expand(schema.parse(document, "made-up.yaml"))) == {
        "none", "r1", "ema", "packing", "ttur",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "trained"),
    [
        (["C01"], {"none", "r1", "ema"}),  # controls are always asked
        (["C02/2"], {"none", "r1", "ttur"}),
        (["C02/2", "C01"], {"none", "r1", "ttur", "ema"}),
        (["C02/2", "C02"], {"none", "r1", "packing", "ttur"}),
    ],
)
def test_cells_of_what_is_asked_are_trained(ask, trained):
    plan = planned(ask)
    assert tricks(plan) == trained
    assert {place.split(".")[1] for place, _ in asking.tests(plan.study)} == {
        "P01", *(entry[:3] for entry in ask),
    }  # fmt: skip


def test_a_claim_that_is_asked_in_part_has_those_tests_alone_and_says_so():
    claims = planned(["C02/2"]).study.claims
    assert claims is not None
    assert [test.treatment.tricks for test in claims.claims["C02"].tests] == [["ttur"]]
    assert claims.claims["C02"].note == "By FID. Asked here by 1 of its 2 tests."
    assert len(claims.claims["C01"].tests) == 1  # it is judged by the runs that are there


def test_a_plan_is_the_same_when_it_is_made_of_its_own_settings():
    plan = planned(["C02/2", "C01"])
    again = expand(schema.parse(plan.study.model_dump(mode="json"), "published"))
    assert again.study == plan.study and again.runs == plan.runs


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (["C03"], "study made-up: ask: unknown claim 'C03'"),
        (["C02/3"], "ask: C02/3: C02 has the tests 1 to 2"),
        (["C02/0"], "ask: C02/0: C02 has the tests 1 to 2"),
        (["P01"], "ask"),
        ([], "ask"),
    ],
)
def test_what_there_is_not_cannot_be_asked(ask, words):
    with pytest.raises(GanloreError, match=words):
        planned(ask)


def test_the_dry_check_is_of_what_is_asked():
    assert [one.name for one in dry.check(planned(["C02/2"]))] == ["P01/1", "C02/1"]


def test_the_plan_knows_the_cells_of_what_is_asked():
    assert {cell.trick for cell in summary.claims_own(planned(["C01"]))} == {"r1", "ema"}


def test_a_study_without_claims_cannot_ask_any():
    document = {**copy.deepcopy(STUDY), "ask": ["C01"]}
    del document["claims"]
    with pytest.raises(GanloreError, match="ask names claims, and the study has none"):
        expand(schema.parse(document, "made-up.yaml"))
