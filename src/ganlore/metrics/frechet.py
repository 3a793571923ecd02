"""Frechet distance between two sets of features: FID where the features are Inception's."""

import numpy as np

from ganlore.metrics import Comparison, Metric
from ganlore.metrics._arrays import Array, Features, row_chunks
from ganlore.metrics._devices import cholesky, host, inner, library, zeros
from ganlore.metrics._devices import mean as mean_row

METRICS = {
    "fid": Metric("FID", False, (0.0, None), "arXiv:1706.08500"),
}

# From so many dimensions on, the trace is first tried by the way of half the time, and a device's
# solvers are used, which are slower than the processor's for small matrices.
_QUICK_FROM = 512
# An eigenvalue is off by about this share of the largest, and the sum of all roots may be by this.
_NOISE = 16 * float(np.finfo(np.float64).eps)
_LOST = 1e-7
# Rows of a chunk of a covariance: fewer make as many passes over it as there are chunks.
_ROWS = 4096


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `fid`, of Gaussians fitted to both sets (unbiased covariances, ddof=1).

    It is in squared units of the features, and biased upwards by a term in 1/n that depends on the
    generator: compare only numbers of equal n_real and n_fake.
    """
    placed = comparison.placed
    mean, root = placed.of_real(_gaussian)
    return {"fid": _distance_to(mean, root, placed.fake)}


def _gaussian(features: Features) -> tuple[Array, Array]:
    """Mean (d,) and a root of the covariance (d, anything)."""
    mean: Array = mean_row(features)
    n, d = features.shape
    if n <= d:
        # The centred features are themselves a root, and a smaller one than the covariance's.
        root: Array = (features - mean).T / float(np.sqrt(n - 1))
        return mean, root
    covariance = _covariance(features, mean)
    if d < _QUICK_FROM:
        return mean, _covariance_root(host(covariance))
    # also a root, and a tenth of the time; only a regular covariance has one
    factor = cholesky(covariance)
    return mean, _covariance_root(covariance) if factor is None else factor


def _distance_to(mean1: Array, root1: Array, features: Features) -> float:
    """The distance of a Gaussian, by its mean and a root of its covariance, to a set's."""
    n, d = features.shape
    if n <= d or d < _QUICK_FROM:
        return _distance(mean1, root1, *_gaussian(features))
    mean2: Array = mean_row(features)
    covariance = _covariance(features, mean2)
    trace_of_root = _quick_trace_of_root(root1, covariance)
    if trace_of_root is None:
        return _distance(mean1, root1, mean2, _covariance_root(covariance))
    difference = mean1 - mean2
    traces = inner(root1, root1) + float(covariance.trace())
    return max(float(difference @ difference + traces - 2 * trace_of_root), 0.0)


def _quick_trace_of_root(root: Array, covariance: Array) -> float | None:
    """The sum of the roots of the eigenvalues of root' covariance root, if that is exact enough.

    They are the squared singular values of `_distance`, in a third of their time; but an eigenvalue
    that is tiny beside the largest has lost its digits, and a sum that depends on such ones is not
    given (None).
    """
    from scipy.linalg import lapack  # imported here: small problems do not need it

    if isinstance(root, np.ndarray) and np.array_equal(root, np.tril(root)):
        # a quarter of the two products' work
        product, failed = lapack.dsygst(covariance, root, itype=2, lower=1)
        assert not failed
    else:
        product = root.T @ covariance @ root
    values = host(library(product).linalg.eigvalsh(product, "L"))
    noise = _NOISE * values[-1]
    roots = np.sqrt(np.maximum(values, 0))
    # what a change of an eigenvalue by the noise does to its root, at most
    lost = np.minimum(noise / np.maximum(2 * roots, 1e-300), np.sqrt(noise)).sum()
    return float(roots.sum()) if lost <= _LOST * roots.sum() else None


def _distance(mean1: Array, root1: Array, mean2: Array, root2: Array) -> float:
    """Squared Frechet distance between two Gaussians (1706.08500, eq. 6), at least 0.

    |mean1 - mean2|^2 + tr(cov1 + cov2 - 2 (cov1 cov2)^(1/2)). With covi = Ri Ri', Ri of (d,
    anything), the eigenvalues of cov1 cov2 are the squared singular values of R1' R2, so the trace
    of the root is their sum. This stays exact for singular covariances, where a matrix square root
    loses half of the digits. Always on the processor, as it is for few samples or few dimensions.
    """
    mean1, root1, mean2, root2 = map(host, (mean1, root1, mean2, root2))
    difference = mean1 - mean2
    traces = np.vdot(root1, root1) + np.vdot(root2, root2)
    trace_of_root = np.linalg.svd(root1.T @ root2, compute_uv=False).sum()
    # Equal Gaussians give a difference of equal numbers, which rounding may leave below 0.
    return max(float(difference @ difference + traces - 2 * trace_of_root), 0.0)


def _covariance(features: Features, mean: Array) -> Array:
    """The unbiased covariance, (d, d)."""
    n, d = features.shape
    covariance: Array = zeros((d, d), features)
    for rows in row_chunks(n, d, least=_ROWS, of=features):
        centred = features[rows] - mean
        covariance += centred.T @ centred
    covariance /= n - 1
    return covariance


def _covariance_root(covariance: Array) -> Array:
    """A root, (d, d), also of a singular covariance, whose eigenvalues may be just below 0."""
    values, vectors = library(covariance).linalg.eigh(covariance)
    root: Array = vectors * library(values).sqrt(values.clip(0))
    return root
