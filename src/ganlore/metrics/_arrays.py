"""What all metrics need of their arrays: checked shapes, float64, chunks that bound the memory."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Features = NDArray[np.floating]

# One block of pairwise numbers: small enough for a processor's cache, through which each block goes
# several times, and with enough rows for BLAS at full speed.
_BLOCK_BYTES = 2**20
_BLOCK_ROWS = 128

# Beyond every float32, and small enough that sums of sixth powers (the cubic kernel) stay finite.
_LARGEST = 1e45


def feature_pair(
    real: Features, fake: Features, *, rows: int = 2, reason: str = ""
) -> tuple[Array, Array]:
    """Checks two sets of features and converts them to float64.

    Args:
        real: features of the data, (n_real, d).
        fake: features of generated samples, (n_fake, d).
        rows: the fewest rows that either set may have.
        reason: why that many, for the message.

    Returns:
        Both arrays in float64, not copied when they already are.

    Raises:
        ValueError: if a set is not 2-D, the widths differ, there are too few rows, or a row is not
            finite (up to 1e45). The message gives the shapes, or how many rows of which set are
            bad.
    """
    pair = np.asarray(real, dtype=np.float64), np.asarray(fake, dtype=np.float64)
    real64, fake64 = pair
    shapes = f"got real {real64.shape} and fake {fake64.shape}"
    if real64.ndim != 2 or fake64.ndim != 2 or real64.shape[1] != fake64.shape[1]:
        raise ValueError(f"features must be (n_real, d) and (n_fake, d) with one d: {shapes}")
    if real64.shape[1] == 0:
        raise ValueError(f"features must have at least one column: {shapes}")
    if min(len(real64), len(fake64)) < rows:
        raise ValueError(f"real and fake must have at least {rows} rows each{reason}: {shapes}")
    bad = [_count_bad_rows(side) for side in pair]
    if any(bad):
        raise ValueError(
            f"features must be finite: {bad[0]} of {len(real64)} rows of real and {bad[1]} of "
            f"{len(fake64)} rows of fake hold NaN, infinity or a number beyond {_LARGEST:g}"
        )
    return pair


def _count_bad_rows(features: Array) -> int:
    # Extremes by row, as NaN goes through them and they need no copy of the features.
    good = (features.min(axis=1) >= -_LARGEST) & (features.max(axis=1) <= _LARGEST)
    return int((~good).sum())


def row_chunks(n_rows: int, n_columns: int, chunk_rows: int | None = None) -> Iterator[slice]:
    """Slices that walk over the rows of an (n_rows, n_columns) table of pairs, in order.

    Args:
        n_rows: rows of the whole table.
        n_columns: columns of the whole table.
        chunk_rows: rows of a chunk; by default what fits in 1 MiB of float64, and at least 128.

    Raises:
        ValueError: if `chunk_rows` is less than 1.
    """
    if chunk_rows is None:
        chunk_rows = max(_BLOCK_ROWS, _BLOCK_BYTES // (8 * max(1, n_columns)))
    if chunk_rows < 1:
        raise ValueError(f"chunk_rows must be at least 1: got {chunk_rows}")
    for start in range(0, n_rows, chunk_rows):
        yield slice(start, min(start + chunk_rows, n_rows))
