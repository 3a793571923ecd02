"""Rankings and rank correlations: which cells differ, and whether two orders agree."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ranking:
    """Average ranks over blocks with what of them is more than chance.

    `ranks`: average rank of each item, 1 is best, (items,). `chi2` and `p`: Friedman's test that no
    item differs from another. `difference`: Nemenyi's critical difference, the least difference of
    two average ranks that is significant. `p_values`: of each pair, (items, items). `groups`: items
    that do not differ, as tuples of indices from best to worst; no group is part of another, and
    an item that differs from every other is in none.
    """

    ranks: Array
    blocks: int
    chi2: float
    p: float
    difference: float
    p_values: Array
    groups: tuple[tuple[int, ...], ...]


def rank(values: ArrayLike, alpha: float = 0.05) -> Ranking:
    """Rank items in each block and compare their average ranks (Demsar 2006, section 3.2.2).

    Friedman's test takes blocks as independent. Blocks (trick, seed) are that for the seeds; what
    is found holds for these tricks, and not for tricks at large.

    Args:
        values: lower is better, (blocks, items), at least 2 blocks and 3 items; inf (a diverged
            run) is last, equal values share their mean rank.
        alpha: level of the critical difference.

    Raises:
        ValueError: if a value is missing (NaN) or there are too few.
    """
    import scikit_posthocs
    from scipy import stats

    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 3 or np.isnan(array).any():
        raise ValueError(
            f"expected (blocks >= 2, items >= 3) without NaN, got {array.shape} with "
            f"{np.isnan(array).sum()} NaN; leave out blocks that lack an item"
        )
    by_block = stats.rankdata(array, axis=1)  # ranks have no infinities, and the same ranks again
    blocks, items = array.shape
    ranks = by_block.mean(axis=0)
    tied = bool((by_block == by_block[:, :1]).all())
    chi2, p = (0.0, 1.0) if tied else stats.friedmanchisquare(*by_block.T)
    quantile = stats.studentized_range.ppf(1 - alpha, items, np.inf) / math.sqrt(2)
    difference = float(quantile * math.sqrt(items * (items + 1) / (6 * blocks)))
    return Ranking(
        ranks=ranks,
        blocks=blocks,
        chi2=float(chi2),
        p=float(p),
        difference=difference,
        p_values=scikit_posthocs.posthoc_nemenyi_friedman(by_block).to_numpy(),
        groups=indistinct(ranks, difference),
    )


def indistinct(ranks: ArrayLike, difference: float) -> tuple[tuple[int, ...], ...]:
    """Largest groups of items whose average ranks lie less than the critical difference apart.

    Args:
        ranks: (items,).
        difference: the critical difference.

    Returns:
        Groups of two and more, each as indices from best to worst, the best group first.
    """
    array = np.asarray(ranks, dtype=np.float64)
    best = np.argsort(array, kind="stable")
    groups = []
    reached = 0
    for first in range(len(best)):
        end = int(np.searchsorted(array[best], array[best[first]] + difference, side="left"))
        if end > max(reached, first + 1):
            groups.append(tuple(int(item) for item in best[first:end]))
            reached = end
    return tuple(groups)


def kendall(first: ArrayLike, second: ArrayLike) -> tuple[float, float]:
    """Kendall's tau-b of two rankings of the same items, with its two-sided p (exact if no ties).

    Args:
        first: values or ranks of the items in one place, (items,).
        second: those in the other.

    Returns:
        Tau, 1 for the same order and -1 for its reverse, and p; NaN where one is all ties.
    """
    from scipy import stats

    x, y = _pair(first, second)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan, math.nan
    found = stats.kendalltau(x, y)
    return float(found.statistic), float(found.pvalue)


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Array, Array]:
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError(f"expected two finite arrays of one shape (n,), got {x!r} and {y!r}")
    return x, y
