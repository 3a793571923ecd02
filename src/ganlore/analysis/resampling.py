"""Resampling: keyed generators, exact sign-flip tests, bootstrap intervals over seeds.

Arrays in, arrays out; the last axis is the seeds', and rows before it are treated at once. What is
drawn depends on the key alone, so a result does not depend on what was computed before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

RESAMPLES = 20_000
EXACT_UP_TO = 20  # 2^20 patterns of signs take 10 ms
RELATIVE_TOLERANCE = 1e-9  # sums within this share of sum |x| of one another are ties

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]


def keyed(*key: str | int) -> np.random.Generator:
    """A generator for a purpose: SHA-256 of the key, as `seeding.seed_of`, without torch."""
    text = "\x1f".join(str(part) for part in key)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big"))


def sign_flip(values: ArrayLike, rng: np.random.Generator | None = None) -> Array:
    """P-values of the one-sided sign-flip test that values are symmetric around 0 or less.

    Under that null each value is as probable with either sign, so p is the share of all 2^n
    patterns of signs whose sum is at least the observed one (Fisher 1935, section 21; Pitman
    1937). A pattern's sum is the observed one less twice what it flips, so the patterns to count
    are those that flip a sum of at most 0; ties count, which keeps p from being too small. The
    smallest possible p is 1 / 2^n.

    Above `EXACT_UP_TO` values the patterns are drawn, and the observed one counts as one of them:
    p = (1 + hits) / (1 + drawn) (Phipson and Smyth 2010).

    Args:
        values: differences less their value under the null, (..., n).
        rng: draws the patterns where there are too many to count.

    Returns:
        P-values, (...).
    """
    array = np.asarray(values, dtype=np.float64)
    n = array.shape[-1]
    tie = RELATIVE_TOLERANCE * np.abs(array).sum(axis=-1, keepdims=True)
    if n <= EXACT_UP_TO:
        flipped = np.zeros((*array.shape[:-1], 1))
        for k in range(n):
            flipped = np.concatenate([flipped, flipped + array[..., k, None]], axis=-1)
        return np.asarray((flipped <= tie).mean(axis=-1))
    if rng is None:
        raise ValueError(f"{n} values have too many patterns of signs to count; pass a generator")
    flips = rng.integers(0, 2, size=(RESAMPLES, n)).astype(np.float64)
    hits = (array @ flips.T <= tie).sum(axis=-1)
    return np.asarray((1 + hits) / (1 + RESAMPLES))


def mean_bca(
    values: ArrayLike, rng: np.random.Generator, level: float = 0.95, resamples: int = RESAMPLES
) -> tuple[Array, Array]:
    """BCa bootstrap intervals of means, at a level that allows for few values.

    Efron 1987, "Better bootstrap confidence intervals", equations 2.3 and 3.9 on. A bootstrap of n
    values takes the normal's quantile where Student's t belongs, and a standard deviation that is
    sqrt((n - 1) / n) too small: with ten normal values its 95 % interval covers 90 %. The quantiles
    are therefore read at Phi(-sqrt(n / (n - 1)) t(n - 1)), "expanded" as in Hesterberg 2015, "What
    teachers should know about the bootstrap", section 3.2 there for the percentile interval. An
    interval never leaves the range of the values, so that of fewer than six cannot have its
    coverage.

    Args:
        values: (..., n).
        rng: draws the resamples; all rows share them.
        level: the intervals' coverage.
        resamples: number of resamples.

    Returns:
        Lower and upper ends, each (...). NaN with one value; the value itself where all are equal.
    """
    array = np.asarray(values, dtype=np.float64)
    n = array.shape[-1]
    mean = array.mean(axis=-1)
    if n == 1:
        return np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    weights = rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    around = array - mean[..., None]
    ordered = np.sort(around @ weights.T, axis=-1)
    tie = RELATIVE_TOLERANCE * np.abs(around).mean(axis=-1, keepdims=True)
    below, above = (ordered < -tie).mean(axis=-1), (ordered > tie).mean(axis=-1)
    share = (below + 1 - above) / 2  # a tie counts half
    bias = special.ndtri(np.clip(share, 0.5 / resamples, 1 - 0.5 / resamples))
    square = (around**2).sum(axis=-1)
    acceleration = (around**3).sum(axis=-1) / (6 * np.where(square > 0, square, 1) ** 1.5)
    t = float(special.stdtrit(n - 1, (1 + level) / 2))
    z = special.ndtri(special.ndtr(-t * np.sqrt(n / (n - 1))))
    low, high = (_quantile(ordered, _adjusted(bias, acceleration, side)) for side in (z, -z))
    same = np.ptp(array, axis=-1) == 0
    return np.where(same, array[..., 0], mean + low), np.where(same, array[..., 0], mean + high)


def of_seeds(
    scores: ArrayLike, statistic: Statistic, rng: np.random.Generator, resamples: int = 1000
) -> tuple[float, float, float]:
    """An aggregate over cells with its 95 % percentile interval over seeds.

    The bootstrap of Agarwal et al. 2021 (arXiv:2108.13264, section 4.1), but that seeds are
    resampled once for all cells, which share them: cells are given, seeds are what could have come
    out otherwise.

    Args:
        scores: (seeds, cells), at least two seeds.
        statistic: (..., seeds, cells) -> (...), such as `robustness.interquartile_mean`.
        rng: draws the resamples.
        resamples: number of resamples.

    Returns:
        The statistic, lower and upper ends.

    Raises:
        ValueError: if a score is not finite or the shape is another.
    """
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 2 or len(array) < 2 or not array.size or not np.isfinite(array).all():
        raise ValueError(f"expected finite scores of shape (seeds >= 2, cells), got {array!r}")
    drawn = rng.integers(0, len(array), size=(resamples, len(array)))
    low, high = np.quantile(statistic(array[drawn]), [(1 - 0.95) / 2, (1 + 0.95) / 2])
    return float(statistic(array)), float(low), float(high)


def _adjusted(bias: Array, acceleration: Array, z: float) -> Array:
    """The share of resamples below BCa's end; past the pole of its formula it is the last one."""
    slope = 1 - acceleration * (bias + z)
    share = special.ndtr(bias + (bias + z) / np.where(slope > 0, slope, 1))
    return np.where(slope > 0, share, float(z > 0))


def _quantile(ordered: Array, share: Array) -> Array:
    """Quantiles of sorted rows, one share for each, linear between neighbours."""
    position = share * (ordered.shape[-1] - 1)
    before = np.floor(position).astype(np.int64)
    after = np.minimum(before + 1, ordered.shape[-1] - 1)
    first, second = (
        np.take_along_axis(ordered, index[..., None], axis=-1)[..., 0] for index in (before, after)
    )
    return np.asarray(first + (position - before) * (second - first))
