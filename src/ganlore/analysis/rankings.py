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

    `ranks`: average rank of each item, 1 is best, (items,). `p`: of Friedman's test that no item
    differs from another. `difference`: Nemenyi's critical difference, the least difference of two
    average ranks that is significant. `groups`: items that do not differ, as tuples of indices
    from best to worst; no group is part of another, and an item that differs from every other is
    in none.
    """

    ranks: Array
    blocks: int
    p: float
    difference: float
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
    p = 1.0 if tied else float(stats.friedmanchisquare(*by_block.T).pvalue)
    quantile = stats.studentized_range.ppf(1 - alpha, items, np.inf) / math.sqrt(2)
    difference = float(quantile * math.sqrt(items * (items + 1) / (6 * blocks)))
    return Ranking(ranks, blocks, p, difference, indistinct(ranks, difference))


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
