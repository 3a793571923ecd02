"""Precision, recall, density and coverage: who lies in whose nearest-neighbour balls.

A ball stands around each sample, as wide as the distance to its k-th nearest neighbour of the same
set, itself not counted. All four metrics read one pass over the distances between data and
generated samples. Distances come from |x|^2 + |y|^2 - 2 x.y, which runs at the speed of BLAS but is
rounded differently for the same pair of points in different blocks. Exact ties are no rarity (a
generator that repeats training samples, a grid, a set against itself) and `<` and `<=` differ on
them, so each radius carries its rounding error, and what is closer to a radius than that is a tie.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ganlore.metrics import Comparison, Metric, _pairs
from ganlore.metrics._arrays import (
    Array,
    Features,
    feature_pair,
    row_chunks,
    squared_distances,
    squared_norms,
)

METRICS = {
    "precision": Metric(
        label="Precision",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        paper="arXiv:1904.06991",
        pairs=True,
    ),
    "recall": Metric(
        label="Recall",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        paper="arXiv:1904.06991",
        pairs=True,
    ),
    "density": Metric(
        label="Density",
        higher_is_better=True,
        bounds=(0.0, None),
        paper="arXiv:2002.09797",
        pairs=True,
    ),
    "coverage": Metric(
        label="Coverage",
        higher_is_better=True,
        bounds=(0.0, 1.0),
        paper="arXiv:2002.09797",
        pairs=True,
    ),
}

PRECISION_K = 3
DENSITY_K = 5


_SINGLE_FROM = 256
"""From so many dimensions on, single precision goes ahead (`_pairs`); fewer are quick anyway."""


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `precision`, `recall`, `density` and `coverage`."""
    comparison = comparison.pairs
    real, fake = _checked(comparison.real, comparison.fake, PRECISION_K, DENSITY_K)
    known = _Surroundings(*comparison.of_real(_surroundings))
    return _measure(known, real, fake, PRECISION_K, DENSITY_K, None)


def neighbour_metrics(
    real: Features,
    fake: Features,
    *,
    precision_k: int = PRECISION_K,
    density_k: int = DENSITY_K,
    chunk_rows: int | None = None,
) -> dict[str, float]:
    """All four metrics from one pass over the distances.

    Args:
        real: features of the data, (n_real, d).
        fake: features of generated samples, (n_fake, d).
        precision_k: the neighbour that sets the radius for precision and recall.
        density_k: the neighbour that sets the radius for density and coverage.
        chunk_rows: rows of distances held at once; changes memory, not the values.

    Returns:
        `precision`, `recall` (see `precision_recall`), `density`, `coverage` (see
        `density_coverage`).

    Raises:
        ValueError: if shapes do not fit, a feature is not finite, a k is less than 1, or a set has
            fewer than k + 1 rows.
    """
    real, fake = _checked(real, fake, precision_k, density_k)
    known = _surroundings(real, precision_k, density_k, chunk_rows)
    return _measure(known, real, fake, precision_k, density_k, chunk_rows)


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
    real: Features,
    precision_k: int = PRECISION_K,
    density_k: int = DENSITY_K,
    chunk_rows: int | None = None,
) -> _Surroundings:
    centre = real.mean(axis=0, dtype=np.float64)
    narrow, wide = _balls(real, centre, (precision_k, density_k), chunk_rows)
    return _Surroundings(centre, *narrow, *wide)


def _measure(
    known: _Surroundings,
    real: Features,
    fake: Features,
    precision_k: int,
    density_k: int,
    chunk_rows: int | None,
) -> dict[str, float]:
    (around_fake,) = _balls(fake, known.centre, (precision_k,), chunk_rows)
    is_precise = np.zeros(len(fake), dtype=np.bool_)
    is_recalled = np.zeros(len(real), dtype=np.bool_)
    is_covered = np.zeros(len(real), dtype=np.bool_)
    n_inside = 0
    for i, j, squared in _near(known, around_fake.closed, real, fake, chunk_rows):
        is_precise[j[squared <= known.narrow_closed[i]]] = True
        is_recalled[i[squared <= around_fake.closed[j]]] = True
        inside = squared < known.wide_open[i]
        is_covered[i[inside]] = True
        n_inside += int(inside.sum())
    return {
        "precision": float(is_precise.mean()),
        "recall": float(is_recalled.mean()),
        "density": n_inside / (density_k * len(fake)),
        "coverage": float(is_covered.mean()),
    }


def _near(
    known: _Surroundings,
    around_fake: Array,
    real: Features,
    fake: Features,
    chunk_rows: int | None,
) -> Iterator[_pairs.Near]:
    """Pairs of data and samples of which one may lie in the other's ball, chunk by chunk."""
    around_real = [known.narrow_closed, known.wide_open]
    if len(known.centre) >= _SINGLE_FROM:
        one, other = (_pairs.Points.of(side, known.centre) for side in (real, fake))
        if one.fit and other.fit:
            yield from _pairs.near(one, other, around_real, [around_fake])
            return
    centred = fake - known.centre
    norms, reach = squared_norms(centred), np.maximum(*around_real)
    for rows in row_chunks(len(real), len(fake), chunk_rows):
        chunk = real[rows] - known.centre
        distances = squared_distances(chunk, squared_norms(chunk), centred, norms)
        close = distances <= reach[rows, None]
        close |= distances <= around_fake
        i, j = np.nonzero(close)
        yield _pairs.Near(i + rows.start, j, distances[i, j])


