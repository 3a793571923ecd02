"""What all metrics need of their arrays: checks, distances, and chunks that bound the memory."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganlore.metrics._devices import library

Array = NDArray[np.float64]
Features = NDArray[np.floating]

# One block of pairwise numbers: small enough for a processor's cache, through which each block goes
# several times, and with enough rows for BLAS at full speed.
_BLOCK_BYTES = 2**20
_BLOCK_ROWS = 128
# On a device: so large that launching its kernels takes no time beside them. A block and what is
# computed of it take some four times as much.
_DEVICE_BLOCK_BYTES = 2**27

# Beyond every float32, and small enough that sums of sixth powers (the cubic kernel) stay finite.
_LARGEST = 1e45


def feature_pair(real: Features, fake: Features) -> tuple[Features, Features]:
    """Checks two sets of features.

    Args:
        real: features of the data, (n_real, d).
        fake: features of generated samples, (n_fake, d).

    Returns:
        Both arrays, those in float32 as they are and others in float64. What is computed of them
        is computed in float64, chunk by chunk: a copy of 50,000 x 2,048 would take 820 MB.

    Raises:
        ValueError: if a set is not 2-D, the widths differ, there are fewer than 2 rows, or a row is
            not finite (up to 1e45). The message gives the shapes, or how many rows of which set
            are bad.
    """
    pair = as_floats(real), as_floats(fake)
    real, fake = pair
    shapes = f"got real {real.shape} and fake {fake.shape}"
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(f"features must be (n_real, d) and (n_fake, d) with one d: {shapes}")
    if real.shape[1] == 0:
        raise ValueError(f"features must have at least one column: {shapes}")
    if min(len(real), len(fake)) < 2:
        raise ValueError(f"real and fake must have at least 2 rows each: {shapes}")
    bad = [_count_bad_rows(side) for side in pair]
    if any(bad):
        raise ValueError(
            f"features must be finite: {bad[0]} of {len(real)} rows of real and {bad[1]} of "
            f"{len(fake)} rows of fake hold NaN, infinity or a number beyond {_LARGEST:g}"
        )
    return pair


def as_floats(features: Features) -> Features:
    """float32 as it is, everything else in float64; not copied where it is one of both."""
    array = np.asarray(features)
    return array if array.dtype == np.float32 else array.astype(np.float64, copy=False)


def squared_norms(points: Array) -> Array:
    """|x|^2 of each row, (n,)."""
    norms: Array = library(points).einsum("ij,ij->i", points, points)
    return norms


def squared_distances(x: Array, x_norms: Array, y: Array, y_norms: Array) -> Array:
    """|x - y|^2 of all pairs of rows, (n, m).

    Rounding may leave them a little below 0, by no more than the error that a radius carries.
    """
    distances: Array = (-2 * x) @ y.T
    distances += x_norms[:, None]
    distances += y_norms
    return distances


def _count_bad_rows(features: Features) -> int:
    # Extremes by row, as NaN goes through them and they need no copy of the features.
    least, most = (side.astype(np.float64) for side in (features.min(axis=1), features.max(axis=1)))
    return int((~((least >= -_LARGEST) & (most <= _LARGEST))).sum())


def row_chunks(
    n_rows: int, n_columns: int, least: int = _BLOCK_ROWS, of: Any = None
) -> Iterator[slice]:
    """Slices that walk over the rows of an (n_rows, n_columns) table of pairs, in order.

    Each has as many rows as fit in 1 MiB of float64, or in 128 MiB where the numbers are made `of`
    a tensor, and at least `least`.
    """
    on_processor = of is None or isinstance(of, np.ndarray)
    most = _BLOCK_BYTES if on_processor else _DEVICE_BLOCK_BYTES
    size = max(least, most // (8 * max(1, n_columns)))
    for start in range(0, n_rows, size):
        yield slice(start, min(start + size, n_rows))
