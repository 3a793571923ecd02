"""Estimators against hand calculation and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ganlore.analysis import estimators


def test_interval_by_hand() -> None:
    # mean 2, standard deviation 1, t(2, 0.975) = 4.302653, so 2 -+ 4.302653 / sqrt(3)
    assert estimators.mean_interval([1, 2, 3]) == pytest.approx((2, -0.484138, 4.484138), abs=1e-6)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("n", [2, 3, 10])
def test_interval_is_that_of_scipy(n: int, level: float) -> None:
    values = np.random.default_rng(n).lognormal(size=n)
    low, high = stats.t.interval(level, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert estimators.mean_interval(values, level) == pytest.approx((values.mean(), low, high))


def test_one_seed_has_a_mean_and_no_interval() -> None:
    mean, low, high = estimators.mean_interval([5.0])
    assert mean == 5 and math.isnan(low) and math.isnan(high)


def test_no_seed_has_no_mean() -> None:
    assert all(math.isnan(value) for value in estimators.mean_interval([]))


@pytest.mark.parametrize("values", [[1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_what_is_no_list_of_numbers_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite values"):
        estimators.mean_interval(values)


@pytest.mark.parametrize("n", [3, 5, 6, 10])
def test_sign_flip_floor_is_reached_by_the_most_extreme_pairs(n: int) -> None:
    exact = stats.permutation_test(
        (np.full(n, 1.0),), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert estimators.sign_flip_floor(n) == pytest.approx(exact.pvalue)


def test_six_seeds_can_show_something_at_five_per_cent() -> None:
    assert estimators.seeds_to_show(0.05) == 6
    assert estimators.sign_flip_floor(6) <= 0.05 < estimators.sign_flip_floor(5)


def test_order_puts_failures_last() -> None:
    values = [3.0, 1.0, 2.0, math.nan]
    assert estimators.order(values, [0, 1, 0, 3]).tolist() == [2, 3, 1, 4]


def test_a_geometric_interval_is_that_of_the_logarithms_and_stays_positive() -> None:
    """exp of Student's interval of log 1, log 10, log 100: t(2, .975) = 4.302653, s = log 10."""
    mean, low, high = estimators.geometric_interval([1.0, 10.0, 100.0])
    assert mean == pytest.approx(10)
    assert high / mean == pytest.approx(10 ** (4.302653 / math.sqrt(3)), rel=1e-5)
    assert low == pytest.approx(100 / high) and low > 0
    assert estimators.mean_interval([1.0, 10.0, 100.0])[1] < 0  # what 216 ± 342 came from


def test_what_is_not_positive_has_no_geometric_mean() -> None:
    values = [0.0, 1.0, 2.0]
    assert estimators.geometric_interval(values) == estimators.mean_interval(values)
