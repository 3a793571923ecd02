"""Whether a test can come out both ways: bounds by hand, and the published study's tests."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from ganlore import storage
from ganlore.analysis.claims.attainable import Circumstances, attainable
from ganlore.cli import studies  # noqa: F401  (registers the commands)
from ganlore.cli.app import app
from ganlore.study.claims import Test as Definition

ENOUGH = Circumstances(observations=10, snapshots=30, modes=8)
STUDY = Path("configs/study.yaml")
FIRST = Path(__file__).parent / "first_study"
"""Of the first published study: the tests of four claims, with FID and precision of their cells."""


def definition(take: str = "end", of: str = "fid", **changes: Any) -> Definition:
    plain = {"losses": ["lsgan"]}
    against = {} if "constant" in changes else {"control": plain}
    settings = {
        "take": take, "of": of, "claimed": "lower", "margin": 0.1, "treatment": plain, **against,
    }  # fmt: skip
    return Definition.model_validate(settings | changes)


@pytest.mark.parametrize(
    ("test", "here", "low", "high"),
    [
        # both sides of recall lie in [0, 1]
        (definition(of="recall", claimed="higher"), {}, -1, 1),
        # the control had 0.9: the treatment less that
        (definition(of="recall", claimed="higher"), {"control": 0.9}, -0.9, 0.1),
        (definition(of="recall"), {"control": 0.9}, -0.1, 0.9),
        (definition(of="modes", claimed="higher"), {"control": 3.0}, -3, 5),
        # log FID from log 3, which real data have, on
        (definition(scale="log"), {"best": 3.0, "control": math.log(30)}, -math.inf, math.log(10)),
        (definition("failed", ""), {"control": 0.0}, -1, 0),
        # the first of thirty snapshots is at 1/30 of the budget
        (definition("time-to"), {}, 1 / 30 - 1, 1 - 1 / 30),
        (definition("time-to"), {"control": 0.97}, -0.03, 0.97 - 1 / 30),
        (definition("tracking", "d_loss", absolute=True, constant=0.5), {}, -0.5, 0.5),
        (definition("late", "real_probability", distance_from=0.5, constant=0.1), {}, -0.4, 0.1),
        (definition("late", "real_probability", distance_from=2.0, constant=1.0), {}, -1, 0),
        (definition("late", "d_loss", constant=1.0), {}, -math.inf, math.inf),
        (definition(of="recall", relative_to={"variant": "base"}), {}, -2, 2),
        (definition(of="recall", combine="spread"), {}, -1 / math.sqrt(2), 1 / math.sqrt(2)),
    ],
)  # fmt: skip
def test_the_range_of_an_effect_by_hand(test, here, low, high):
    from dataclasses import replace

    actual = attainable(test, replace(ENOUGH, **here))
    assert (actual.low, actual.high) == pytest.approx((low, high))
    assert (actual.reason == "") == (high > test.margin and low < -test.margin)


def test_controls_that_never_fail_cannot_fail_less():
    reason = attainable(definition("failed", ""), Circumstances(10, control=0.0)).reason
    assert reason.startswith(
        "it cannot hold: effects against a control at 0.00 are from −1.00 to 0.00"
    )
    assert attainable(definition("failed", ""), Circumstances(10, control=0.5)).reason == ""


def test_where_nobody_reaches_a_target_nobody_can_be_later():
    reason = attainable(definition("time-to"), Circumstances(10, snapshots=6, control=1.0)).reason
    assert reason.startswith("it cannot be contradicted")


def test_a_test_on_data_without_room_for_its_margin():
    test = definition(of="modes", claimed="higher", margin=0.5)
    assert "it cannot hold" in attainable(test, Circumstances(10, modes=8, control=8.0)).reason
    both = definition(of="recall", margin=1.0)
    assert "cannot hold or be contradicted" in attainable(both, ENOUGH).reason


@pytest.mark.parametrize(
    ("seeds", "family", "enough"),
    [(10, 32, True), (9, 32, False), (4, 1, False), (5, 1, True), (16, 3276, True)],
)
def test_the_exact_tests_smallest_p_must_pass_holms_first_step(seeds, family, enough):
    """32/2^10 = 0.031, 32/2^9 = 0.0625, 1/2^4 = 0.0625, 1/2^5 = 0.031, 3276/2^16 = 0.04999."""
    reason = attainable(definition(), Circumstances(seeds, family)).reason
    assert (reason == "") == enough and ("p is at least" in reason) == (not enough)


def test_random_effects_take_three_units_and_no_floor_of_p():
    assert attainable(definition(), Circumstances(3, 1000, exact=False)).reason == ""
    assert "takes 3" in attainable(definition(), Circumstances(2, exact=False)).reason


def test_a_spread_over_two_snapshots_is_the_slope_of_learning():
    test = definition("unsteadiness")
    assert (
        "2 snapshots in the last third" in attainable(test, Circumstances(10, snapshots=6)).reason
    )
    assert attainable(test, Circumstances(10, snapshots=30)).reason == ""


# -- the command -----------------------------------------------------------------------------------


def refused(*arguments: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, ["claims", *arguments, "--check"])
    lines = result.output.splitlines()
    return result.exit_code, [line.split()[0] for line in lines if "  refused: " in line]


@pytest.fixture(scope="module")
def first_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study of the first published results, whose claims could not all come out both ways."""
    settings = storage.read_json(FIRST / "publication.json", "")["settings"]
    path = tmp_path_factory.mktemp("study") / "first.yaml"
    path.write_text(yaml.safe_dump({**settings, "extends": None}), encoding="utf-8")
    return path


