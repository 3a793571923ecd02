"""Kernel distance between two sets of features: KID where the features are Inception's."""

import numpy as np

from ganlore.metrics import Comparison, Metric
from ganlore.metrics._arrays import Array, Features, feature_pair, row_chunks

METRICS = {
    "kid": Metric(
        label="KID", higher_is_better=False, bounds=(None, None), paper="arXiv:1801.01401"
    ),
}


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `kid`."""
    return {"kid": kernel_distance(comparison.real, comparison.fake)}


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
    n, m = len(real), len(fake)
    across = sum(float(_kernel(real[rows], fake).sum()) for rows in row_chunks(n, m, chunk_rows))
    within_real = _sum_off_diagonal(real, chunk_rows) / (n * (n - 1))
    within_fake = _sum_off_diagonal(fake, chunk_rows) / (m * (m - 1))
    return within_real + within_fake - 2 * across / (n * m)


def _kernel(x: Array, y: Array) -> Array:
    base: Array = x @ y.T
    base /= x.shape[1]
    base += 1
    cube = base * base  # numpy's power of 3 is ten times as slow
    cube *= base
    return cube


def _sum_off_diagonal(points: Array, chunk_rows: int | None) -> float:
    # The matrix is symmetric: the part right of each diagonal block counts twice.
    total = 0.0
    for rows in row_chunks(len(points), len(points), chunk_rows):
        block = _kernel(points[rows], points[rows])
        np.fill_diagonal(block, 0)
        total += float(block.sum() + 2 * _kernel(points[rows], points[rows.stop :]).sum())
    return total
