import numpy as np
import pytest

from ganlore.metrics import Comparison, measure_all
from ganlore.metrics.modes import modes_found, reverse_kl

UNIFORM = np.full(8, 1 / 8)
FEATURES = np.random.default_rng(0).standard_normal((8, 2))
NAMES = {"modes", "high_quality", "reverse_kl"}


def measured(comparison):
    return {name: value for name, value in measure_all(comparison).items() if name in NAMES}


def ring(angles_in_eighths, radii):
    """Points, their nearest centre and their quality on PacGAN's ring: radius 1, std .01."""
    centres = np.exp(2j * np.pi * np.arange(8) / 8)
    points = np.asarray(radii) * np.exp(2j * np.pi * np.asarray(angles_in_eighths) / 8)
    distances = np.abs(points[:, None] - centres)
    features = np.stack([points.real, points.imag], axis=1)
    return features, distances.argmin(axis=1), distances.min(axis=1) <= 3 * 0.01


def test_pacgan_ring_by_hand():
    # Two samples at mode 0, one at mode 1 that is .025 off (good), one at mode 2 that is .04 off,
    # one at mode 3, and three near the centre of the ring on mode 5's side (bad).
    features, modes, good = ring([0, 0, 1, 2, 3, 5, 5, 5], [1, 1, 1.025, 0.96, 1, 0.1, 0.1, 0.1])
    comparison = Comparison(FEATURES, features, modes, high_quality=good, mode_shares=UNIFORM)
    values = measured(comparison)
    # 1/4 log 2 + 3 x 1/8 log 1 + 3/8 log 3
    assert values == {
        "modes": 3,
        "high_quality": 0.5,
        "reverse_kl": pytest.approx(0.25 * np.log(2) + 0.375 * np.log(3), rel=1e-14),
    }


def test_all_modes_equally_often():
    modes = np.repeat(np.arange(8), 5)
    assert modes_found(modes, np.ones(40, dtype=bool)) == 8
    assert reverse_kl(modes, UNIFORM) == 0


def test_a_generator_on_one_mode():
    modes = np.full(100, 3)
    assert modes_found(modes) == 1
    assert reverse_kl(modes, UNIFORM) == pytest.approx(np.log(8), rel=1e-14)


def test_direction_of_the_divergence():
    # KL(generated || data), generated (1/2, 1/2), data (1/4, 3/4): 1/2 log 2 + 1/2 log 2/3
    expected = 0.5 * np.log(2) + 0.5 * np.log(2 / 3)
    assert reverse_kl(np.array([0, 1]), np.array([0.25, 0.75])) == pytest.approx(expected)


def test_a_mode_that_the_data_does_not_have():
    shares = np.array([0.5, 0.5, 0])
    assert reverse_kl(np.array([0, 0, 1, 1]), shares) == 0
    assert reverse_kl(np.array([0, 1, 2, 2]), shares) == np.inf


def test_low_quality_samples_find_no_mode_but_count_in_the_divergence():
    modes = np.array([0, 1, 2, 3, 4, 5, 6, 7])
    bad = np.zeros(8, dtype=bool)
    comparison = Comparison(FEATURES, FEATURES, modes, high_quality=bad, mode_shares=UNIFORM)
    assert measured(comparison) == {"modes": 0, "high_quality": 0, "reverse_kl": 0}


def test_a_classifier_gives_modes_without_quality():
    modes = np.array([0, 0, 1, 1, 2, 2, 2, 2])
    comparison = Comparison(FEATURES, FEATURES, modes=modes, mode_shares=np.full(1000, 1e-3))
    values = measured(comparison)
    assert values.keys() == {"modes", "reverse_kl"}
    assert values["modes"] == 3
    assert values["reverse_kl"] == pytest.approx(0.5 * np.log(250) + 0.5 * np.log(500))


def test_what_is_not_known_is_left_out():
    assert measured(Comparison(FEATURES, FEATURES)) == {}
    modes = np.zeros(8, dtype=int)
    assert measured(Comparison(FEATURES, FEATURES, modes)) == {"modes": 1}
