"""Resampling and aggregates over seeds, each against another implementation or a closed form."""

import math

import numpy as np
import pytest
from scipy import stats

from ganlore.analysis import estimators, resampling, robustness
from ganlore.analysis.resampling import keyed, mean_bca, of_seeds, sign_flip


def nominal(n):
    """The level at which scipy's bootstrap covers as Student's t does."""
    t = stats.t.ppf(0.975, n - 1)
    return 1 - 2 * stats.norm.cdf(-t * math.sqrt(n / (n - 1)))


# Sign flips


def test_sign_flips_by_hand():
    """Of 8 patterns, 1+2+3 is reached by one; -1+2+3 = 4 by itself and by 1+2+3."""
    assert sign_flip([1.0, 2.0, 3.0]) == 1 / 8
    assert sign_flip([-1.0, 2.0, 3.0]) == 2 / 8
    assert sign_flip([-1.0, -2.0, -3.0]) == 1.0
    assert sign_flip([0.0, 0.0]) == 1.0
    assert sign_flip([0.1, 0.2, -0.3]) == 5 / 8  # 0 is a tie with 0, whatever floats make of it


def test_sign_flips_are_those_of_scipy():
    rng = np.random.default_rng(0)
    rows = np.round(rng.normal(0.3, 1, (5, 9)), 1)  # rounded: with ties
    theirs = [
        stats.permutation_test(
            (row,), np.sum, permutation_type="samples", alternative="greater", n_resamples=math.inf
        ).pvalue
        for row in rows
    ]
    np.testing.assert_allclose(sign_flip(rows), theirs)


def test_drawn_sign_flips_agree_with_counted_ones(monkeypatch):
    values = np.random.default_rng(1).normal(0.3, 1, 15)
    counted = sign_flip(values)
    monkeypatch.setattr(resampling, "EXACT_UP_TO", 10)
    assert sign_flip(values, keyed("a")) == pytest.approx(counted, abs=0.01)
    assert sign_flip(values, keyed("a")) != sign_flip(values, keyed("b"))
    with pytest.raises(ValueError, match="generator"):
        sign_flip(values)


# Intervals


@pytest.mark.parametrize("key", range(3))
def test_bca_is_that_of_scipy(key):
    values = np.random.default_rng(key).gamma(3, size=12)
    low, high = mean_bca(values, keyed(key), resamples=50_000)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=50_000, confidence_level=nominal(12), rng=key
    ).confidence_interval
    assert (low, high) == pytest.approx(tuple(theirs), rel=0.02)


def test_bca_covers_with_ten_seeds():
    """4000 intervals: 95 % +- 1 %. At the usual level a bootstrap of ten covers 90 %."""
    rows = np.random.default_rng(0).normal(size=(4000, 10))
    low, high = mean_bca(rows, keyed("cover"), resamples=500)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.945, abs=0.015)


def test_bca_leans_to_the_long_tail():
    values = np.array([0.0] * 8 + [0.5, 4.0])
    low, high = mean_bca(values, keyed("tail"))
    assert high - values.mean() > 1.5 * (values.mean() - low)


def test_intervals_of_few_values():
    low, high = mean_bca([1.0, 3.0], keyed("two"))
    assert (low, high) == (1.0, 3.0)
    assert np.isnan(mean_bca([1.0], keyed("one"))).all()
    assert mean_bca([0.1] * 5, keyed("same")) == (0.1, 0.1)


def test_the_interval_of_an_aggregate_is_that_of_a_loop():
    """Seeds are drawn once for all cells."""
    scores = np.random.default_rng(3).gamma(2, size=(6, 4))
    rng = np.random.default_rng(4)
    drawn = [stats.trim_mean(scores[rng.integers(0, 6, 6)].ravel(), 0.25) for _ in range(4000)]
    estimate, low, high = of_seeds(scores, robustness.interquartile_mean, keyed("p"), 4000)
    assert estimate == stats.trim_mean(scores.ravel(), 0.25)
    assert (low, high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), rel=0.02)


def mean(scores):
    return scores.mean(axis=(-2, -1))


def test_the_generator_is_really_used():
    """rliable ignores its random_state."""
    scores = np.random.default_rng(6).normal(size=(5, 3))
    first = of_seeds(scores, mean, keyed("a"))
    assert of_seeds(scores, mean, keyed("a")) == first
    assert of_seeds(scores, mean, keyed("b")) != first


@pytest.mark.parametrize("scores", [[1.0, 2.0], [[1.0, np.nan]] * 2, [[]], [[1.0, 2.0]]])
def test_scores_of_another_shape_are_refused(scores):
    with pytest.raises(ValueError, match="seeds >= 2, cells"):
        of_seeds(scores, mean, keyed("x"))


def test_keys_are_not_confused():
    draws = [keyed(*key).random() for key in [("a", "b"), ("ab",), ("b", "a"), ("a", 1), ("a", 2)]]
    assert len(set(draws)) == 5
    assert keyed("a", "b").random() == draws[0]


# rliable's estimators, by hand and by loops.


def test_interquartile_mean_by_hand():
    """Of eight runs two are left out at each end; of ten too (a quarter, rounded down)."""
    assert robustness.interquartile_mean([[0, 1, 3, 4], [5, 7, 90, -50]]) == (1 + 3 + 4 + 5) / 4
    assert robustness.interquartile_mean(np.arange(10.0).reshape(5, 2) ** 2) == pytest.approx(
        np.mean(np.arange(2.0, 8.0) ** 2)
    )


def test_probability_of_improvement_is_mann_whitneys():
    rng = np.random.default_rng(0)
    ours, theirs = rng.integers(0, 6, (2, 7, 4))  # with ties
    by_cell = [stats.mannwhitneyu(ours[:, k], theirs[:, k]).statistic / 49 for k in range(4)]

    def probability(left, right):
        return robustness.probability_of_improvement(np.hstack([left, right]))

    assert probability(ours, theirs) == pytest.approx(np.mean(by_cell))
    assert probability(ours, ours) == 0.5
    assert probability(ours + 9, theirs) == 1.0


def test_estimators_treat_resamples_at_once():
    many = np.random.default_rng(2).normal(size=(3, 6, 4))
    for estimator in (robustness.interquartile_mean, robustness.probability_of_improvement):
        np.testing.assert_allclose(estimator(many), [estimator(one) for one in many])


# Seeds


def test_mean_interval_is_that_of_scipy():
    values = np.random.default_rng(0).normal(size=7)
    mean, low, high = estimators.mean_interval(values)
    theirs = stats.ttest_1samp(values, 0).confidence_interval()
    assert (low, high) == pytest.approx((theirs.low, theirs.high))
    assert mean == pytest.approx(values.mean())


def test_the_floor_of_sign_flips():
    assert estimators.sign_flip_floor(10) == 2 * float(sign_flip(np.ones(10)))
    assert estimators.sign_flip_floor(estimators.seeds_to_show(0.05)) <= 0.05
