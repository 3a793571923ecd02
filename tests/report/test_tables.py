"""Display tables from hand-made tidy ones."""

from __future__ import annotations

import io
import math
import statistics
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_study

from ganlore import formatting, frames
from ganlore.analysis import matrices, tables
from ganlore.analysis.results import Results
from ganlore.api import summary
from ganlore.errors import GanloreError
from ganlore.report import files
from ganlore.study.run import Plan

COLUMNS = [*tables.CELL, "train_seed", "step", "images", "extractor", *tables.PROTOCOL,
           "metric", "value", "status"]  # fmt: skip


def tidy(rows: list[tuple[str, int, int, float, str]]) -> tables.Tables:
    """Tables of one loss: (trick, seed, step, FID, status)."""
    metrics = pd.DataFrame(
        [
            ("digits", "dcgan", "hinge", trick, "base", seed, step, 64 * step, "classifier",
             "train", 1438 if status == "done" else 0, 500, "none", metric, value * factor, status)
            for trick, seed, step, value, status in rows
            for metric, factor in (("fid", 1.0), ("recall", 0.01))
        ],
        columns=COLUMNS,
    )  # fmt: skip
    runs = metrics.drop_duplicates([*tables.CELL, "train_seed"])[[*tables.CELL, "train_seed"]]
    cost = {"none": 10.0, "r1": 15.0}
    runs = runs.assign(status="done", steps=20, seconds=1.0, peak_memory_mb=700.0)
    runs["step_ms"] = runs["trick"].map(cost) + runs["train_seed"]
    runs["step_memory_mb"] = runs["trick"].map({"none": 0.5, "r1": 0.75})
    floor = pd.DataFrame(
        [("digits", "classifier", "train", 1438, 359, "none", "fid", 2.0)],
        columns=["dataset", "extractor", *tables.PROTOCOL, "metric", "value"],
    )
    return tables.Tables(metrics, metrics, runs, floor)


@pytest.fixture
def example() -> pd.DataFrame:
    data = tidy(
        [
            ("none", 0, 10, 8.0, "done"), ("none", 0, 20, 10.0, "done"),
            ("none", 1, 10, 20.0, "done"), ("none", 1, 20, 14.0, "done"),
            ("r1", 0, 10, 6.0, "done"), ("r1", 0, 20, 5.0, "done"),
            ("r1", 1, 10, 9.0, "done"), ("r1", 1, 20, math.nan, "diverged"),
        ]
    )  # fmt: skip
    return tables.cells(data, tables.finals(data.metrics)).set_index("trick")


def test_the_headline_is_the_last_snapshot(example: pd.DataFrame) -> None:
    row = example.loc["none"]
    # geometric mean of 10 and 14, with t(1, 0.975) = 12.7062 times half of log(14 / 10)
    assert row["fid"] == pytest.approx(math.sqrt(140))
    assert row["fid_high"] / row["fid"] == pytest.approx(1.4 ** (12.7062 / 2), rel=1e-4)
    assert row["fid_low"] * row["fid_high"] == pytest.approx(140)
    assert formatting.estimate(row.to_dict(), "fid") == "11.8 ×/÷ 8.5"
    assert row["fid_n"] == row["n_seeds"] == 2


def test_the_best_snapshot_stands_beside_it(example: pd.DataFrame) -> None:
    assert example.loc["none", "fid_best"] == pytest.approx(
        112**0.5
    )  # 8 at step 10, and 14 at step 20
    assert example.loc["none", "recall_best"] == pytest.approx(
        0.11
    )  # at the snapshots of lowest FID


def test_a_diverged_run_is_missing_in_the_mean_and_counted(example: pd.DataFrame) -> None:
    row = example.loc["r1"]
    assert (row["fid"], row["fid_n"], row["n_seeds"], row["n_diverged"]) == (5, 1, 2, 1)
    assert math.isnan(row["fid_low"])
    assert row["fid_best"] == pytest.approx(45**0.5) and row["fid_best_n"] == 2
    assert formatting.estimate(row.to_dict(), "fid") == "5.00 (1 of 2 diverged)"


def test_the_protocol_stands_in_every_row(example: pd.DataFrame) -> None:
    for _, row in example.iterrows():
        assert (row["extractor"], row["split"]) == ("classifier", "train")
        assert (row["n_real"], row["n_fake"]) == (1438, 500)


def test_cost_is_relative_to_the_plain_loss(example: pd.DataFrame) -> None:
    assert example.loc["none", "step_ms_relative"] == 1
    assert example.loc["r1", "step_ms_relative"] == pytest.approx(15.5 / 10.5)
    assert example.loc["r1", "step_memory_relative"] == 1.5


def test_what_a_trick_costs_is_told_over_its_losses(actual) -> None:
    """Median, least and most of the ratios to each loss's plain form; a wrong base would show."""
    digits = actual[0]
    costs = matrices.costs_of_tricks(digits)
    assert tables.PLAIN not in costs.index
    for trick, row in costs.iterrows():
        ratios = [
            digits.cell(loss, trick)["step_ms"] / digits.cell(loss, tables.PLAIN)["step_ms"]
            for loss in digits.losses
            if digits.cell(loss, trick)
        ]
        assert row["losses"] == len(ratios)
        assert row["step_ms_relative"] == pytest.approx(statistics.median(ratios))
        assert row["step_ms_relative_min"] == pytest.approx(min(ratios))
        assert row["step_ms_relative_max"] == pytest.approx(max(ratios))
        extras = [
            digits.cell(loss, trick)["step_ms"] - digits.cell(loss, tables.PLAIN)["step_ms"]
            for loss in digits.losses
            if digits.cell(loss, trick)
        ]
        assert row["step_ms_extra"] == pytest.approx(statistics.median(extras))
    assert list(costs["step_ms_relative"]) == sorted(costs["step_ms_relative"], reverse=True)


