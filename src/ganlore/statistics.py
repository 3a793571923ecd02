"""Estimators over seeds: arrays in, numbers out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special


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
