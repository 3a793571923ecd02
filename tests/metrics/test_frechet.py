import numpy as np
import pytest
import torch
from cleanfid import fid as cleanfid
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_fidelity import metric_fid

from ganlore.metrics import Comparison, frechet


def frechet_distance(mean1, cov1, mean2, cov2):
    roots = [frechet._covariance_root(cov) for cov in (cov1, cov2)]
    return frechet._distance(mean1, roots[0], mean2, roots[1])


def fid(real, fake):
    return frechet.measure(Comparison(real, fake))["fid"]


def rotation(rng, d):
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


def positive_definite(rng, d):
    basis = rotation(rng, d)
    return basis @ np.diag(rng.uniform(0.1, 3, d)) @ basis.T


def correlated(rng, n, d, shift=0.0):
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) / np.sqrt(d) + shift


# --- closed forms ---------------------------------------------------------------------------------


def test_one_dimension_by_hand():
    # means 1 and 6, variances (ddof = 1) 2 and 18: 5^2 + (sqrt 2 - sqrt 18)^2 = 25 + 8
    assert fid(np.array([[0.0], [2.0]]), np.array([[3.0], [9.0]])) == (pytest.approx(33, rel=1e-14))


def test_equal_gaussians():
    rng = np.random.default_rng(0)
    mean, cov = rng.standard_normal(32), positive_definite(rng, 32)
    value = frechet_distance(mean, cov, mean, cov)
    assert 0 <= value < 1e-12 * np.trace(cov)


def test_shifted_means():
    cov = positive_definite(np.random.default_rng(1), 8)
    shift = np.arange(8.0)
    assert frechet_distance(shift, cov, 0 * shift, cov) == pytest.approx(140, rel=1e-13)


def test_diagonal_covariances():
    a, b = np.array([1.0, 4, 9]), np.array([4.0, 4, 1])
    # (1 - 2)^2 + (2 - 2)^2 + (3 - 1)^2
    zero = np.zeros(3)
    assert frechet_distance(zero, np.diag(a), zero, np.diag(b)) == pytest.approx(5, rel=1e-14)


def test_commuting_covariances():
    rng = np.random.default_rng(2)
    basis, zero = rotation(rng, 24), np.zeros(24)
    a, b = rng.uniform(0, 3, (2, 24))
    value = frechet_distance(zero, basis @ np.diag(a) @ basis.T, zero, basis @ np.diag(b) @ basis.T)
    assert value == pytest.approx(np.sum((np.sqrt(a) - np.sqrt(b)) ** 2), rel=1e-11)


def test_non_commuting_covariances_with_a_known_transport_map():
    # x -> A x with A symmetric positive definite is the optimal map from N(0, C) to N(0, A C A), so
    # the distance is E |x - A x|^2 = tr((I - A) C (I - A)).
    rng = np.random.default_rng(3)
    cov, transport = positive_definite(rng, 64), positive_definite(rng, 64)
    rest, zero = np.eye(64) - transport, np.zeros(64)
    image = transport @ cov @ transport
    value = frechet_distance(zero, cov, zero, (image + image.T) / 2)
    assert value == pytest.approx(np.trace(rest @ cov @ rest), rel=1e-12)


def test_two_samples_on_a_line_each():
    # +-u and +-v have covariances 2uu' and 2vv': 2|u|^2 + 2|v|^2 - 4|u.v| = 18 + 18 - 12
    u, v = np.array([3.0, 0, 0]), np.array([1.0, 2, 2])
    assert fid(np.stack([u, -u]), np.stack([v, -v])) == pytest.approx(24)


def test_a_collapsed_generator_keeps_mean_and_trace():
    real = np.random.default_rng(4).standard_normal((50, 3))
    expected = ((real.mean(axis=0) - 7) ** 2).sum() + real.var(axis=0, ddof=1).sum()
    assert fid(real, np.full((20, 3), 7.0)) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("n", [40, 3])  # more and fewer rows than columns
def test_a_set_against_itself_is_zero_and_never_negative(n):
    features = correlated(np.random.default_rng(5), n, 12, shift=1e4)
    assert 0 <= fid(features, features) < 1e-10


# --- both routes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_real", "n_fake"), [(10, 12), (10, 80), (80, 10), (20, 20), (90, 80)])
def test_features_and_covariances_agree_below_and_above_full_rank(n_real, n_fake):
    rng = np.random.default_rng(6)
    real, fake = correlated(rng, n_real, 20), correlated(rng, n_fake, 20, shift=0.3)
    direct = fid(real, fake)
    statistics = [(x.mean(axis=0), np.cov(x, rowvar=False)) for x in (real, fake)]
    # Half of the digits of an eigenvalue that should be 0 are lost in its root: hence the 1e-7.
    assert direct == pytest.approx(frechet_distance(*statistics[0], *statistics[1]), rel=1e-7)