def test_a_cell_that_diverged_altogether_has_a_row() -> None:
    data = tidy([("none", 0, 20, math.nan, "diverged")])
    row = tables.cells(data, tables.finals(data.metrics)).iloc[0].to_dict()
    assert row["n_diverged"] == 1 and math.isnan(row["fid"]) and row["n_real"] == 1438
    assert formatting.estimate(row, "fid") == "– (1 of 1 diverged)"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((12.34, 10.24, 14.44), ("12.3", "2.1")),
        ((0.0061, 0.0059, 0.0063), ("0.00610", "0.00020")),
        ((1234.5, 1200.0, 1269.0), ("1,234", "34")),
        ((5.0, math.nan, math.nan), ("5.00", "")),
        ((math.nan, math.nan, math.nan), ("–", "")),
        ((-6.58, -7.0, -6.16), ("−6.58", "0.42")),
    ],
)  # fmt: skip
def test_mean_and_half_width_have_the_same_decimals(
    values: tuple[float, float, float], text: tuple[str, str]
) -> None:
    assert formatting.spread(*values) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.3e-85, "1.30e−85"), (-4e-9, "−4.00e−09"), (0.0, "0.00"), (0.000012, "0.000012")],
)
def test_what_is_tiny_is_not_shown_as_zero(value: float, text: str) -> None:
    assert formatting.number(value) == text


def test_matrices_have_every_cell_and_every_reason(
    plan: Plan, actual: list[matrices.Matrix]
) -> None:
    assert [matrix.dataset for matrix in actual] == ["digits", "ring"]
    cells = {(m.dataset, *key) for m in actual for key in m.cells.index}
    assert cells == {(run.dataset.name, run.loss.name, run.trick) for run in plan.runs}
    reasons = {(m.dataset, *key): why for m in actual for key, why in m.missing.items()}
    assert reasons == {(c.dataset, c.loss, c.trick): c.reason for c in plan.missing}
    assert reasons and actual[0].tricks[0] == "none"


def test_csv_loses_no_bit(plan: Plan, tidy: tables.Tables) -> None:
    results = Results(plan, tidy)
    text = files.texts(results)["tables/cells.csv"]
    again = frames.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""])
    assert again["fid"].equals(results.cells["fid"])
    assert again["trick"].tolist() == results.cells["trick"].tolist()


def test_missing_and_damaged_tables_are_named(tmp_path: Path) -> None:
    plan = synthetic_study.make(synthetic_study.small(tmp_path, seeds=[0]))
    floor = tmp_path / "results/floor.csv"
    text = floor.read_text(encoding="utf-8")
    floor.write_text("nonsense\n1\n", encoding="utf-8")
    with pytest.raises(
        GanloreError, match=r"floor\.csv: truncated or altered(.*\n)+.*run snakemake"
    ):
        tables.read(plan)
    floor.write_text(text, encoding="utf-8")
    history = tmp_path / "results/history.parquet"
    whole = history.read_bytes()
    history.write_bytes(whole[:100])
    with pytest.raises(GanloreError, match=r"history\.parquet: truncated or altered"):
        tables.read(plan)
    history.write_bytes(whole)
    (tmp_path / "results/metrics.parquet").unlink()
    with pytest.raises(GanloreError, match=r"metrics\.parquet: missing\n(.*\n)+.*snakemake"):
        tables.read(plan)


def test_a_run_that_is_not_in_the_table_is_an_error(tmp_path: Path) -> None:
    synthetic_study.make(synthetic_study.small(tmp_path, seeds=[0]))
    with pytest.raises(GanloreError, match="are not in it, for example digits/dcgan"):
        tables.read(synthetic_study.small(tmp_path, seeds=[0, 1]))


def test_two_protocols_in_one_table_are_refused(tmp_path: Path) -> None:
    plan = synthetic_study.make(synthetic_study.small(tmp_path, seeds=[0]))
    path = tmp_path / "results/metrics.parquet"
    rows = pd.read_parquet(path)
    rows.loc[rows.index[0], "n_fake"] = 7
    synthetic_study.change_table(plan, "metrics", rows)
    with pytest.raises(GanloreError, match="2 protocols"):
        tables.read(plan)


def test_the_summary_for_dvc_has_the_report_s_means(tmp_path: Path) -> None:
    """FID's are geometric; the lowest is among the cells of which the fewest runs diverged."""
    plan = synthetic_study.make(
        synthetic_study.small(tmp_path),
        lambda run: run.loss.name == "wgan" and run.dataset.name == "ring" and run.seed > 0,
    )
    tidy = tables.read(plan)
    ends = tables.finals(tidy.metrics)
    table = tables.cells(tidy, ends)
    chosen = ends[(ends["dataset"] == "ring") & (ends["loss"] == "lsgan")]
    cells = summary._cells(table)
    expected = math.exp(np.log(chosen["fid"]).mean())
    assert cells["ring/mlp/lsgan/none/base"] == pytest.approx(expected)
    overview = summary._overview(table)
    assert (overview["runs"], overview["diverged"]) == (len(plan.runs), 2)
    ring = {name: fid for name, fid in cells.items() if name.startswith("ring/")}
    of_all = min(fid for name, fid in ring.items() if "/wgan/" not in name)
    assert overview["fid"]["ring/mlp/base"]["lowest"] == of_all
