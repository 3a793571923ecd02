"""Robustness checks of made-up runs: by hand, and by other ways of computing them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ganlore.analysis import robustness
from ganlore.analysis.matrices import Matrix

SEEDS = 6
FACTORS = {"none": 1.0, "helps": 0.5, "harms": 1.5, "some": 0.8}
LOSSES = {"lsgan": 40.0, "hinge": 90.0, "wgan": 300.0}


def matrix(lost: tuple[str, str, int] | None = None) -> Matrix:
    """FID by loss and trick with a little noise; `some` goes with two losses only."""
    rng = np.random.default_rng(0)
    rows = []
    for loss, base in LOSSES.items():
        for trick, factor in FACTORS.items():
            for seed in range(SEEDS) if (loss, trick) != ("wgan", "some") else ():
                fid = base * factor * np.exp(0.01 * rng.standard_normal())
                gone = (loss, trick, seed) == lost
                rows.append((loss, trick, seed, np.nan if gone else fid))
    finals = pd.DataFrame(rows, columns=["loss", "trick", "train_seed", "fid"])
    cells = finals.groupby(["loss", "trick"])[["fid"]].mean().assign(n_seeds=SEEDS)
    return Matrix(
        "digits", "mlp", "base", "classifier", list(LOSSES), list(FACTORS), cells, finals,
        pd.DataFrame(), {},
    )  # fmt: skip


def test_a_trick_that_halves_every_fid_is_worth_log_2_and_always_better():
    table = robustness.of_tricks(matrix()).set_index("trick")
    assert table.loc["helps", "iqm"] == pytest.approx(np.log(2), abs=0.01)
    assert (
        table.loc["helps", "iqm_low"] <= table.loc["helps", "iqm"] <= table.loc["helps", "iqm_high"]
    )
    assert table.loc["helps", "probability"] == 1 and table.loc["harms", "probability"] == 0
    assert table.loc["some", "losses"] == 2 and table.loc["helps", "losses"] == 3


def test_the_interquartile_mean_is_that_of_the_ratios():
    actual = matrix()
    wide = actual.finals.pivot(index="train_seed", columns=["trick", "loss"], values="fid")
    scores = np.sort(
        np.log(wide["none"][list(LOSSES)] / wide["helps"][list(LOSSES)]).to_numpy().ravel()
    )
    quarter = len(scores) // 4
    expected = scores[quarter : len(scores) - quarter].mean()
    table = robustness.of_tricks(actual).set_index("trick")
    assert table.loc["helps", "iqm"] == pytest.approx(expected, rel=1e-12)


def test_a_diverged_run_counts_as_the_worst_of_the_matrix():
    actual = matrix(lost=("lsgan", "helps", 2))
    worst = np.log(actual.finals["fid"].max())
    assert robustness.logs(actual).loc[2, ("helps", "lsgan")] == worst
    table = robustness.of_tricks(actual).set_index("trick")
    # it loses against all six plain runs of its loss, the other five win: 5/6 of one loss of three
    assert table.loc["helps", "probability"] == pytest.approx((5 / 6 + 2) / 3)


def test_profiles_count_runs_by_brute_force():
    actual = matrix()
    curves, at = robustness.profiles(actual, ["some"], n=30)
    ours, plain = curves["some"]
    mine = actual.finals[actual.finals["loss"] != "wgan"]  # `some` does not go with it
    for trick, shares in (("some", ours), ("none", plain)):
        values = mine.loc[mine["trick"] == trick, "fid"].to_numpy()
        expected = [(values <= limit * (1 + 1e-12)).mean() for limit in at]
        np.testing.assert_allclose(shares, expected)
    assert ours[0] <= ours[-1] == 1


def test_the_model_finds_the_effects_that_were_put_in():
    model = robustness.model(matrix())
    effects = model.tricks.set_index("trick")["effect"]
    for trick in ("helps", "harms", "some"):
        assert effects[trick] == pytest.approx(np.log(FACTORS[trick]), abs=0.02)
    shares = model.variance.set_index("term")["share"]
    assert shares["loss"] > shares["trick"] > 0.1
    assert abs(shares["interaction"]) < 0.01


def test_the_same_table_gives_the_same_intervals():
    pd.testing.assert_frame_equal(robustness.of_tricks(matrix()), robustness.of_tricks(matrix()))
