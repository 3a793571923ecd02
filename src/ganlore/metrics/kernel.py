"""Kernel distance between two sets of features: KID where the features are Inception's."""

from collections.abc import Iterator

import numpy as np

from ganlore.metrics import Comparison, Metric
from ganlore.metrics._arrays import Array, Features, row_chunks
from ganlore.metrics._devices import double, fill_diagonal, inner

METRICS = {
    "kid": Metric("KID", False, (None, None), "arXiv:1801.01401", pairs=True),
}

# So many numbers of one side are converted to float64 at a time, 134 MB.
_NUMBERS = 2**24


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `kid`, the unbiased squared maximum mean discrepancy (1801.01401, section 4).

    The kernel is k(x, y) = (x.y / d + 1)^3. All pairs count: the random subsets of the paper's code
    save time and add noise. It has no factor of 100 or 1000, as some papers print; it does not
    depend on the number of samples, and may be slightly below 0.
    """
    placed = comparison.pairs.placed
    real, fake = placed.real, placed.fake
    (within_real,) = placed.of_real(_within_real)
    across = 0.0
    for columns in _columns(fake):
        y = double(fake[columns])
        chunks = row_chunks(len(real), len(y), of=y)
        across += sum(_sum(_base(real[rows], y)) for rows in chunks)
    pairs = len(real) * len(fake)
    return {"kid": float(within_real) + _within(fake) - 2 * across / pairs}


def _within_real(real: Features) -> tuple[Array]:
    return (np.array(_within(real)),)


def _within(points: Features) -> float:
    """The mean kernel of two different points."""
    # The matrix is symmetric: the part right of each diagonal block counts twice.
    n, total = len(points), 0.0
    for columns in _columns(points):
        y = double(points[columns])
        for rows in row_chunks(columns.start, len(y), of=y):
            total += 2 * _sum(_base(points[rows], y))
        for rows in row_chunks(len(y), len(y), of=y):
            base = _base(y[rows], y[rows])
            fill_diagonal(base, 0)
            total += _sum(base) + 2 * _sum(_base(y[rows], y[rows.stop :]))
    return total / (n * (n - 1))


def _columns(points: Features) -> Iterator[slice]:
    size = max(1, _NUMBERS // points.shape[1])
    return (slice(start, start + size) for start in range(0, len(points), size))


def _base(x: Features, y: Array) -> Array:
    base: Array = (double(x) / x.shape[1]) @ y.T
    base += 1
    return base


def _sum(base: Array) -> float:
    """The sum of the cubes: numpy's power of 3 is ten times as slow."""
    return inner(base * base, base)
