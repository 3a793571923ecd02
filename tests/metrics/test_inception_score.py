import numpy as np
import pytest
from torch_fidelity import metric_isc

from ganlore.metrics.inception_score import inception_score


def test_uniform_predictions_score_one():
    assert inception_score(np.full((40, 7), 1 / 7)) == pytest.approx(1, rel=1e-14)


def test_sure_and_equally_frequent_classes_score_their_number():
    assert inception_score(np.eye(5)[np.arange(100) % 5]) == pytest.approx(5, rel=1e-14)


def test_one_sure_class_scores_one():
    assert inception_score(np.eye(5)[np.zeros(100, dtype=int)]) == pytest.approx(1, rel=1e-14)


def test_two_samples_by_hand():
    # p(y) = (.5, .5); KL of (.9, .1) and of (.1, .9) from it: log 2 + .9 log .9 + .1 log .1
    expected = 2 * np.exp(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert inception_score(np.array([[0.9, 0.1], [0.1, 0.9]]), 1) == pytest.approx(expected)


def test_the_parts_are_scored_alone():
    # two parts, each of one class alone; as a whole there would be two
    rows = np.eye(2)[[0] * 10 + [1] * 10]
    assert inception_score(rows, 2) == pytest.approx(1)
    assert inception_score(rows, 1) == pytest.approx(2)


@pytest.mark.parametrize("n", [200, 203, 26, 19])
def test_agrees_with_torch_fidelity(n):
    """Also where n is not a multiple of the parts: both cut at i n // splits."""
    import torch

    logits = np.random.default_rng(0).standard_normal((n, 12)) * 3
    oracle = metric_isc.isc_features_to_metric(
        torch.from_numpy(logits), splits=10, shuffle=False, rng_seed=0
    )
    exponents = np.exp(logits)
    ours = inception_score(exponents / exponents.sum(axis=1, keepdims=True))
    assert ours == pytest.approx(oracle[metric_isc.KEY_METRIC_ISC_MEAN], rel=1e-10)


def test_unequal_parts_are_cut_where_the_reference_cuts():
    # 5 samples in 2 parts: 0-1 and 2-4, of one class and of two; cut after 3: of two and of one
    rows = np.eye(2)[[0, 0, 0, 1, 1]]
    shares = np.array([1, 2]) / 3
    expected = (1 + np.exp(-(shares * np.log(shares)).sum())) / 2
    assert inception_score(rows, 2) == pytest.approx(expected)
    assert inception_score(rows, 2) != pytest.approx(1)


def test_fewer_samples_than_parts():
    assert inception_score(np.eye(3)) == pytest.approx(1)
