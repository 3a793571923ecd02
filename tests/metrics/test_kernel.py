from functools import partial

import numpy as np
import pytest
import torch
from cleanfid import fid as cleanfid
from torch_fidelity import metric_kid

from ganlore.metrics import Comparison, _arrays, kernel


def kid(real, fake):
    return kernel.measure(Comparison(real, fake))["kid"]


def sets(n_real, n_fake, d=6, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_real, d)), 1.3 * rng.standard_normal((n_fake, d)) + 0.2


def test_one_dimension_by_hand():
    # (xy + 1)^3: within real k(0,1) = 1, within fake k(1,2) = 27, across (1 + 1 + 8 + 27) / 4
    real, fake = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    assert kid(real, fake) == 1 + 27 - 2 * 9.25


def test_the_dimension_divides_the_product():
    # Columns repeated d times leave x.y / d, and so the distance, as it was.
    real, fake = sets(7, 9, d=1)
    assert kid(np.tile(real, 5), np.tile(fake, 5)) == pytest.approx(kid(real, fake), rel=1e-12)


def test_pair_by_pair():
    real, fake = sets(7, 11)
    across = np.mean([(x @ y / 6 + 1) ** 3 for x in real for y in fake])
    within = [
        np.mean(
            [(s[i] @ s[j] / 6 + 1) ** 3 for i in range(len(s)) for j in range(len(s)) if i != j]
        )
        for s in (real, fake)
    ]
    assert kid(real, fake) == pytest.approx(sum(within) - 2 * across, rel=1e-12)


def test_unbiased_on_equal_distributions():
    # The biased estimator is positive on every one of these; the unbiased one averages to 0.
    rng = np.random.default_rng(1)
    values = [kid(*rng.standard_normal((2, 20, 3))) for _ in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0


@pytest.mark.parametrize("chunk_rows", [1, 3, 10, 50, 1000])
def test_the_chunks_do_not_matter(chunk_rows, monkeypatch):
    real, fake = sets(50, 37)
    expected = kid(real, fake)
    monkeypatch.setattr(_arrays, "_BLOCK_BYTES", 0)
    monkeypatch.setattr(kernel, "row_chunks", partial(_arrays.row_chunks, least=chunk_rows))
    assert kid(real, fake) == pytest.approx(expected, rel=1e-12)


def test_the_order_of_rows_does_not_matter():
    real, fake = sets(50, 37)
    rng = np.random.default_rng(2)
    assert kid(rng.permutation(real), rng.permutation(fake)) == pytest.approx(
        kid(real, fake), rel=1e-12
    )


def test_symmetric():
    real, fake = sets(50, 37)
    assert kid(fake, real) == pytest.approx(kid(real, fake), rel=1e-12)


def test_agrees_with_clean_fid_on_one_full_subset():
    real, fake = sets(200, 200, d=32)
    expected = cleanfid.kernel_distance(real, fake, num_subsets=1, max_subset_size=200)
    assert kid(real, fake) == pytest.approx(expected, rel=1e-11)


def test_agrees_with_torch_fidelity_on_one_full_subset():
    real, fake = sets(200, 200, d=32)
    oracle = metric_kid.kid_features_to_metric(
        torch.from_numpy(fake),
        torch.from_numpy(real),
        kid_subsets=1,
        kid_subset_size=200,
        verbose=False,
    )
    expected = oracle[metric_kid.KEY_METRIC_KID_MEAN]
    assert kid(real, fake) == pytest.approx(expected, rel=1e-11)


def test_float32_extremes_stay_finite():
    largest = np.full((3, 2), np.finfo(np.float32).max, dtype=np.float32)
    assert np.isfinite(kid(largest, -largest))


@pytest.mark.parametrize("columns", [1, 7, 30, 64])
def test_the_columns_do_not_matter(columns, monkeypatch):
    real, fake = sets(60, 50)
    expected = kid(real, fake)
    monkeypatch.setattr("ganlore.metrics.kernel._NUMBERS", 6 * columns)
    assert kid(real, fake) == pytest.approx(expected, rel=1e-10)
