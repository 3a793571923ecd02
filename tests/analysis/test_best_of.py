"""The expected best of k draws, against all subsets; its intervals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ganlore.analysis import best_of, resampling


def test_the_expected_best_is_the_mean_over_all_subsets() -> None:
    scores = [9.0, 1.5, 4.0, 4.0, 30.0, 2.0]
    expected = [
        np.mean([min(chosen) for chosen in itertools.combinations(scores, k)]) for k in range(1, 7)
    ]
    assert best_of.expected_best(scores) == pytest.approx(expected, rel=1e-12)
    both = best_of.expected_best([scores, [2 * s for s in scores]])
    assert both[1] == pytest.approx(2 * both[0])


def test_many_draws_lose_no_digits() -> None:
    scores = np.arange(1.0, 513.0)  # the expected least of k of 1..n is (n + 1) / (k + 1)
    assert best_of.expected_best(scores) == pytest.approx(513 / np.arange(2, 514), rel=1e-9)


def test_intervals_are_those_of_another_search_of_as_many_draws() -> None:
    """Of uniform scores, the 95 % interval of the mean (k = 1) is that of the bootstrap."""
    scores = np.random.default_rng(0).random(64)
    low, high = best_of.intervals(scores, resampling.keyed("test"))
    half = 1.96 * scores.std() / 8
    assert low[0] == pytest.approx(scores.mean() - half, abs=0.01)
    assert high[0] == pytest.approx(scores.mean() + half, abs=0.01)
    curve = best_of.expected_best(scores)
    assert (low <= curve + 1e-12).all() and (high >= curve - 1e-12).all()
    assert low[-1] == scores.min() == curve[-1] < high[-1]


def test_losses_share_the_resampled_draws() -> None:
    """The difference of two losses whose draws differ by a constant has no spread."""
    scores = np.random.default_rng(1).random(32)
    low, high = best_of.intervals([scores, scores + 1], resampling.keyed("test"))
    assert low[1] - low[0] == pytest.approx(1) and high[1] - high[0] == pytest.approx(1)
