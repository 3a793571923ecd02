"""The file of claims: what it refuses, and what it adds to a study."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from ganlore import metrics
from ganlore.analysis.claims import describe
from ganlore.errors import GanloreError
from ganlore.study import claim_cells, schema
from ganlore.study.expand import expand
from ganlore.study.run import HISTORY
from ganlore.training.history import History

SHIPPED = Path("configs/study.yaml")

TEST = {
    "take": "end",
    "of": "fid",
    "scale": "log",
    "claimed": "lower",
    "margin": 0.05,
    "treatment": {"losses": ["lsgan"], "tricks": ["ema"]},
    "control": {"losses": ["lsgan"]},
    "match": ["loss"],
}
STUDY = {
    "name": "tiny",
    "seeds": [0, 1],
    "training": {"budget": 640, "snapshots": 2},
    "protocol": {"n_fake": 50},
    "variants": {"slow": {"training": {"optimizer": {"lr": 1e-5}}}},
    "grids": [
        {
            "datasets": ["digits"],
            "networks": ["mlp"],
            "losses": ["lsgan"],
            "tricks": ["none"],
            "training": {"budget": 320},
            "protocol": {"n_fake": 60},
        }
    ],
}


def claims(**changes):
    """A study with one claim of one test, and changes to the test."""
    test = {key: value for key, value in {**TEST, **changes}.items() if value is not None}
    claim = {"statement": "It helps.", "articles": ["000"], "tests": [test]}
    file = {
        "articles": {"000": {"language": "Arabic", "about": "losses"}},
        "claims": {"C01": claim},
    }
    return {**copy.deepcopy(STUDY), "claims": file}


def expanded(document):
    return expand(schema.parse(document, "tiny.yaml"))


def test_the_cells_of_a_claim_join_the_runs_once():
    plan = expanded(claims())
    cells = [(run.loss.name, run.trick, run.seed) for run in plan.runs]
    assert sorted(cells) == [("lsgan", trick, seed) for trick in ("ema", "none") for seed in (0, 1)]


def test_a_claim_of_all_losses_asks_for_none_twice():
    plan = expanded(claims(treatment={"losses": "all", "tricks": ["ema"]}))
    asked = {run.loss.name for run in plan.runs if run.trick == "ema"}
    assert {"nonsaturating", "wgan"} < asked and "fgan-jensen-shannon" not in asked


def test_they_are_trained_and_evaluated_as_the_grid_with_their_data_is():
    plan = expanded(claims())
    assert {run.training.budget for run in plan.runs} == {320}
    assert {run.protocol.n_fake for run in plan.runs} == {60}


def test_a_variant_changes_the_setting_that_it_names_alone():
    plan = expanded(claims(treatment={"losses": ["lsgan"], "variants": ["slow"]}))
    base, slow = (
        next(run for run in plan.runs if run.variant == name) for name in ("base", "slow")
    )
    assert slow.loss.settings["optimizer"]["lr"] == 1e-5
    assert base.loss.settings["optimizer"]["lr"] != 1e-5
    assert slow.training.budget == base.training.budget == 320


def test_the_cells_that_a_value_is_taken_relative_to_are_needed_too():
    changed = {"losses": ["lsgan"], "variants": ["slow"]}
    document = claims(
        treatment=changed, control=None, constant=0.0, relative_to={"variant": "base"}
    )
    assert {run.variant for run in expanded(document).runs} == {"base", "slow"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"of": "fidd"}, ("unknown metric 'fidd'", "fid", "C01.tests.0")),
        ({"take": "late", "of": "d_los"}, ("unknown column of the history 'd_los'", "d_loss")),
        ({"take": "tracking", "of": "d_loss", "along": "fi"}, ("unknown metric 'fi'", "fid")),
        ({"take": "cost", "of": "step_m"}, ("unknown cost 'step_m'", "step_ms")),
        ({"extractor": "clasifier"}, ("unknown extractor 'clasifier'", "classifier")),
        ({"treatment": {"losses": ["lsgam"]}}, ("unknown loss 'lsgam'", "lsgan", "treatment")),
        ({"control": {"losses": ["lsgan"], "tricks": ["emma"]}}, ("'emma'", "ema", "control")),
        ({"treatment": {"losses": ["lsgan"], "variants": ["slowly"]}}, ("'slowly'", "slow")),
        ({"treatment": {"losses": ["lsgan"], "datasets": ["digit"]}}, ("'digit'", "digits")),
        ({"take": "ending"}, ("take", "'end'")),
        ({"margin": -1}, ("margin", "greater than or equal to 0")),
        ({"margins": 1}, ("margins", "did you mean 'margin'")),
        ({"control": None}, ("either a control or a constant",)),
        ({"constant": 1.0}, ("either a control or a constant",)),
        ({"of": None}, ("end needs `of`",)),
        ({"take": "time-to", "control": None, "constant": 1.0}, ("time-to needs a target",)),
        ({"not_worse": True, "margin": 0}, ("not_worse needs a margin",)),
    ],
)
def test_a_mistake_is_an_error_before_the_runs_with_the_nearest_name(changes, words):
    with pytest.raises(GanloreError) as caught:
        expanded(claims(**changes))
    for word in words:
        assert word in str(caught.value)


def test_an_article_that_is_not_described():
    document = claims()
    document["claims"]["claims"]["C01"]["articles"] = ["007"]
    with pytest.raises(GanloreError, match=r"C01: articles \['007'\] are not among \['000'\]"):
        expanded(document)


def test_metrics_and_columns_are_those_that_there_are():
    assert claim_cells.metric_names() == set(metrics.metrics())
    documented = (History.__doc__ or "").split("Columns:")[1]
    assert all(column in documented for column in HISTORY)


def test_the_shipped_file_has_all_claims_of_the_articles():
    study = schema.load(SHIPPED)
    assert study.claims is not None
    assert list(study.claims.claims) == [f"C{number:02}" for number in range(1, 33)]
    assert len(study.seeds) == 12


def test_the_shipped_claims_need_no_more_runs_than_they_name():
    plan = expand(schema.load(SHIPPED))
    assert plan.study.claims is not None
    for name, claim in plan.study.claims.claims.items():
        idle = all(
            test.take == "cost" or claim_cells.absent(plan.study, test) for test in claim.tests
        )
        assert bool(claim_cells.needed(plan, claim)) is not idle, name
    ids = [run.id for run in plan.runs]
    assert len(ids) == len(set(ids))


def test_a_side_is_told_by_what_it_differs_in():
    study = schema.parse(claims(), "tiny.yaml")
    assert study.claims is not None
    (_, test), *_ = study.claims.tests
    assert describe.describe(test) == "FID: with ema against plain (lsgan on digits)"


def test_claims_are_a_file_beside_the_study(tmp_path):
    document = claims()
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(document.pop("claims")), encoding="utf-8")
    (tmp_path / "tiny.yaml").write_text(
        yaml.safe_dump({**document, "claims": "mine.yaml"}), encoding="utf-8"
    )
    assert len(expand(schema.load(tmp_path / "tiny.yaml")).runs) == 4
    (tmp_path / "tiny.yaml").write_text(
        yaml.safe_dump({**document, "claims": "other.yaml"}), encoding="utf-8"
    )
    with pytest.raises(GanloreError, match=r"other\.yaml: no such"):
        schema.load(tmp_path / "tiny.yaml")
