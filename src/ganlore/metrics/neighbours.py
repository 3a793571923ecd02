"""Precision, recall, density and coverage: which samples lie in which nearest-neighbour balls.

A ball stands around each sample, as wide as the distance to its k-th nearest neighbour of the same
set, itself not counted. All four metrics read one pass over the distances between data and
generated samples. Distances come from |x|^2 + |y|^2 - 2 x.y, which runs at the speed of BLAS but is
rounded differently for the same pair of points in different blocks. Exact ties are no rarity (a
generator that repeats training samples, a grid, a set against itself) and `<` and `<=` differ on
them, so each radius carries its rounding error, and what is closer to a radius than that is a tie.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ganlore.metrics import Comparison, Metric
from ganlore.metrics._arrays import (
    Array,
    Features,
    feature_pair,
    row_chunks,
    squared_distances,
    squared_norms,
)
from ganlore.metrics._devices import (
    ascending,
    fill_diagonal,
    host,
    library,
    mean,
    smallest,
    zeros,
)

METRICS = {
    "precision": Metric("Precision", True, (0.0, 1.0), "arXiv:1904.06991", pairs=True),
    "recall": Metric("Recall", True, (0.0, 1.0), "arXiv:1904.06991", pairs=True),
    "density": Metric("Density", True, (0.0, None), "arXiv:2002.09797", pairs=True),
    "coverage": Metric("Coverage", True, (0.0, 1.0), "arXiv:2002.09797", pairs=True),
}

PRECISION_K = 3
DENSITY_K = 5


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `precision`, `recall`, `density` and `coverage`, as `neighbour_metrics`."""
    placed = comparison.pairs.placed
    _check_rows(placed.real, placed.fake, PRECISION_K, DENSITY_K)
    around_real = _Surroundings(*placed.of_real(_surroundings))
    return _measure(around_real, placed.real, placed.fake)


def neighbour_metrics(
    real: Features,
    fake: Features,
    *,
    precision_k: int = PRECISION_K,
    density_k: int = DENSITY_K,
) -> dict[str, float]:
    """All four metrics from one pass over the distances.

    Precision is the share of generated samples in at least one ball of the data, recall the share
    of the data in at least one ball of the generated samples (1904.06991, eq. 1 and 2); a ball
    includes its surface (`<=`). Density is the mean number of the data's balls that a generated
    sample lies in, divided by k, and coverage the share of the data's balls that hold a generated
    sample (2002.09797, section 3.2); a ball is open (`<`).

    Args:
        real: features of the data, (n_real, d).
        fake: features of generated samples, (n_fake, d).
        precision_k: the neighbour that sets the radius for precision and recall.
        density_k: the neighbour that sets the radius for density and coverage.

    Returns:
        `precision`, `recall` and `coverage` in 0 ... 1, and `density` in 0 ... n_real / k, which is
        about 1 for equal distributions.

    Raises:
        ValueError: if shapes do not fit, a feature is not finite, a k is less than 1, or a set has
            fewer than k + 1 rows.
    """
    real, fake = feature_pair(real, fake)
    _check_rows(real, fake, precision_k, density_k)
    around_real = _surroundings(real, precision_k, density_k)
    return _measure(around_real, real, fake, precision_k, density_k)


class _Surroundings(NamedTuple):
    """What is known of the data alone: its centre, and squared radii as in `_Balls`.

    Both sets are seen from the data's centre, which keeps |x|^2, and so the rounding, small, also
    when the generated samples have gone far away.
    """

    centre: Array
    narrow_open: Array
    narrow_closed: Array
    wide_open: Array
    wide_closed: Array


def _surroundings(
    real: Features, precision_k: int = PRECISION_K, density_k: int = DENSITY_K
) -> _Surroundings:
    centre = mean(real)
    narrow, wide = _balls(real, centre, precision_k, density_k)
    return _Surroundings(centre, *narrow, *wide)


def _measure(
    around_real: _Surroundings,
    real: Features,
    fake: Features,
    precision_k: int = PRECISION_K,
    density_k: int = DENSITY_K,
) -> dict[str, float]:
    centre = around_real.centre
    (around_fake,) = _balls(fake, centre, precision_k)
    centred = fake - centre
    norms = squared_norms(centred)
    is_precise = zeros(len(fake), centred, "bool")
    is_recalled, is_covered = zeros((2, len(real)), centred, "bool")
    n_inside = 0
    for rows in row_chunks(len(real), len(fake), of=centred):
        chunk = real[rows] - centre
        squared = squared_distances(chunk, squared_norms(chunk), centred, norms)
        is_precise |= (squared <= around_real.narrow_closed[rows, None]).any(axis=0)
        is_recalled[rows] = (squared <= around_fake.closed).any(axis=1)
        inside = squared < around_real.wide_open[rows, None]
        is_covered[rows] = inside.any(axis=1)
        n_inside += int(inside.sum())
    return {
        "precision": float(host(is_precise).mean()),
        "recall": float(host(is_recalled).mean()),
        "density": n_inside / (density_k * len(fake)),
        "coverage": float(host(is_covered).mean()),
    }


class _Balls(NamedTuple):
    """Squared radii (n,), to compare with computed squared distances by `<` and by `<=`."""

    open: Array
    closed: Array


def _check_rows(real: Features, fake: Features, *ks: int) -> None:
    k = max(ks)
    if min(ks) < 1:
        raise ValueError(f"k must be at least 1: got {min(ks)}")
    if min(len(real), len(fake)) <= k:
        raise ValueError(
            f"real and fake must have at least {k + 1} rows each (k + 1, with k = {k}): "
            f"got real {real.shape} and fake {fake.shape}"
        )


def _balls(features: Features, centre: Array, *ks: int) -> list[_Balls]:
    centred = features - centre
    norms = squared_norms(centred)
    nearest = _nearest_squared_distances(centred, norms, max(ks))
    balls = []
    for k in ks:
        squared = nearest[:, k - 1]
        error = _rounding(len(centre)) * (norms + squared)
        balls.append(_Balls(squared - error, squared + error))
    return balls


def _rounding(d: int) -> float:
    # A squared distance sums d products, so it is off by at most (d + 2) eps (|x|^2 + |y|^2). A
    # point near the surface has |y| <= |x| + r, hence |y|^2 <= 2 |x|^2 + 2 r^2. Twice that, as the
    # radius is off too, is within this factor times (|x|^2 + r^2). At 2048 dimensions the factor is
    # 3e-12: features in float32 cannot tell such distances apart.
    return 6 * (d + 2) * float(np.finfo(np.float64).eps)


def _nearest_squared_distances(points: Array, norms: Array, k: int) -> Array:
    """Squared distances to the k nearest other points, ascending, (n, k)."""
    n = len(points)
    nearest: Array = zeros((n, k), points) + np.inf
    for rows in row_chunks(n, n, of=points):
        # The matrix is symmetric: what lies right of the diagonal block also serves the later rows.
        right = slice(rows.start, n)
        block = squared_distances(points[rows], norms[rows], points[right], norms[right])
        fill_diagonal(block, np.inf)
        width = rows.stop - rows.start
        nearest[rows.stop :] = _smallest(nearest[rows.stop :], block[:, width:].T, k)
        nearest[rows] = _smallest(nearest[rows], block, k)
    sorted_: Array = ascending(nearest)
    return sorted_


def _smallest(so_far: Array, block: Array, k: int) -> Array:
    """The k smallest of each row of two tables side by side, in any order, (n, k)."""
    if block.shape[1] > k:
        block = smallest(block, k)
    nearest: Array = smallest(library(block).concatenate([so_far, block], axis=1), k)
    return nearest
