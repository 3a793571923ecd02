"""A search draws the same settings for all losses, and chooses by other data and features."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ganlore import storage
from ganlore.cli.main import app
from ganlore.errors import GanloreError
from ganlore.evaluation import searching
from ganlore.settings import Optimizer
from ganlore.study import schema, search, trials
from ganlore.study.expand import expand
from ganlore.study.space import Search
from tiny import REPOSITORY, tiny

SPACE = {
    "lr": {"low": 1e-4, "high": 1e-2, "log": True},
    "ratio": {"low": 0.25, "high": 4.0, "log": True},
    "beta1": {"low": 0.0, "high": 0.9},
    "n_critic": {"choices": [1, 5]},
    "clip": {"low": 1e-3, "high": 1.0, "log": True},
}
SEARCH = {
    "draws": 16,
    "rungs": [0.25, 1.0],
    "keep": 4,
    "protocol": {"reference": "test", "extractors": ["residual-classifier"]},
    "space": SPACE,
}
GRID = {
    "datasets": ["digits"],
    "networks": ["mlp"],
    "losses": ["hinge", "wgan"],
    "tricks": ["none"],
}
TRAINING = {"policy": "searched", "budget": 6400, "batch": 16, "optimizer": {"lr": 3e-4}}
PROTOCOL = {"reference": "train", "extractors": ["classifier"]}


def searched(where: Path | None = None, **changes: Any) -> schema.Study:
    own = {"search": SEARCH, "training": TRAINING, "protocol": PROTOCOL, "grids": [GRID]}
    place = {"results": str(where)} if where else {}
    return tiny(**schema.merge(own | place, changes))


def test_draws_fill_the_space_evenly_and_are_the_same_for_everyone() -> None:
    """A Sobol sequence: each of 16 slices of each axis has one of 16 draws."""
    drawn = search.draws(Search.model_validate(SEARCH))
    assert len(drawn) == 16 and drawn == search.draws(Search.model_validate(SEARCH))
    shares = {
        "lr": [math.log(d["lr"] / 1e-4) / math.log(100) for d in drawn],
        "ratio": [math.log(d["ratio"] / 0.25) / math.log(16) for d in drawn],
        "beta1": [d["beta1"] / 0.9 for d in drawn],
        "clip": [math.log(d["clip"] / 1e-3) / math.log(1000) for d in drawn],
    }
    for name, places in shares.items():
        assert sorted(int(16 * place) for place in places) == list(range(16)), name
    assert sorted(d["n_critic"] for d in drawn) == [1] * 8 + [5] * 8
    other = search.draws(Search.model_validate(SEARCH | {"seed": 1}))
    assert other[0] != drawn[0]


def test_more_draws_begin_with_the_same_ones() -> None:
    few = search.draws(Search.model_validate(SEARCH))
    many = search.draws(Search.model_validate(SEARCH | {"draws": 40}))
    assert len(many) == 40 and many[:16] == few


def test_a_draw_sets_what_each_loss_has() -> None:
    study = searched()
    draw = {"lr": 1e-3, "ratio": 2.0, "beta1": 0.3, "n_critic": 5, "clip": 0.1}
    wgan = search.settings(study, draw, "wgan", "mlp")["loss"]
    hinge = search.settings(study, draw, "hinge", "mlp")["loss"]
    assert wgan["clip"] == 0.1 and "clip" not in hinge
    assert wgan["optimizer"] == hinge["optimizer"]
    assert hinge["optimizer"] == {"lr": 1e-3, "lr_discriminator": 2e-3, "betas": [0.3, 0.999]}
    assert wgan["n_critic"] == hinge["n_critic"] == 5
    network = {"network.width": 16} | draw
    assert search.settings(study, network, "wgan", "mlp")["network"] == {"width": 16}


def test_the_first_rung_trains_every_draw_and_the_next_what_is_kept(tmp_path) -> None:
    study = searched(tmp_path)
    first = trials.of_rung(study, 1)
    assert len(first.runs) == 2 * 16
    assert {run.seed for run in first.runs} == {1000}
    assert {run.training.budget for run in first.runs} == {1600}
    assert {run.training.policy for run in first.runs} == {"shared"}
    assert first.protocols["digits"][0].reference == "test"
    assert first.protocols["digits"][1] == ["residual-classifier"]
    by_draw: dict[str, set[float]] = {}
    for run in first.runs:
        by_draw.setdefault(run.variant, set()).add(run.optimizer.lr)
    assert all(len(rates) == 1 for rates in by_draw.values())  # shared by the losses
    assert len(set.union(*by_draw.values())) == 16
    with pytest.raises(GanloreError, match="rung 1 of the search is not done"):
        trials.of_rung(study, 2)
    write(study, 1, {"digits/mlp/hinge/none": [3, 1], "digits/mlp/wgan/none": [7]})
    second = trials.of_rung(study, 2)
    assert {(r.loss.name, r.variant) for r in second.runs} == {
        ("hinge", "draw0003"), ("hinge", "draw0001"), ("wgan", "draw0007"),
    }  # fmt: skip
    assert {run.training.budget for run in second.runs} == {6400}
    assert first.folder(first.runs[0]).is_relative_to(tmp_path / "search/rung1")
    assert [len(plan.runs) for plan in trials.forecast(study)] == [32, 8]


def write(study: schema.Study, rung: int, kept: dict[str, list[int]]) -> None:
    path = search.record(study, rung)
    table = path.with_suffix(".csv")
    rows = [{"cell": cell, "draw": d, "fid": 1.0} for cell, draws in kept.items() for d in draws]
    files = {table.name: storage.write_text(table, storage.csv_text(rows))}
    storage.write_record(
        path, {"search": search.identity(study), "rung": rung, "kept": kept, "files": files}
    )


def test_the_study_s_own_runs_have_what_was_chosen(tmp_path) -> None:
    study = searched(tmp_path)
    assert search.waits(expand(study).study)
    write(study, 2, {"digits/mlp/hinge/none": [3], "digits/mlp/wgan/none": [7]})
    plan = expand(study)
    drawn = search.draws(Search.model_validate(SEARCH))
    by_loss = {run.loss.name: run for run in plan.runs}
    assert by_loss["hinge"].optimizer == Optimizer(
        lr=drawn[3]["lr"],
        lr_discriminator=drawn[3]["lr"] * drawn[3]["ratio"],
        betas=(drawn[3]["beta1"], 0.999),
    )
    assert by_loss["hinge"].loss.settings["n_critic"] == drawn[3]["n_critic"]
    assert by_loss["wgan"].loss.settings["clip"] == drawn[7]["clip"]
    assert {run.seed for run in plan.runs} == {0}
    assert {run.training.budget for run in plan.runs} == {6400}
    # the plan's study says it all, for whoever has no file of the search
    again = expand(schema.parse(plan.study.model_dump(mode="json"), "a copy"))
    assert again.study.search.chosen == {"digits/mlp/hinge/none": 3, "digits/mlp/wgan/none": 7}
    assert again.runs == plan.runs


@pytest.mark.parametrize(
    "change",
    [
        {"search": {"space": {"lr": {"high": 0.02}}}},
        {"search": {"keep": 2}},
        {"training": {"budget": 12_800}},
        {"settings": {"networks": {"mlp": {"width": 16}}}},
    ],
)
def test_another_search_s_choice_does_not_count(tmp_path, change) -> None:
    study = searched(tmp_path)
    write(study, 2, {"digits/mlp/hinge/none": [3], "digits/mlp/wgan/none": [7]})
    assert not search.waits(expand(study).study)
    assert search.waits(expand(searched(tmp_path, **change)).study)
    more_seeds = expand(searched(tmp_path, seeds=[0, 1, 2]))  # they are no part of the search
    assert not search.waits(more_seeds.study) and len(more_seeds.runs) == 6


def test_no_run_is_trained_before_its_settings_are_known(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = searched(tmp_path / "results").model_dump_json()
    run = "digits/mlp/hinge/none/base/seed0"
    done = CliRunner().invoke(app, ["train", run, "--study", study])
    assert isinstance(done.exception, GanloreError)
    assert "the search is not done" in str(done.exception)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"search": None}, "go together"),
        ({"training": {"policy": "shared"}}, "go together"),
        ({"search": {"seeds": [0]}}, "are seeds of the study too"),
        ({"search": {"protocol": {"reference": "train"}}}, "other data and other features"),
        ({"search": {"protocol": {"extractors": ["classifier"]}}}, "other data and other features"),
        # a grid that is judged by what chooses its draws
        ({"grids": [GRID | {"protocol": SEARCH["protocol"]}]}, "other data and other features"),
        ({"search": {"rungs": [0.5, 0.25]}}, "rising shares"),
        ({"search": {"space": {"lr": {"low": 0.0}}}}, "`log` needs a `low` above 0"),
        ({"search": {"space": {"beta1": {"high": -1.0}}}}, "`low` below `high`"),
        ({"search": {"space": {"n_critic": {"low": 1.0}}}}, "`choices` has no"),
        ({"variants": {"v": {}}}, "neither variants nor claims"),
    ],
)
def test_a_search_that_cannot_be_one_is_refused(change, message) -> None:
    with pytest.raises(GanloreError, match=message):
        expand(searched(**change))


def test_an_unknown_setting_is_refused_with_those_that_there_are() -> None:
    study = searched(search={"space": {"clipp": {"choices": [1.0]}}})
    with pytest.raises(GanloreError, match=r"has clipp\n.*there are: .*clip, .*n_critic"):
        trials.of_rung(study, 1)


def test_the_best_draws_are_those_of_lowest_fid_and_a_diverged_one_comes_last() -> None:
    scores = {0: 3.0, 1: math.inf, 2: 1.0, 3: 3.0, 4: math.inf}
    assert searching.best(scores, 3) == [2, 0, 3]
    assert searching.best(scores, 5) == [2, 0, 3, 1, 4]


@pytest.mark.parametrize("name", ["searched", "cifar10-searched"])
def test_the_shipped_searches_are_fair(name: str) -> None:
    study = schema.load(REPOSITORY / f"configs/{name}.yaml")
    plans = [*trials.forecast(study), expand(study)]
    assert all(run.training.steps >= 1000 for plan in plans for run in plan.runs)
    assert len({run.loss.name for run in plans[-1].runs}) >= 6
    assert all(plan.missing == () for plan in plans)
