"""The leaderboard against a ranking made by hand from the runs."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import synthetic_study

from ganlore import frames
from ganlore.analysis import results, tables
from ganlore.report import leaderboard, page
from ganlore.study.run import Plan


@pytest.fixture(scope="module")
def board(plan: Plan, tidy: tables.Tables) -> pd.DataFrame:
    return leaderboard.of(results.Results(plan, tidy))


def test_ranks_are_those_of_the_runs(board: pd.DataFrame, tidy: tables.Tables) -> None:
    """From the tidy table, by hand: fewer diverged runs first, then the lower geometric mean at the end."""
    ends: dict[tuple[str, ...], list[float]] = {}
    rows = tidy.metrics[tidy.metrics["metric"] == "fid"].sort_values("step")
    for key, run in rows.groupby([*tables.CELL, "train_seed"]):
        ends.setdefault(key[:-1], []).append(float(run["value"].iloc[-1]))  # NaN: diverged
    for dataset in ("digits", "ring"):
        mine = {key: values for key, values in ends.items() if key[0] == dataset}
        order = sorted(
            mine,
            key=lambda key: (
                sum(map(math.isnan, mine[key])),
                np.log(pd.Series(mine[key])).mean()
                if not all(map(math.isnan, mine[key]))
                else math.inf,
            ),
        )
        displayed = board[(board["dataset"] == dataset) & (board["rank"] > 0)]
        assert [tuple(row) for row in displayed[tables.CELL].to_numpy()] == order
        assert list(displayed["rank"]) == list(range(1, len(order) + 1))
        assert list(displayed["n_diverged"]) == [sum(map(math.isnan, mine[key])) for key in order]
        means = [np.exp(np.log(pd.Series(mine[key])).mean()) for key in order]
        assert displayed["fid"].tolist() == pytest.approx(means, nan_ok=True)


def test_real_data_stands_on_top(board: pd.DataFrame, tidy: tables.Tables) -> None:
    for dataset, rows in board.groupby("dataset", sort=False):
        first = rows.iloc[0]
        assert first["rank"] == 0 and first["loss"] == leaderboard.REAL
        floor = tidy.floor[(tidy.floor["dataset"] == dataset) & (tidy.floor["metric"] == "fid")]
        assert first["fid"] == floor["value"].item()
        assert first["n_fake"] == floor["n_fake"].item()  # held-out data are fewer
    assert (board["rank"] == 0).sum() == 2


def test_every_row_has_its_protocol(board: pd.DataFrame) -> None:
    assert not board[["extractor", *tables.PROTOCOL]].isna().any().any()
    trained = board[board["rank"] > 0]
    assert (trained["images"] == 6400).all() and (trained["n_seeds"] == 3).all()


def test_networks_and_variants_are_ranked_together(tmp_path: Path) -> None:
    grids = [{"datasets": ["digits"], "networks": ["dcgan", "mlp"], "losses": ["lsgan"],
              "tricks": ["none"], "variants": ["base", "slow"]}]  # fmt: skip
    variants = {"slow": {"training": {"optimizer": {"lr": 1e-4}}}}
    study = synthetic_study.small(tmp_path, seeds=[0, 1], grids=grids, variants=variants)
    plan = synthetic_study.make(study)
    board = leaderboard.of(results.Results(plan, tables.read(plan)))
    cells = board[board["rank"] > 0]
    assert sorted(cells["rank"]) == [1, 2, 3, 4]
    assert set(zip(cells["network"], cells["variant"], strict=True)) == {
        ("dcgan", "base"), ("dcgan", "slow"), ("mlp", "base"), ("mlp", "slow")}  # fmt: skip
    # made-up FID still falls by 0.9 in the logarithm of the budget: none has converged
    names = {leaderboard.name(row) for row in cells.to_dict("records")}
    assert names == {"lsgan†", "lsgan, slow†"} and not cells["converged"].any()


def test_the_page_and_the_file_have_the_same_numbers(plan: Plan, board: pd.DataFrame) -> None:
    text = page.build(plan).read_text(encoding="utf-8")
    file = Path(plan.study.reports) / "leaderboard.csv"
    again = frames.read_csv(
        io.StringIO(file.read_text(encoding="utf-8")), keep_default_na=False, na_values=[""]
    )
    assert again["fid"].equals(board["fid"]) and list(again) == leaderboard.COLUMNS
    section = text[text.index('id="leaderboard"') :]
    section = section[: section.index("</section>")]
    displayed = [part.split('"')[0] for part in section.split('data-board="fid" data-value="')[1:]]
    best = board[board["rank"] <= leaderboard.SHOWN]["fid"]
    assert displayed == [str(value) for value in best]
    assert section.count('class="real"') == 2 and "359 held-out samples" in section


def test_a_page_shows_the_first_ranks_alone(board: pd.DataFrame) -> None:
    (digits, ring) = leaderboard.groups(board, ranks=2)
    assert [row["rank"] for row in digits["rows"]] == [0, 1, 2]
    assert (digits["n"], digits["listed"]) == ((board["dataset"] == "digits").sum() - 1, 2)
    assert (ring["n"], ring["listed"], ring["n_seeds"], ring["n_floor"]) == (3, 2, 3, "2,500")
