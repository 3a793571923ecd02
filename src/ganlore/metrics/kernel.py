"""Kernel distance between two sets of features: KID where the features are Inception's."""

from collections.abc import Iterator

import numpy as np

from ganlore.metrics import Comparison, Metric
from ganlore.metrics._arrays import Array, Features, feature_pair, row_chunks

METRICS = {
    "kid": Metric("KID", False, (None, None), "arXiv:1801.01401", pairs=True),
}


# So many numbers of one side are converted to float64 at a time, 134 MB.
_NUMBERS = 2**24


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `kid`."""
    comparison = comparison.pairs
    real, fake = feature_pair(comparison.real, comparison.fake)
    (within_real,) = comparison.of_real(_within_real)
    return {"kid": _distance(real, fake, float(within_real))}


def kernel_distance(real: Features, fake: Features, *, chunk_rows: int | None = None) -> float:
    """Unbiased squared maximum mean discrepancy with a cubic kernel (1801.01401, section 4).

    The kernel is k(x, y) = (x.y / d + 1)^3. All pairs count: the random subsets of the paper's code
    save time and add noise.

    Args:
        real: features of the data, (n_real, d).
        fake: features of generated samples, (n_fake, d).
        chunk_rows: rows of the kernel matrix held at once; changes memory, not the value.

    Returns:
        The distance, without the factor of 100 or 1000 that some papers print. It is unbiased, so
        it does not depend on the number of samples, and may be slightly below 0.

    Raises:
        ValueError: if shapes do not fit, a set has fewer than 2 rows, or a feature is not finite.
    """
    real, fake = feature_pair(real, fake)
    return _distance(real, fake, _within(real, chunk_rows), chunk_rows)


def _distance(
    real: Features, fake: Features, within_real: float, chunk_rows: int | None = None
) -> float:
    n, m = len(real), len(fake)
    across = 0.0
    for columns in _columns(fake):
        y = fake[columns].astype(np.float64, copy=False)
        across += sum(_sum(_base(real[rows], y)) for rows in row_chunks(n, len(y), chunk_rows))
    return within_real + _within(fake, chunk_rows) - 2 * across / (n * m)


def _within_real(real: Features) -> tuple[Array]:
    return (np.array(_within(real)),)


def _within(points: Features, chunk_rows: int | None = None) -> float:
    """The mean kernel of two different points."""
    # The matrix is symmetric: the part right of each diagonal block counts twice.
    n, total = len(points), 0.0
    for columns in _columns(points):
        y = points[columns].astype(np.float64, copy=False)
        for rows in row_chunks(columns.start, len(y), chunk_rows):
            total += 2 * _sum(_base(points[rows], y))
        for rows in row_chunks(len(y), len(y), chunk_rows):
            base = _base(y[rows], y[rows])
            np.fill_diagonal(base, 0)
            total += _sum(base) + 2 * _sum(_base(y[rows], y[rows.stop :]))
    return total / (n * (n - 1))


def _columns(points: Features) -> Iterator[slice]:
    return row_chunks(len(points), 0, max(1, _NUMBERS // points.shape[1]))


def _base(x: Features, y: Array) -> Array:
    base: Array = (x.astype(np.float64, copy=False) / x.shape[1]) @ y.T
    base += 1
    return base


def _sum(base: Array) -> float:
    """The sum of the cubes: numpy's power of 3 is ten times as slow."""
    return float(np.vdot(base * base, base))
