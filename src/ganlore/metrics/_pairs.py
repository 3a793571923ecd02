"""Distances in many dimensions: single precision finds the few pairs that double has to decide.

A matrix product runs twice as fast in float32, and its rounding has a bound. So each squared
distance is known to lie in an interval, and whatever the interval decides (a pair is far outside
all balls, or well inside one) is decided. The pairs whose interval holds a radius are computed
again in float64, from the features as they were given: what is found is what float64 finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganlore.metrics._arrays import Array, Features, squared_distances, squared_norms

Indices = NDArray[np.intp]
Single = NDArray[np.float32]

_UNIT = 2.0**-24
"""The unit roundoff of float32."""
_TILE = 1024
"""Rows and columns of a tile, 4 MiB: its gemm is at full speed, and its pairs fit in memory."""
_SPARE = 4
"""Neighbours that are kept beside the nearest k, for those that single precision confuses."""
_DENSE = 0.02
"""From this share of undecided pairs on, a tile is computed in float64 as a whole."""
_EXACT = 512
"""Pairs of which the features are gathered at a time."""


@dataclass(frozen=True)
class Points:
    """A set of samples, ready for distances to itself and to others of the same centre.

    Attributes:
        features: (n, d) as given.
        centre: (d,) from which all are seen; it keeps the norms small, and so the rounding.
        single: (n, d) features - centre, in float32.
        norms: (n,) their squared norms.
    """

    features: Features
    centre: Array
    single: Single
    norms: Array

    @classmethod
    def of(cls, features: Features, centre: Array) -> Points:
        """Points from features."""
        single = np.empty(features.shape, np.float32)
        norms = np.empty(len(features))
        for rows in _tiles(len(features)):
            centred = features[rows] - centre
            norms[rows] = squared_norms(centred)
            single[rows] = centred
        return cls(features, centre, single, norms)

    @property
    def fit(self) -> bool:
        """Whether float32 has the range for the squares."""
        return bool(self.norms.max() < 1e30) and bool(self.norms.mean() > 1e-20)

    @property
    def slack(self) -> Array:
        """(n,) half the width of the interval that a row adds to a distance's.

        A product of d terms is off by at most d u |x| |y|, and rounding the centred features to
        float32 adds 2 u; twice |x| |y| is at most |x|^2 + |y|^2. The rest is for the sums of the
        product and the norms.
        """
        slack: Array = (self.single.shape[1] + 16) * _UNIT * self.norms
        return slack

    def double(self, rows: slice) -> Array:
        """Centred rows in float64."""
        return np.asarray(self.features[rows] - self.centre)


def _tiles(n: int, start: int = 0) -> Iterator[slice]:
    for first in range(start, n, _TILE):
        yield slice(first, min(first + _TILE, n))


class _Lower:
    """Lower bounds of squared distances, tile by tile, in one buffer."""

    def __init__(self, one: Points, other: Points) -> None:
        self.one, self.other = one, other
        self.low = [(p.norms - p.slack).astype(np.float32) for p in (one, other)]
        self.buffer = np.empty(_TILE * _TILE, np.float32)

    def __call__(self, rows: slice, columns: slice) -> Single:
        """(rows, columns); overwritten by the next call."""
        x, y = self.one.single[rows], self.other.single[columns]
        tile = self.buffer[: len(x) * len(y)].reshape(len(x), len(y))
        np.matmul(x * np.float32(-2), y.T, out=tile)
        tile += self.low[0][rows, None]
        tile += self.low[1][columns]
        return tile


def _exact(one: Points, other: Points, i: Indices, j: Indices) -> Array:
    """Squared distances of pairs of rows in float64."""
    found = np.empty(len(i))
    for start in range(0, len(i), _EXACT):
        here = slice(start, start + _EXACT)
        difference = one.features[i[here]].astype(np.float64)
        difference -= other.features[j[here]]
        found[here] = squared_norms(difference)
    return found


def _where(flags: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    """`np.nonzero` of a table with few flags, in a tenth of its time."""
    row, column = np.divmod(np.flatnonzero(flags), flags.shape[1])
    return row, column


# -- a set and itself ------------------------------------------------------------------------------


def nearest(points: Points, k: int) -> Array:
    """Squared distances to the k nearest other points, ascending, (n, k)."""
    n, slack = len(points.norms), points.slack
    best = _Nearest(n, min(k + _SPARE, n - 1))
    lower = _Lower(points, points)
    for rows in _tiles(n):
        for columns in _tiles(n, rows.start):
            tile = lower(rows, columns)
            if rows == columns:
                np.fill_diagonal(tile, np.inf)
            else:
                # the matrix is symmetric: what lies right of the diagonal also serves later rows
                best.add(rows, columns, tile)
            best.add(columns, rows, tile.T)
    low, index = best.bounds.astype(np.float64), best.index
    high = low + 2 * (slack[:, None] + slack[index])
    # the k-th nearest is no further away than the k-th of the upper bounds
    reach = np.partition(high, k - 1, axis=1)[:, k - 1]
    i, place = np.nonzero(low <= reach[:, None])
    squared = np.full(low.shape, np.inf)
    squared[i, place] = _exact(points, points, i, index[i, place])
    found = np.sort(np.partition(squared, k - 1, axis=1)[:, :k], axis=1)
    crowded = np.flatnonzero(low.max(axis=1) <= reach) if best.width < n - 1 else i[:0]
    for start in range(0, len(crowded), _TILE // 8):
        some = crowded[start : start + _TILE // 8]
        found[some] = _nearest_in_double(points, some, k)
    return found


def _nearest_in_double(points: Points, rows: Indices, k: int) -> Array:
    """The same of a few rows, whose candidates were too many to be kept."""
    x = points.features[rows] - points.centre
    parts = []
    for columns in _tiles(len(points.norms)):
        y = points.double(columns)
        block = squared_distances(x, points.norms[rows], y, points.norms[columns])
        same = (rows >= columns.start) & (rows < columns.stop)
        block[same, rows[same] - columns.start] = np.inf
        parts.append(np.partition(block, min(k, block.shape[1]) - 1, axis=1)[:, :k])
    return np.sort(np.concatenate(parts, axis=1), axis=1)[:, :k]


class _Nearest:
    """The smallest bounds of each row so far, and whose they are, in any order."""

    def __init__(self, n: int, width: int) -> None:
        self.width = width
        self.bounds = np.full((n, width), np.inf, np.float32)
        self.index = np.zeros((n, width), np.intp)
        self.worst = np.full(n, np.inf, np.float32)

    def add(self, rows: slice, columns: slice, tile: Single) -> None:
        """One more tile of bounds, (rows, columns)."""
        if columns.start == 0:  # the first that these rows see: each bound would be a hit
            index = np.broadcast_to(np.arange(tile.shape[1]), tile.shape)
            self._keep(np.arange(rows.start, rows.stop), tile, index)
            return
        # a transposed tile is walked through as it lies in memory
        swapped = not tile.flags.c_contiguous
        worst = self.worst[rows]
        hit = np.less(tile.T, worst) if swapped else np.less(tile, worst[:, None])
        i, j = _where(hit)
        if swapped:
            order = np.argsort(j, kind="stable")
            i, j = j[order], i[order]
        touched, counts = np.unique(i, return_counts=True)
        if not len(touched):
            return
        ends = np.cumsum(counts)
        place = np.arange(len(i)) - np.repeat(ends - counts, counts)
        line = np.repeat(np.arange(len(touched)), counts)
        bounds = np.full((len(touched), counts.max()), np.inf, np.float32)
        index = np.zeros(bounds.shape, np.intp)
        bounds[line, place] = tile[i, j]
        index[line, place] = j + columns.start
        mine = touched + rows.start
        bounds = np.concatenate([self.bounds[mine], bounds], axis=1)
        self._keep(mine, bounds, np.concatenate([self.index[mine], index], axis=1))

    def _keep(self, mine: Indices, bounds: Single, index: Indices) -> None:
        if bounds.shape[1] > self.width:
            chosen = np.argpartition(bounds, self.width - 1, axis=1)[:, : self.width]
            bounds = np.take_along_axis(bounds, chosen, axis=1)
            index = np.take_along_axis(index, chosen, axis=1)
        self.bounds[mine, : bounds.shape[1]] = bounds
        self.index[mine, : index.shape[1]] = index
        self.worst[mine] = self.bounds[mine].max(axis=1)


# -- two sets --------------------------------------------------------------------------------------


class Near(NamedTuple):
    """Pairs of two sets that may lie in a ball, and their squared distances as far as they matter.

    Attributes:
        i: rows of the first set.
        j: rows of the second.
        squared: where no radius lies between, an upper bound; else the distance in float64.
    """

    i: Indices
    j: Indices
    squared: Array


def near(
    one: Points, other: Points, radii: list[Array], other_radii: list[Array]
) -> Iterator[Near]:
    """All pairs that lie in a ball, tile by tile; and others, which `squared` shows to lie in none.

    Args:
        one: the first set.
        other: the second.
        radii: squared radii around the first set's points, (n,) each.
        other_radii: the same around the second's, (m,) each.
    """
    reach, other_reach = _upwards(radii), _upwards(other_radii)
    lower, slack, other_slack = _Lower(one, other), one.slack, other.slack
    for rows in _tiles(len(one.norms)):
        for columns in _tiles(len(other.norms)):
            tile = lower(rows, columns)
            close = tile <= reach[rows, None]
            close |= tile <= other_reach[columns]
            i, j = _where(close)
            if not len(i):
                continue
            low = tile[i, j].astype(np.float64)
            i, j = i + rows.start, j + columns.start
            squared = low + 2 * (slack[i] + other_slack[j])
            asked = [radius[i] for radius in radii] + [radius[j] for radius in other_radii]
            open_ = np.zeros(len(i), dtype=np.bool_)
            for radius in asked:
                open_ |= (low <= radius) & (radius <= squared)
            if open_.sum() > _DENSE * tile.size:
                x, y = one.double(rows), other.double(columns)
                block = squared_distances(x, one.norms[rows], y, other.norms[columns])
                squared[open_] = block[i[open_] - rows.start, j[open_] - columns.start]
            else:
                squared[open_] = _exact(one, other, i[open_], j[open_])
            yield Near(i, j, squared)


def _upwards(radii: list[Array]) -> Single:
    """The largest of several radii in float32, never rounded down."""
    largest = np.max(radii, axis=0)
    above: Single = np.nextafter(largest.astype(np.float32), np.float32(np.inf))
    return above