def test_covariance_does_not_depend_on_its_chunks(monkeypatch):
    rng = np.random.default_rng(7)
    real, fake = correlated(rng, 60, 5), correlated(rng, 70, 5)
    whole = fid(real, fake)
    monkeypatch.setattr("ganlore.metrics._arrays._BLOCK_BYTES", 8 * 5 * 7)
    assert fid(real, fake) == pytest.approx(whole, rel=1e-12)


# --- oracles --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # scipy deprecates an argument that clean-fid uses
def test_agrees_with_clean_fid():
    rng = np.random.default_rng(8)
    real, fake = correlated(rng, 500, 48), correlated(rng, 400, 48, shift=0.2)
    statistics = [(x.mean(axis=0), np.cov(x, rowvar=False)) for x in (real, fake)]
    expected = cleanfid.frechet_distance(*statistics[0], *statistics[1])
    assert fid(real, fake) == pytest.approx(expected, rel=1e-11)
    assert frechet_distance(*statistics[0], *statistics[1]) == pytest.approx(expected, rel=1e-11)


def test_agrees_with_torch_fidelity():
    rng = np.random.default_rng(9)
    real, fake = correlated(rng, 300, 32), correlated(rng, 350, 32, shift=0.2)
    statistics = [metric_fid.fid_features_to_statistics(torch.from_numpy(x)) for x in (real, fake)]
    oracle = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)
    expected = oracle[metric_fid.KEY_METRIC_FID]
    assert fid(real, fake) == pytest.approx(expected, rel=1e-11)


# --- properties -----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(2, 30), m=st.integers(2, 30), d=st.integers(1, 15))
def test_symmetric_and_blind_to_order_rotation_and_shift(seed, n, m, d):
    rng = np.random.default_rng(seed)
    real, fake = correlated(rng, n, d), correlated(rng, m, d, shift=0.5)
    value = fid(real, fake)
    near = pytest.approx(value, rel=1e-6, abs=1e-9)
    basis = rotation(rng, d)
    assert fid(fake, real) == near
    assert fid(rng.permutation(real), rng.permutation(fake)) == near
    assert fid(real @ basis + 3, fake @ basis + 3) == near


# --- errors ---------------------------------------------------------------------------------------


# --- the trace by eigenvalues ---------------------------------------------------------------------


def decaying(n, d, seed, decay=0.0):
    rng = np.random.default_rng(seed)
    scales = (1.0 + np.arange(d)) ** -decay
    return (rng.standard_normal((n, d)) * scales) @ np.linalg.qr(rng.standard_normal((d, d)))[0]


@pytest.mark.parametrize("decay", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("n", [(200, 180), (40, 200), (200, 40)])
def test_the_quick_trace_is_that_of_singular_values(n, decay, monkeypatch):
    real, fake = decaying(n[0], 60, 0, decay), decaying(n[1], 60, 1, decay) + 0.1
    expected = fid(real, fake)
    monkeypatch.setattr(frechet, "_QUICK_FROM", 2)
    assert fid(real, fake) == pytest.approx(expected, rel=1e-7)


def test_the_quick_trace_is_used_and_refused_where_digits_are_lost(monkeypatch):
    tried = []
    original = frechet._quick_trace_of_root

    def watched(root, covariance):
        tried.append(original(root, covariance))
        return tried[-1]

    monkeypatch.setattr(frechet, "_quick_trace_of_root", watched)
    regular = [decaying(90, 20, seed) for seed in (0, 1)]
    lost = [decaying(90, 20, seed, decay=9) for seed in (0, 1)]
    expected = [fid(*pair) for pair in (regular, lost)]
    monkeypatch.setattr(frechet, "_QUICK_FROM", 2)
    actual = [fid(*pair) for pair in (regular, lost)]
    assert tried[0] is not None and tried[1] is None
    assert actual == pytest.approx(expected, rel=1e-9)


def test_a_unit_that_never_fires_leaves_no_cholesky_factor(monkeypatch):
    real, fake = decaying(90, 20, 0), decaying(90, 20, 1)
    real[:, 3] = fake[:, 3] = 0.0
    expected = fid(real, fake)
    monkeypatch.setattr(frechet, "_QUICK_FROM", 2)
    assert fid(real, fake) == pytest.approx(expected, rel=1e-7)
