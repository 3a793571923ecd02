"""Estimators over seeds: arrays in, numbers out."""

from __future__ import annotations

import bisect
import functools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ganlore.study.claims import FEW_MODES, NO_PRECISION

POWER = 0.8
MOST_SEEDS = 500
"""More nobody makes to decide a claim."""


def mean_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """The mean over seeds with Student's t interval.

    mean -+ t(n - 1, (1 + level) / 2) s / sqrt(n), with s the sample standard deviation (n - 1 in
    its denominator); Student 1908, "The probable error of a mean". It holds for values that are
    roughly normal over seeds, which a few seeds cannot show.

    Args:
        values: one value for each seed, (n,). Seeds without a value are left out, and counted, by
            the caller.
        level: the interval's coverage.

    Returns:
        Mean, lower and upper end. With one value the ends are NaN, with none all three.

    Raises:
        ValueError: if a value is not finite.
    """
    array = _finite(values)
    if not len(array):
        return math.nan, math.nan, math.nan
    mean = float(array.mean())
    if len(array) == 1:
        return mean, math.nan, math.nan
    half = t_factor(len(array), level) * float(array.std(ddof=1))
    return mean, mean - half, mean + half


def geometric_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """The geometric mean over seeds with Student's t interval of the logarithms.

    For what is positive and varies by factors, such as FID: the interval contains no number
    that the values cannot be. Values of which one is not positive have `mean_interval`.

    Args:
        values: as in `mean_interval`.
        level: the interval's coverage.
    """
    array = _finite(values)
    if len(array) == 1 or not (array > 0).all():
        return mean_interval(array, level)
    mean, low, high = mean_interval(np.log(array), level)
    return math.exp(mean), math.exp(low), math.exp(high)


def t_factor(n: int, level: float = 0.95) -> float:
    """The t interval's half-width for a standard deviation of 1.

    Args:
        n: number of values, at least 2.
        level: the interval's coverage.
    """
    return float(special.stdtrit(n - 1, (1 + level) / 2)) / math.sqrt(n)


def sign_flip_floor(n: int) -> float:
    """The smallest two-sided p-value that an exact sign-flip test on n pairs can give: 2 / 2^n.

    The n differences can take 2^n signs, all as probable under the null; the two most extreme
    patterns (all plus, all minus) are one result of a two-sided test (Fisher 1935, section 21).
    """
    return min(1.0, 2.0 ** (1 - n))


def seeds_to_show(alpha: float = 0.05) -> int:
    """The fewest pairs with which a sign-flip test can reach a two-sided p of at most alpha."""
    return math.ceil(1 - math.log2(alpha))


def seeds_needed(n: int, beyond: float, deviation: float, level: float) -> int | None:
    """The fewest seeds, more than n, that would show in four studies of five that a mean is not 0.

    If the observed mean and standard deviation were the true ones: an approximation by a one-sided
    t test, sqrt(n) |beyond| / s >= t(n - 1, 1 - level) + t(n - 1, 0.8), of which the sign-flip
    test's floor 1 / 2^n must pass the level too. With few seeds the observed values are far from
    the true ones, so it is an order of magnitude.

    Args:
        n: seeds so far.
        beyond: the mean less its value under the null.
        deviation: standard deviation of the differences; NaN with one seed.
        level: of the one-sided test.

    Returns:
        The number, or None where `beyond` is 0, the deviation is unknown or `MOST_SEEDS` do not
        suffice.
    """
    if beyond == 0 or not math.isfinite(deviation):
        return None

    def shows(count: int) -> bool:
        least = _detectable(count, level) * deviation
        return 2.0**-count <= level and math.sqrt(count) * abs(beyond) >= least

    first = max(n + 1, 2)
    needed = first + bisect.bisect_left(range(first, MOST_SEEDS + 1), True, key=shows)
    return needed if needed <= MOST_SEEDS else None


@functools.cache
def _detectable(n: int, level: float) -> float:
    """t(n - 1, 1 - level) + t(n - 1, power): the effect, in standard errors, that is found."""
    return float(special.stdtrit(n - 1, POWER) - special.stdtrit(n - 1, level))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values adjusted for their number, at most 1 (Holm 1979).

    The k-th smallest of m times m - k + 1, and none below those of smaller p. Not by statsmodels'
    `multipletests`, which the tests compare it with: that collects garbage at each call, 0.04 s of
    a small process and 0.3 s of one that holds a study.

    Args:
        p_values: (m,), m >= 0.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(adjusted, 1.0)


def simes(p_values: ArrayLike) -> float:
    """P-value of the null that all of m nulls are true (Simes 1986).

    The smallest of m / k times the k-th smallest p. It is at most Bonferroni's, and at the floor
    of a discrete test where all p are. It is exact for independent tests and keeps its level for
    positively dependent ones (Sarkar 1998).

    Args:
        p_values: (m,), m >= 1.
    """
    p = np.sort(np.asarray(p_values, dtype=np.float64))
    return float((p * len(p) / np.arange(1, len(p) + 1)).min())


def collapsed(modes: ArrayLike, total: ArrayLike, precision: ArrayLike = 1.0) -> NDArray[np.bool_]:
    """Whether generators have collapsed: at most half of the modes, or hardly any precision.

    Args:
        modes: that a generator draws, (n,); NaN where they are not known.
        total: that the data have, (n,); NaN likewise.
        precision: of the generator, (n,); NaN likewise.
    """
    few = np.asarray(modes, dtype=np.float64) <= FEW_MODES * np.asarray(total, dtype=np.float64)
    return few | (np.asarray(precision, dtype=np.float64) < NO_PRECISION)


def order(values: ArrayLike, failures: ArrayLike) -> NDArray[np.int64]:
    """Ranks of cells from 1, best first: fewer failed runs, then the lower value.

    A mean over the seeds that are left would reward a cell for failing where it is hard, so a cell
    with more failures comes after every cell with fewer.

    Args:
        values: lower is better, (n,); NaN where every run failed.
        failures: number of failed runs of each, (n,).

    Returns:
        Ranks, (n,); ties in the order given.
    """
    cells = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=np.inf, posinf=np.inf)
    ranks = np.empty(len(cells), dtype=np.int64)
    ranks[np.lexsort((cells, np.asarray(failures)))] = np.arange(1, len(cells) + 1)
    return ranks


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"expected finite values of shape (n,), got {array!r}")
    return array
