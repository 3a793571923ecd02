"""Aggregates of runs over cells: rliable's estimators (Agarwal et al. 2021, arXiv:2108.13264).

Scores are (..., seeds, cells), higher is better (negate what is not); the leading axes are
resamples, so that each estimator is a statistic for `resampling.stratified`. A cell is what is
averaged over: a data set, a network, a loss.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def mean(scores: ArrayLike) -> Array:
    """Mean over seeds and cells, (..., seeds, cells) -> (...)."""
    return np.asarray(np.mean(_scores(scores), axis=(-2, -1)))


def interquartile_mean(scores: ArrayLike) -> Array:
    """IQM: mean of the middle half of all runs of all cells, (..., seeds, cells) -> (...).

    As in rliable, a quarter of the runs, rounded down, is left out at each end.
    """
    from scipy import stats

    array = _scores(scores)
    return np.asarray(stats.trim_mean(array.reshape(*array.shape[:-2], -1), 0.25, axis=-1))


def optimality_gap(scores: ArrayLike, target: float) -> Array:
    """How far runs stay below a target on average; more than the target counts as the target."""
    return np.asarray(target - np.mean(np.minimum(_scores(scores), target), axis=(-2, -1)))


def probability_of_improvement(ours: ArrayLike, theirs: ArrayLike) -> Array:
    """Probability that a run of ours is better than one of theirs in the same cell.

    The mean over cells of Mann and Whitney's U / (n m): the share of pairs of runs in which ours
    is higher, ties counted half (Agarwal et al. 2021, section 4.3). For an interval with as many
    runs of ours as of theirs, set the two side by side: `stratified(np.hstack([ours, theirs]),
    lambda s: probability_of_improvement(s[..., :cells], s[..., cells:]), rng)`.

    Args:
        ours: (..., n, cells).
        theirs: (..., m, cells); m may differ from n.

    Returns:
        Probabilities, (...): 0.5 where neither is better.
    """
    left, right = _scores(ours)[..., :, None, :], _scores(theirs)[..., None, :, :]
    wins = (left > right) + 0.5 * (left == right)
    return np.asarray(wins.mean(axis=(-3, -2, -1)))


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> Array:
    """Share of runs whose score is above each threshold (run-score distribution, their eq. 3).

    Args:
        scores: (..., seeds, cells).
        thresholds: (t,).

    Returns:
        Shares, (..., t): each cell weighs the same.
    """
    above = _scores(scores)[..., None] > np.asarray(thresholds, dtype=np.float64)
    return np.asarray(above.mean(axis=(-3, -2)))


def _scores(scores: ArrayLike) -> Array:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim < 2 or array.shape[-1] == 0 or array.shape[-2] == 0 or np.isnan(array).any():
        raise ValueError(f"expected scores of shape (..., seeds, cells), no NaN, got {array!r}")
    return array
