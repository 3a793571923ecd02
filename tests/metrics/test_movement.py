import numpy as np
import pytest

from ganlore.metrics import Comparison, measure_all
from ganlore.metrics.movement import total_variation

FEATURES = np.random.default_rng(0).standard_normal((8, 2))


def test_by_hand():
    # (1/2, 1/2, 0) -> (1/4, 1/4, 1/2): |1/4| + |1/4| + |1/2|, halved
    assert total_variation(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 2])) == 0.5


def test_a_generator_that_stands_still_and_one_that_hops():
    modes = np.array([0, 1, 1, 3])
    assert total_variation(modes, modes[::-1]) == 0
    assert total_variation(np.zeros(5, int), np.full(7, 6)) == 1


def test_different_numbers_of_samples_are_compared_by_shares():
    assert total_variation(np.array([0, 1]), np.array([0, 0, 1, 1])) == 0


def test_the_first_snapshot_has_none():
    modes = np.array([0, 1, 1, 3, 0, 1, 1, 3])
    assert "mode_movement" not in measure_all(Comparison(FEATURES, FEATURES, modes))
    before = np.array([0, 1, 1, 1, 0, 1, 1, 1])
    moved = Comparison(FEATURES, FEATURES, modes, modes_before=before)
    assert measure_all(moved)["mode_movement"] == 0.25


def test_modes_before_are_checked():
    with pytest.raises(ValueError, match="modes_before must be integers of shape"):
        Comparison(FEATURES, FEATURES, np.zeros(8, int), modes_before=np.zeros(3, int))
