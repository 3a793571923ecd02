"""Average ranks over blocks, and which items differ."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Ranking:
    """Average ranks over blocks, and which of them differ by more than chance.

    `ranks`: average rank of each item, 1 is best, (items,). `p`: of Friedman's test that no item
    differs from another. `difference`: Nemenyi's critical difference, the least difference of two
    average ranks that is significant. `p_values`: of Nemenyi's test of each pair, (items, items).
    """

    ranks: pd.Series[float]
    blocks: int
    p: float
    difference: float
    p_values: pd.DataFrame


def rank(values: pd.DataFrame, alpha: float = 0.05) -> Ranking:
    """Rank items in each block and compare their average ranks (Demsar 2006, section 3.2.2).

    Friedman's test takes blocks as independent. Blocks (trick, seed) are that for the seeds; what
    is found holds for these tricks, and not for tricks at large.

    Args:
        values: lower is better, a row for each block (2 or more) and a column for each item (3 or
            more); inf (a diverged run) is last, equal values share their mean rank.
        alpha: level of the critical difference.

    Raises:
        ValueError: if a value is missing (NaN) or there are too few.
    """
    from scikit_posthocs import posthoc_nemenyi_friedman
    from scipy import stats

    blocks, items = values.shape
    if blocks < 2 or items < 3 or values.isna().any(axis=None):
        raise ValueError(
            f"expected (blocks >= 2, items >= 3) without NaN, got {values.shape} with "
            f"{values.isna().sum().sum()} NaN; leave out blocks that lack an item"
        )
    by_block = values.rank(axis=1)  # ranks have no infinities, and the same ranks again
    tied = bool((by_block.nunique(axis=1) == 1).all())
    p = 1.0 if tied else float(stats.friedmanchisquare(*by_block.to_numpy().T).pvalue)
    quantile = stats.studentized_range.ppf(1 - alpha, items, np.inf) / math.sqrt(2)
    difference = float(quantile * math.sqrt(items * (items + 1) / (6 * blocks)))
    return Ranking(by_block.mean(), blocks, p, difference, posthoc_nemenyi_friedman(by_block))
