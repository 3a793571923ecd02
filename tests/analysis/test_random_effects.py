"""The mean of units' effects: closed forms, and coverage where seeds are shared."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from ganlore.analysis.random_effects import combine, of_pairs


def test_with_equal_variances_it_is_the_t_test_over_units():
    """Weights are equal, and Hartung and Knapp's variance is the units' over their number."""
    d = np.array([0.3, -0.1, 0.4, 0.2, 0.6])
    actual = combine(d, np.full(5, 0.001))
    test = stats.ttest_1samp(d, 0.05, alternative="greater")
    assert actual.effect == pytest.approx(d.mean())
    assert actual.error == pytest.approx(d.std(ddof=1) / math.sqrt(5))
    assert actual.above(0.05) == pytest.approx(test.pvalue)
    assert actual.interval() == pytest.approx(
        tuple(stats.t.interval(0.95, 4, d.mean(), stats.sem(d)))
    )


def test_paule_and_mandel_by_its_definition():
    """tau^2 makes the weighted sum of squares k - 1; the mean and its variance follow."""
    d, v = np.array([0.1, 0.9, 0.4, 0.6]), np.array([0.01, 0.04, 0.02, 0.09])

    def excess(square):
        w = 1 / (v + square)
        return (w * (d - (w * d).sum() / w.sum()) ** 2).sum() - 3

    square = optimize.brentq(excess, 0, 10)
    w = 1 / (v + square)
    mean = (w * d).sum() / w.sum()
    actual = combine(d, v)
    assert actual.tau == pytest.approx(math.sqrt(square), rel=1e-4)
    assert actual.effect == pytest.approx(mean, rel=1e-4)
    assert actual.error == pytest.approx(math.sqrt(1 / w.sum()), rel=1e-4)  # the scale is 1


def test_units_that_agree_better_than_chance_are_no_surer_than_their_seeds():
    """tau is 0 and the units' spread nothing: the modified variance is 1 / sum of weights."""
    actual = combine([0.5, 0.5, 0.5], [0.03, 0.03, 0.03])
    assert (actual.tau, actual.effect) == (0.0, pytest.approx(0.5))
    assert actual.error == pytest.approx(math.sqrt(0.01))


def test_one_seed_makes_each_unit_one_observation():
    actual = of_pairs([[0.3], [-0.1], [0.4], [0.2]])
    d = np.array([0.3, -0.1, 0.4, 0.2])
    assert actual.error == pytest.approx(stats.sem(d), rel=1e-4)


def test_missing_pairs_are_left_out():
    whole = of_pairs([[0.1, 0.3, 0.2], [0.5, 0.7, 0.6]])
    some = of_pairs([[0.1, 0.3, np.nan], [0.5, 0.7, np.nan]])
    assert whole.effect == pytest.approx(0.4) == some.effect


def test_one_unit_has_no_interval_and_equal_ones_a_point():
    assert math.isnan(of_pairs([[0.1, 0.3]]).error)
    assert combine([0.5, 0.5], [0.0, 0.0]).interval() == (0.5, 0.5)
    with pytest.raises(ValueError, match="finite"):
        combine([math.nan, 1.0], [1.0, 1.0])


@pytest.mark.parametrize("shared", [0.0, 0.15])
def test_the_interval_covers_the_mean_also_where_a_seed_shifts_all_units(shared):
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        pairs = rng.normal(0, 0.1, (12, 1)) + rng.normal(0, 0.17, (12, 10))
        low, high = of_pairs(pairs + rng.normal(0, shared, (1, 10))).interval()
        hits += low <= 0 <= high
    assert 0.92 <= hits / 400 <= 0.98