def precision_recall(real: Features, fake: Features, k: int = PRECISION_K) -> tuple[float, float]:
    """Improved precision and recall (1904.06991, eq. 1 and 2).

    Precision is the share of generated samples in at least one ball of the data, recall the share
    of the data in at least one ball of the generated samples. A ball includes its surface (`<=`).

    Args:
        real: features of the data, (n_real, d).
        fake: features of generated samples, (n_fake, d).
        k: the neighbour that sets the radius.

    Returns:
        Precision and recall, each in 0 ... 1.

    Raises:
        ValueError: as `neighbour_metrics`.
    """
    values = neighbour_metrics(real, fake, precision_k=k, density_k=k)
    return values["precision"], values["recall"]


def density_coverage(real: Features, fake: Features, k: int = DENSITY_K) -> tuple[float, float]:
    """Density and coverage (2002.09797, section 3.2).

    Density is the mean number of the data's balls that a generated sample lies in, divided by k,
    and coverage the share of the data's balls that hold a generated sample. A ball is open (`<`).

    Args:
        real: features of the data, (n_real, d).
        fake: features of generated samples, (n_fake, d).
        k: the neighbour that sets the radius.

    Returns:
        Density, in 0 ... n_real / k and about 1 for equal distributions, and coverage, in 0 ... 1.

    Raises:
        ValueError: as `neighbour_metrics`.
    """
    values = neighbour_metrics(real, fake, precision_k=k, density_k=k)
    return values["density"], values["coverage"]


class _Balls(NamedTuple):
    """Squared radii (n,), to compare with computed squared distances by `<` and by `<=`."""

    open: Array
    closed: Array


def _checked(real: Features, fake: Features, *ks: int) -> tuple[Features, Features]:
    if min(ks) < 1:
        raise ValueError(f"k must be at least 1: got {min(ks)}")
    return feature_pair(real, fake, rows=max(ks) + 1, reason=f" (k + 1, with k = {max(ks)})")


def _balls(
    features: Features, centre: Array, ks: tuple[int, ...], chunk_rows: int | None
) -> list[_Balls]:
    nearest, norms = _nearest(features, centre, max(ks), chunk_rows)
    balls = []
    for k in ks:
        squared = nearest[:, k - 1]
        error = _rounding(len(centre)) * (norms + squared)
        balls.append(_Balls(squared - error, squared + error))
    return balls


def _nearest(
    features: Features, centre: Array, k: int, chunk_rows: int | None
) -> tuple[Array, Array]:
    """Squared distances to the k nearest other points, (n, k), and squared norms, (n,)."""
    if len(centre) >= _SINGLE_FROM:
        points = _pairs.Points.of(features, centre)
        if points.fit:
            return _pairs.nearest(points, k), points.norms
    centred = features - centre
    return _nearest_squared_distances(centred, k, chunk_rows), squared_norms(centred)


def _rounding(d: int) -> float:
    # A squared distance sums d products, so it is off by at most (d + 2) eps (|x|^2 + |y|^2). A
    # point near the surface has |y| <= |x| + r, hence |y|^2 <= 2 |x|^2 + 2 r^2. Twice that, as the
    # radius is off too, is within this factor times (|x|^2 + r^2). At 2048 dimensions the factor is
    # 3e-12: features in float32 cannot tell such distances apart.
    return 6 * (d + 2) * float(np.finfo(np.float64).eps)


def _nearest_squared_distances(points: Array, k: int, chunk_rows: int | None) -> Array:
    """Squared distances to the k nearest other points, ascending, (n, k)."""
    n = len(points)
    norms = squared_norms(points)
    nearest = np.full((n, k), np.inf)
    for rows in row_chunks(n, n, chunk_rows):
        # The matrix is symmetric: what lies right of the diagonal block also serves the later rows.
        right = slice(rows.start, n)
        block = squared_distances(points[rows], norms[rows], points[right], norms[right])
        np.fill_diagonal(block, np.inf)
        width = rows.stop - rows.start
        nearest[rows.stop :] = _smallest(nearest[rows.stop :], block[:, width:].T, k)
        nearest[rows] = _smallest(nearest[rows], block, k)
    return np.sort(nearest, axis=1)


def _smallest(so_far: Array, block: Array, k: int) -> Array:
    """The k smallest of each row of two tables side by side, in any order, (n, k)."""
    if block.shape[1] > k:
        block = np.partition(block, k - 1, axis=1)[:, :k]
    return np.partition(np.concatenate([so_far, block], axis=1), k - 1, axis=1)[:, :k]
