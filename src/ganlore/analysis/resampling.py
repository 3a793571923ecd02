"""Resampling: keyed generators, exact sign-flip tests, BCa and stratified bootstrap intervals.

Arrays in, arrays out; the last axis is the seeds', and rows before it are treated at once. What is
drawn depends on the key alone, so a result does not depend on what was computed before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Literal

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

    Efron 1987, "Better bootstrap confidence intervals". A bootstrap of n values takes the normal's
    quantile where Student's t belongs, and a standard deviation that is sqrt((n - 1) / n) too
    small: with ten normal values its 95 % interval covers 90 %. The quantiles are therefore read
    at Phi(-sqrt(n / (n - 1)) t(n - 1)), "expanded" as in Hesterberg 2015, "What teachers should
    know about the bootstrap", section 3.2 there for the percentile interval. An interval never
    leaves the range of the values, so that of fewer than six cannot have its coverage.

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
    tail = _expanded(n, n - 1, level)
    low, high = bca(around @ weights.T, np.zeros_like(mean), around, tail)
    same = np.ptp(array, axis=-1) == 0
    return np.where(same, array[..., 0], mean + low), np.where(same, array[..., 0], mean + high)


def stratified(
    scores: ArrayLike,
    statistic: Statistic,
    rng: np.random.Generator,
    *,
    method: Literal["bca", "percentile"] = "bca",
    together: bool = False,
    level: float = 0.95,
    resamples: int = 2000,
) -> tuple[Array, Array, Array]:
    """Interval for an aggregate over cells: seeds are resampled within each cell.

    rliable's stratified bootstrap (Agarwal et al. 2021, arXiv:2108.13264, section 4.1): cells are
    given, seeds are what could have come out otherwise. `percentile` is their interval as it is;
    `bca` is corrected for bias and skewness, and its level for few seeds as in `mean_bca`.

    Args:
        scores: (seeds, cells).
        statistic: (..., seeds, cells) -> (...), such as `robustness.interquartile_mean`, or
            (..., k), such as a performance profile.
        rng: draws the resamples.
        method: which interval.
        together: resample seeds once for all cells. For scores that a seed shares across cells,
            such as differences paired by seed.
        level: the interval's coverage.
        resamples: number of resamples.

    Returns:
        The statistic, lower and upper ends, each () or (k,). The ends are NaN with one seed.

    Raises:
        ValueError: if a score is not finite or the shape is another.
    """
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 2 or not array.size or not np.isfinite(array).all():
        raise ValueError(f"expected finite scores of shape (seeds, cells), got {array!r}")
    n, cells = array.shape
    estimate = np.asarray(statistic(array))
    if n == 1:
        return estimate, np.full_like(estimate, np.nan), np.full_like(estimate, np.nan)
    drawn = rng.integers(0, n, size=(resamples, n, 1 if together else cells))
    resampled = np.asarray(statistic(np.take_along_axis(array[None], drawn, axis=1)))
    if method == "percentile":
        low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2], axis=0)
        return estimate, low, high
    tail = _expanded(n, (n - 1) * (1 if together else cells), level)
    influence = _influence(array, statistic, together)
    return estimate, *bca(np.moveaxis(resampled, 0, -1), estimate, influence, tail)


def _influence(array: Array, statistic: Statistic, together: bool) -> Array:
    """How much each run (each seed, if together) moves the statistic: the jackknife's values.

    A run that is left out is replaced by each of the others of its cell in turn, and the results
    averaged, so that the matrix stays whole. For a mean it is the same as leaving it out.
    """
    n, cells = array.shape
    moved = []
    for columns in [slice(None)] if together else [slice(c, c + 1) for c in range(cells)]:
        for seed in range(n):
            others = [k for k in range(n) if k != seed]
            copies = np.repeat(array[None], n - 1, axis=0)
            copies[:, seed, columns] = array[others, columns]
            moved.append(np.mean(statistic(copies), axis=0))
    return np.asarray(np.moveaxis(statistic(array) - np.array(moved), 0, -1))


def bca(resampled: Array, estimate: Array, influence: Array, tail: float) -> tuple[Array, Array]:
    """Ends of the bias-corrected and accelerated interval (Efron 1987, equations 2.3 and 3.9 on).

    Args:
        resampled: the statistic of each resample, (..., B).
        estimate: the statistic of the sample, (...).
        influence: how much each observation moves it (of a mean: the deviations), (..., n).
        tail: the nominal probability of each tail.

    Returns:
        Lower and upper ends, each (...).
    """
    count = resampled.shape[-1]
    tie = RELATIVE_TOLERANCE * np.abs(influence).mean(axis=-1)
    below = (resampled < (estimate - tie)[..., None]).mean(axis=-1)
    above = (resampled > (estimate + tie)[..., None]).mean(axis=-1)
    share = np.clip((below + 1 - above) / 2, 0.5 / count, 1 - 0.5 / count)  # a tie counts half
    bias = special.ndtri(share)
    square = (influence**2).sum(axis=-1)
    acceleration = (influence**3).sum(axis=-1) / (6 * np.where(square > 0, square, 1) ** 1.5)
    ordered = np.sort(resampled, axis=-1)
    z = special.ndtri(tail)
    low, high = (_quantile(ordered, _adjusted(bias, acceleration, side)) for side in (z, -z))
    return low, high


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


def _expanded(n: int, df: int, level: float) -> float:
    """The nominal tail at which a bootstrap of n values covers as Student's t does."""
    t = float(special.stdtrit(df, (1 + level) / 2))
    return float(special.ndtr(-t * np.sqrt(n / (n - 1))))