def test_the_first_tests_of_c01_and_c06_are_refused_with_the_published_results(first_study: Path):
    """Its controls never fail, its target is reached at the budget's end: nothing can differ."""
    status, names = refused(str(first_study), "--results", str(FIRST))
    assert status == 1
    assert {"C01/1", "C01/2", "C06/1"} <= set(names)
    assert not {"C05/1", "C09/1"} & set(names)


def test_the_check_needs_no_run(first_study: Path):
    """By the plan alone: C01's second test has two late snapshots, its first could still fail."""
    status, names = refused(str(first_study))
    assert status == 1 and "C01/2" in names and not {"C01/1", "C06/1"} & set(names)


def test_the_study_that_ships_refuses_only_what_needs_other_data(tmp_path: Path):
    """Several sets of images, and photographs of 32 pixels and more, which it does not ask."""
    assert refused(str(STUDY)) == (0, [])
    whole = tmp_path / "whole.yaml"
    whole.write_text(f"extends: {STUDY.resolve()}\nask: all\n", encoding="utf-8")
    assert refused(str(whole)) == (1, ["C08/1", "C19/1", "C20/1", "C23/1"])


def test_a_study_whose_tests_are_all_attainable_passes(tmp_path: Path):
    study = (
        "name: tiny\nseeds: [0, 1, 2, 3, 4]\ngrids: [{datasets: [digits], networks: [mlp], "
        "losses: [lsgan], tricks: [none, ema]}]\nclaims:\n  articles: {a: {language: Latin, about: x}}\n"
        "  claims: {C01: {statement: It helps., articles: [a], tests: [{take: end, of: fid, scale: log, "
        "claimed: lower, margin: 0.05, treatment: {losses: [lsgan], tricks: [ema]}, "
        "control: {losses: [lsgan]}}]}}\n"
    )
    path = tmp_path / "tiny.yaml"
    path.write_text(study, encoding="utf-8")
    assert refused(str(path)) == (0, [])
    path.write_text(study.replace("seeds: [0, 1, 2, 3, 4]", "seeds: [0]"), encoding="utf-8")
    assert refused(str(path)) == (1, ["C01/1"])
