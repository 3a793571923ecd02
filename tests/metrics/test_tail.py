import numpy as np
import pytest
from scipy.spatial import cKDTree

from ganlore.metrics import Comparison, tail


def far_distance(real, fake):
    return tail.measure(Comparison(real, fake))["far_distance"]


def test_against_a_tree():
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((700, 5)) + 100, 2 * rng.standard_normal((900, 5)) + 100
    expected = np.quantile(cKDTree(real).query(fake)[0], 0.95)
    assert far_distance(real, fake) == pytest.approx(expected, rel=1e-10)


def test_by_hand():
    # nearest distances 0, 1, ..., 20 of 21 samples: the 95th percentile is the twentieth of them
    real = np.array([[0.0], [-1000.0]])
    fake = np.arange(21.0)[:, None]
    assert far_distance(real, fake) == pytest.approx(19)


def test_one_far_sample_in_fifty_is_not_the_tail_and_four_are():
    real = np.zeros((10, 2))
    fake = np.zeros((50, 2))
    fake[:1] = 100
    assert far_distance(real, fake) == 0
    fake[:4] = 100
    assert far_distance(real, fake) == pytest.approx(np.hypot(100, 100))


def test_only_the_first_samples_are_looked_at():
    real = np.zeros((10, 1))
    fake = np.concatenate([np.ones((tail.SAMPLES, 1)), np.full((tail.SAMPLES, 1), 9.0)])
    assert far_distance(real, fake) == 1.0
