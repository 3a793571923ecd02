"""Whether a curve has converged: by curves made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ganlore.analysis.claims.gates import convergence

SHARES = np.arange(1, 11) / 10


def test_a_falling_curve_has_not_converged():
    """Halved for each doubling."""
    actual = convergence(SHARES, 10 / SHARES)
    assert not actual.passed and actual.moved == pytest.approx(-math.log(2))
    assert actual.reason == "−50 % over the last doubling"


def test_a_flat_one_has_and_the_bound_is_a_share_of_what_it_was():
    assert convergence(SHARES, np.full(10, 3.0)).passed
    for factor, passed in ((1.049, True), (1.051, False), (0.951, True), (0.949, False)):
        assert convergence(SHARES, 7 * factor ** np.log2(SHARES)).passed is passed
    assert convergence(SHARES, 10 / SHARES, change=0.6).passed  # it halves
    assert not convergence(SHARES, 10 / SHARES, change=0.4).passed


def test_a_noisy_curve_converges_by_its_level():
    wave = 1 + 0.05 * np.array([1, -1, 1, -1, 1, -1, 1, -1, 1, -1])
    assert convergence(SHARES, 20 * wave).passed
    assert not convergence(SHARES, 20 * wave / SHARES).passed


def test_past_its_minimum_is_converged_for_a_plateau_alone():
    curve = [50, 20, 10, 11, 12, 13, 14, 15, 16, 17]
    assert not convergence(SHARES, curve).passed
    assert convergence(SHARES, curve, plateau=True).passed
    late = [50, 40, 30, 25, 20, 15, 12, 10, 13, 14]  # its best is late; it is worse twice since
    assert convergence(SHARES, late, plateau=True).passed
    once = [50, 40, 30, 25, 20, 15, 12, 10, 9, 10]
    assert not convergence(SHARES, once, plateau=True).passed
    assert not convergence(SHARES, 10 / SHARES, plateau=True).passed


def test_the_best_is_the_largest_where_higher_is_better():
    curve = np.array([0.1, 0.4, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3, 0.3, 0.25])
    assert convergence(SHARES, curve, plateau=True, higher_is_better=True).passed
    assert not convergence(SHARES, SHARES, plateau=True, higher_is_better=True).passed


@pytest.mark.parametrize(
    ("shares", "reason"),
    [
        ([0.5, 1], "2 snapshots, fewer than 4"),
        ([], "0 snapshots, fewer than 4"),
        ([0.1, 0.2, 0.3, 1], "no snapshot near half of the budget"),
    ],
)
def test_too_few_snapshots_say_nothing(shares, reason):
    actual = convergence(shares, np.ones(len(shares)))
    assert (actual.passed, actual.reason) == (False, reason) and math.isnan(actual.moved)


def test_a_cell_that_diverges_changes_no_more():
    assert convergence(SHARES, [3.0] * 5 + [math.inf] * 5).passed


def test_a_value_that_is_not_positive_has_no_relative_change():
    assert "not positive" in convergence(SHARES, SHARES - 0.5).reason


def test_what_has_gone_to_zero_has_converged_where_less_is_better():
    """As the Dirac-GAN with R1: a squared distance of 1e-9 after half of the budget is 0 in single precision."""
    gone = [1.0, 1e-2, 1e-4, 1e-6, 1e-9, 1e-12, 1e-20, 1e-40, 1e-60, 1e-85]
    assert convergence(SHARES, gone).passed
    assert convergence(SHARES, [math.inf, *gone[1:]]).passed  # some runs had diverged
    assert not convergence(SHARES, gone, higher_is_better=True).passed
    below = [0.5, 0.1, 0.01, 1e-3, 1e-4, -1e-3, -1.0, -2.0, -4.0, -16.0]  # KID has no lower bound
    assert convergence(SHARES, below).reason.startswith("a value that is not positive")
    assert not convergence(SHARES, [math.nan] * 10).passed
    late = [1.0, 0.5, 0.2, 0.1, 1e-2, 1e-3, 1e-5, 1e-8, 1e-12, 1e-20]
    assert not convergence(SHARES, late).passed
