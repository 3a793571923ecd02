"""A study's numbers beside a paper's: the rule, the file of tables, and the command."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from typer.testing import CliRunner

from ganlore.analysis import replication
from ganlore.analysis.tables import CELL, Tables
from ganlore.cli.main import app
from ganlore.errors import GanloreError
from ganlore.study import paper_tables, schema
from ganlore.study.expand import expand
from ganlore.study.paper_tables import PaperTable
from tiny import REPOSITORY

FOLDER = REPOSITORY / "configs/replications"
STUDIES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != paper_tables.PUBLISHED)


def table(row: dict, **changes) -> PaperTable:
    words = {"paper": "arXiv:1", "table": "1", "protocol": "-", "checked": "-", "n": 10,
             "spread": "standard error", "rows": [{"loss": "hinge", "metric": "fid", **row}]}  # fmt: skip
    return PaperTable.model_validate(words | changes)


def inside(values, row: dict, **changes) -> bool | None:
    made = table(row, **changes)
    return replication.compare(values, made.rows[0], made).inside


def test_two_means_agree_as_welch_s_test_says() -> None:
    """Against scipy's own test of two samples, on both sides of its 5 %."""
    rng = np.random.default_rng(0)
    seen = set()
    for shift in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0):
        ours, theirs = rng.normal(size=6), rng.normal(shift, 2.0, size=10)
        row = {"value": theirs.mean(), "within": theirs.std(ddof=1) / math.sqrt(10)}
        expected = stats.ttest_ind(ours, theirs, equal_var=False).pvalue >= 0.05
        assert inside(ours, row) == expected
        deviation = {"value": theirs.mean(), "within": theirs.std(ddof=1)}
        assert inside(ours, deviation, spread="standard deviation") == expected
        seen.add(bool(expected))
    assert seen == {True, False}


def test_a_number_without_a_spread_is_taken_as_exact() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0])
    low, high = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert inside(values, {"value": low + 1e-6}) and inside(values, {"value": high - 1e-6})
    assert not inside(values, {"value": low - 1e-6})
    assert inside([1000.0, 1000.0], {"value": 1000.0, "within": 0.0})
    assert inside([999.0, 999.0], {"value": 1000.0, "within": 0.0}) is False


def test_a_bound_holds_if_it_holds_for_every_seed() -> None:
    assert inside([0.1, 0.2], {"below": 0.3}) is True
    assert inside([0.1, 0.4], {"below": 0.3}) is False
    assert inside([0.1, 0.4], {"above": 0.05}) is True
    assert inside([], {"below": 0.3}) is None  # all diverged


def test_one_seed_agrees_if_it_may_be_one_more_run_of_theirs() -> None:
    """Against scipy's pooled t test of one value and their ten, on both sides of its 5 %."""
    theirs = np.random.default_rng(0).normal(1.0, 2.0, size=10)
    deviation = theirs.std(ddof=1)
    seen = set()
    for value in np.linspace(-6.0, 8.0, 15):
        row = {"value": theirs.mean(), "within": deviation / math.sqrt(10)}
        expected = stats.ttest_ind([value], theirs, equal_var=True).pvalue >= 0.05
        assert inside([value], row) == expected
        as_deviation = {"value": theirs.mean(), "within": deviation}
        assert inside([value], as_deviation, spread="standard deviation") == expected
        seen.add(bool(expected))
    assert seen == {True, False}
    assert inside([1.0], {"value": 1.0}) is None  # their runs' spread is not known
    assert inside([1.0], {"value": 1.0, "within": 0.5}, n=1) is None
    assert inside([], {"value": 1.0, "within": 0.5}) is None


def test_a_single_seed_is_said_to_be_one() -> None:
    made = table({"value": 1.0, "within": 0.5})
    one = replication.compare([1.25], made.rows[0], made)
    assert one.ours == "1.25" and one.agrees.startswith("inside: one seed")
    two = replication.compare([1.0, 1.5], made.rows[0], made)
    assert "±" in two.ours and two.agrees == "inside"
    bound = table({"above": 0.5})
    assert replication.compare([1.0], bound.rows[0], bound).agrees == "inside"


def test_the_published_tables_are_of_the_studies_beside_them() -> None:
    """Every row is a cell that its study trains, every study has a table."""
    assert STUDIES
    for path in STUDIES:
        plan = expand(schema.load(path))
        paper = plan.study.replicates
        assert paper == paper_tables.of(plan.study.name, FOLDER / paper_tables.PUBLISHED)
        cells = {(cell.loss, cell.trick, cell.variant) for cell in plan.cells}
        assert {(row.loss, row.trick, row.variant) for row in paper.rows} == cells, path
        assert paper.paper.startswith("arXiv:") and paper.checked


