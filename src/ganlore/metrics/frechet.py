"""Frechet distance between two sets of features: FID where the features are Inception's."""

import numpy as np

from ganlore.metrics import Comparison, Metric
from ganlore.metrics._arrays import Array, Features, feature_pair, row_chunks

METRICS = {
    "fid": Metric("FID", False, (0.0, None), "arXiv:1706.08500"),
}

# A covariance read from float32 statistics may be off by this share of its largest entry.
_TOLERANCE = 1e-5


# From so many dimensions on, the trace is first tried by the way of half the time.
_QUICK_FROM = 512
# An eigenvalue is off by about this share of the largest, and the sum of all roots may be by this.
_NOISE = 16 * float(np.finfo(np.float64).eps)
_LOST = 1e-7
# Rows of a chunk of a covariance: fewer make as many passes over it as there are chunks.
_ROWS = 4096


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `fid`."""
    _, fake = feature_pair(comparison.real, comparison.fake)
    mean, root = comparison.of_real(_gaussian)
    return {"fid": _distance_to(mean, root, fake)}


def frechet_distance(mean1: Features, cov1: Features, mean2: Features, cov2: Features) -> float:
    """Squared Frechet distance between two Gaussians (1706.08500, eq. 6).

    |mean1 - mean2|^2 + tr(cov1 + cov2 - 2 (cov1 cov2)^(1/2)). With covi = Ri Ri', the eigenvalues
    of cov1 cov2 are the squared singular values of R1' R2, so the trace of the root is their sum.
    This stays exact for singular covariances, where a matrix square root loses half of the digits.

    Args:
        mean1: (d,).
        cov1: (d, d), symmetric and positive semidefinite.
        mean2: (d,).
        cov2: (d, d), symmetric and positive semidefinite.

    Returns:
        The distance, in squared units of the features, at least 0.

    Raises:
        ValueError: if shapes do not fit, a number is not finite, or a covariance is asymmetric or
            has a negative eigenvalue, by more than 1e-5 of its largest entry or eigenvalue.
    """
    means = [np.asarray(mean, dtype=np.float64) for mean in (mean1, mean2)]
    covs = [np.asarray(cov, dtype=np.float64) for cov in (cov1, cov2)]
    d = means[0].size
    if any(mean.shape != (d,) for mean in means) or any(cov.shape != (d, d) for cov in covs):
        raise ValueError(
            f"means must be (d,) and covariances (d, d) with one d: got means {means[0].shape} and "
            f"{means[1].shape}, covariances {covs[0].shape} and {covs[1].shape}"
        )
    for name, array in zip(("mean1", "mean2", "cov1", "cov2"), means + covs, strict=True):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity")
    return _distance(means[0], _covariance_root(covs[0]), means[1], _covariance_root(covs[1]))


def frechet_from_features(real: Features, fake: Features) -> float:
    """Squared Frechet distance between Gaussians fitted to two sets (unbiased covariances, ddof=1).

    Args:
        real: features of the data, (n_real, d).
        fake: features of generated samples, (n_fake, d).

    Returns:
        The distance, in squared units of the features, at least 0. It is biased upwards by a term
        in 1/n that depends on the generator: compare only numbers of equal n_real and n_fake.

    Raises:
        ValueError: if shapes do not fit, a set has fewer than 2 rows, or a feature is not finite.
    """
    real, fake = feature_pair(real, fake)
    return _distance_to(*_gaussian(real), fake)


def _gaussian(features: Features) -> tuple[Array, Array]:
    """Mean (d,) and a root of the covariance (d, anything)."""
    mean: Array = features.mean(axis=0, dtype=np.float64)
    n, d = features.shape
    if n <= d:
        # The centred features are themselves a root, and a smaller one than the covariance's.
        root: Array = (features - mean).T / float(np.sqrt(n - 1))
        return mean, root
    covariance = _covariance(features, mean)
    if d >= _QUICK_FROM:
        try:
            # also a root, and a tenth of the time; only a regular covariance has one
            return mean, np.linalg.cholesky(covariance).astype(np.float64, copy=False)
        except np.linalg.LinAlgError:
            pass
    return mean, _covariance_root(covariance)


def _distance_to(mean1: Array, root1: Array, features: Features) -> float:
    """The distance of a Gaussian, by its mean and a root of its covariance, to a set's."""
    n, d = features.shape
    if n <= d or d < _QUICK_FROM:
        return _distance(mean1, root1, *_gaussian(features))
    mean2: Array = features.mean(axis=0, dtype=np.float64)
    covariance = _covariance(features, mean2)
    trace_of_root = _quick_trace_of_root(root1, covariance)
    if trace_of_root is None:
        return _distance(mean1, root1, mean2, _covariance_root(covariance))
    difference = mean1 - mean2
    traces = np.vdot(root1, root1) + np.trace(covariance)
    return max(float(difference @ difference + traces - 2 * trace_of_root), 0.0)


def _quick_trace_of_root(root: Array, covariance: Array) -> float | None:
    """The sum of the roots of the eigenvalues of root' covariance root, if that is exact enough.

    They are the squared singular values of `_distance`, in a third of their time; but an eigenvalue
    that is tiny beside the largest has lost its digits, and a sum that depends on such ones is not
    given (None).
    """
    from scipy.linalg import lapack  # imported here: small problems do not need it

    if np.array_equal(root, np.tril(root)):
        # a quarter of the two products' work
        product, failed = lapack.dsygst(covariance, root, itype=2, lower=1)
        assert not failed
    else:
        product = root.T @ covariance @ root
    values = np.linalg.eigvalsh(product, "L")
    noise = _NOISE * values[-1]
    roots = np.sqrt(np.maximum(values, 0))
    # what a change of an eigenvalue by the noise does to its root, at most
    lost = np.minimum(noise / np.maximum(2 * roots, 1e-300), np.sqrt(noise)).sum()
    return float(roots.sum()) if lost <= _LOST * roots.sum() else None


def _distance(mean1: Array, root1: Array, mean2: Array, root2: Array) -> float:
    # A root is (d, anything) with root root' the covariance, whose trace is the sum of its squares.
    difference = mean1 - mean2
    traces = np.vdot(root1, root1) + np.vdot(root2, root2)
    trace_of_root = np.linalg.svd(root1.T @ root2, compute_uv=False).sum()
    # Equal Gaussians give a difference of equal numbers, which rounding may leave below 0.
    return max(float(difference @ difference + traces - 2 * trace_of_root), 0.0)


def _covariance(features: Features, mean: Array) -> Array:
    """The unbiased covariance, (d, d)."""
    n, d = features.shape
    covariance = np.zeros((d, d))
    for rows in row_chunks(n, d, least=_ROWS):
        centred = features[rows] - mean
        covariance += centred.T @ centred
    covariance /= n - 1
    return covariance


def _covariance_root(covariance: Array) -> Array:
    if not np.allclose(
        covariance, covariance.T, rtol=0, atol=_TOLERANCE * np.abs(covariance).max()
    ):
        raise ValueError("a covariance must be symmetric")
    values, vectors = np.linalg.eigh(covariance)
    if values[0] < -_TOLERANCE * abs(values[-1]):
        raise ValueError(
            f"a covariance must be positive semidefinite: got eigenvalues {values[0]:g} to "
            f"{values[-1]:g}"
        )
    root: Array = vectors * np.sqrt(np.maximum(values, 0))
    return root
