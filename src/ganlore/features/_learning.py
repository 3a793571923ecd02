"""Whether a classifier has learned, so that its features can measure anything.

The criterion is one-sided and exact. A classifier that has learned nothing is right about as often
as a constant guess of the commonest class; of n test pictures that gives a binomial number of right
answers with that class's share as its probability. It is refused where so many right answers or
more come about by guessing with a probability above `LEVEL`. One that always answers the same class
is refused by this, and so is every classifier of a single class.
"""

from __future__ import annotations

import numpy as np

from ganlore.data import Store

LEVEL = 0.001
"""The probability with which a guessing classifier passes."""


def majority_share(store: Store) -> float:
    """The share of the commonest class in the test split: what a constant guess reaches."""
    labels = store.labels("test")
    assert labels is not None
    return float(np.bincount(labels).max() / len(labels))


def by_guessing(accuracy: float, share: float, n: int) -> float:
    """The probability of at least this accuracy on n pictures by guessing.

    Args:
        accuracy: share of right answers.
        share: probability of each by guessing.
        n: number of pictures.
    """
    from scipy import stats

    return float(stats.binomtest(round(accuracy * n), n, share, alternative="greater").pvalue)


def obstacle(store: Store) -> str | None:
    """Why no classifier can pass on a data set with labels, None if one can.

    One class cannot be learned; and of a small test split not even right answers alone are more
    than guessing.
    """
    labels = store.labels("train")
    assert labels is not None
    if len(np.unique(labels)) < 2:
        return "has a single class, of which every picture is right: nothing to learn features from"
    share, n = majority_share(store), len(store.samples("test"))
    if by_guessing(1.0, share, n) <= LEVEL:
        return None
    return (
        f"has {n} test pictures, {share:.0%} of them of one class: too few to see whether a "
        f"classifier has learned, since guessing gets all of them right with a probability of "
        f"{by_guessing(1.0, share, n):.2g}, and at most {LEVEL} is allowed"
    )