def test_pacgan_s_packs_are_a_hundred_a_step_and_both_networks_move_at_once() -> None:
    plan = expand(schema.load(FOLDER / "pacgan-ring.yaml"))
    for run in plan.runs:
        size = run.applied[0].settings.get("m", 1)
        assert run.training.batch == 100 * size and run.training.steps == 400_000
        assert run.training.order == "generator-first" and run.loss.settings["n_critic"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("other: {}", "unknown replicated study 'mine'"),
        ("mine: {paper: a}", "mine.table"),
        ("mine: {paper: a, table: b, protocol: c, checked: d, rows: [{loss: l, metric: m}]}",
         "expected one of `value`, `below` and `above`"),
        ("mine: {paper: a, table: b, protocol: c, checked: d, rows: [{loss: l, metric: m, value: 1, within: 2}]}",
         "need `n` and `spread`"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "published.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GanloreError, match=message):
        paper_tables.of("mine", path)
    with pytest.raises(GanloreError, match="no such file"):
        paper_tables.of("mine", tmp_path / "none.yaml")


@pytest.fixture
def tidy() -> Tables:
    """Three seeds of one cell, of which the last diverged; FID at two snapshots."""
    rows = []
    for seed, (first, last) in enumerate([(9.0, 2.0), (8.0, 4.0), (7.0, math.nan)]):
        for step, value in ((10, first), (20, last)):
            cell = {"dataset": "ring", "network": "mlp", "loss": "hinge", "trick": "none"}
            status = "done" if math.isfinite(value) else "diverged"
            rows.append({**cell, "variant": "base", "train_seed": seed, "extractor": "coordinates",
                         "step": step, "images": step, "metric": "fid", "value": value,
                         "status": status})  # fmt: skip
    empty = pd.DataFrame()
    return Tables(metrics=pd.DataFrame(rows), history=empty, runs=empty, floor=empty)


def test_a_row_that_the_study_has_not_is_named(tidy: Tables) -> None:
    for row, message in (
        ({"value": 1.0, "trick": "lecam"}, "cell hinge lecam base"),
        ({"metric": "modez", "value": 1.0}, "metric modez"),
    ):
        with pytest.raises(GanloreError, match=message):
            list(replication.outcomes(tidy, table(row)))


def test_our_numbers_are_the_last_ones_of_the_seeds_that_did_not_diverge(tidy: Tables) -> None:
    (outcome,) = replication.outcomes(tidy, table({"value": 3.0, "within": 0.1}))
    assert (outcome.mean, outcome.error, outcome.n) == (3.0, 1.0, 2) and outcome.inside
    (row,) = replication.rows(tidy, table({"value": 3.0, "within": 0.1})).to_dict("records")
    assert (row["value"], row["ours"], row["seeds"], row["inside"]) == (3.0, 3.0, 2, True)


def test_a_number_of_the_training_itself_is_the_last_one_of_each_run(tidy: Tables) -> None:
    runs = tidy.metrics.drop_duplicates("train_seed")[[*CELL, "train_seed"]]
    steps = [runs.assign(step=step, d_loss=step + runs["train_seed"]) for step in (20, 10)]
    more = dataclasses.replace(tidy, history=pd.concat(steps))
    (outcome,) = replication.outcomes(more, table({"metric": "d_loss", "above": 19.5}))
    assert (outcome.mean, outcome.n, outcome.lost) == (20.5, 2, 1)  # the third diverged
    assert outcome.inside is False and outcome.agrees == "outside: 1 of 3 seeds diverged"
    with pytest.raises(GanloreError, match="metric g_loss"):
        list(replication.outcomes(more, table({"metric": "g_loss", "above": 0.0})))


def test_what_has_come_to_rest_is_no_row_of_zeros() -> None:
    made = table({"below": 1.0})
    assert replication.compare([2e-12, 4e-12], made.rows[0], made).ours == "3e-12 ± 1e-12"
    assert replication.compare([0.2, 0.4], made.rows[0], made).ours == "0.300 ± 0.100"


def test_a_difference_is_explained_where_there_is_one(tidy: Tables) -> None:
    kept = dataclasses.replace(tidy, metrics=tidy.metrics[tidy.metrics["train_seed"] < 2])
    for bound, words in ((1.0, "inside"), (3.5, "outside: it circles")):
        row = {"above": bound, "explained": "it circles"}
        (outcome,) = replication.outcomes(kept, table(row))
        assert outcome.agrees == words


def test_a_seed_that_diverged_keeps_no_bound(tidy: Tables) -> None:
    (outcome,) = replication.outcomes(tidy, table({"below": 100.0}))
    assert outcome.inside is False and outcome.agrees == "outside: 1 of 3 seeds diverged"


def test_a_row_that_may_mean_two_data_sets_is_refused(tidy: Tables) -> None:
    both = pd.concat([tidy.metrics, tidy.metrics.assign(dataset="grid")])
    with pytest.raises(GanloreError, match="several data sets or networks"):
        list(replication.outcomes(dataclasses.replace(tidy, metrics=both), table({"above": 1.0})))


def test_a_study_that_replicates_nothing_is_told_so() -> None:
    done = CliRunner().invoke(app, ["replicate", str(REPOSITORY / "configs/smoke.yaml")])
    assert isinstance(done.exception, GanloreError)
    assert "names no paper's table" in str(done.exception)
