"""What a search of k draws can be expected to find, from the scores of more draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from ganlore.analysis.resampling import Array


def expected_best(scores: ArrayLike) -> Array:
    """The expected lowest of k scores that are drawn without replacement, for each k from 1 to n.

    Of the C(n, k) subsets, C(n - i, k - 1) have the i-th lowest score as their lowest (Dodge et al.
    2019, arXiv:1909.03004, with replacement there; Lucic et al. 2018, arXiv:1711.10337, figure 4,
    by resampling).

    Args:
        scores: (..., n), lower is better; all finite.

    Returns:
        (..., n), falling in k.
    """
    values = np.sort(np.asarray(scores, dtype=np.float64), axis=-1)
    n = values.shape[-1]
    k, i = np.arange(1, n + 1)[:, None], np.arange(1, n + 1)[None, :]
    weights = np.exp(_log_choose(n - i, k - 1) - _log_choose(np.full_like(k, n), k))
    return np.asarray(values @ weights.T)


def _log_choose(n: ArrayLike, k: ArrayLike) -> Array:
    """The logarithm of C(n, k), minus infinity where k is above n."""
    n, k = np.broadcast_arrays(np.asarray(n), np.asarray(k))
    possible = k <= n
    rest = np.where(possible, n - k, 0)
    logs = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(rest + 1)
    return np.where(possible, logs, -np.inf)


def intervals(
    scores: ArrayLike, rng: np.random.Generator, level: float = 0.95, resamples: int = 2_000
) -> tuple[Array, Array]:
    """Percentile intervals of `expected_best`, by resampling the search: its draws.

    All rows share the draws, as losses share them in a search, and so their resamples.

    Args:
        scores: (..., n).
        rng: draws the resamples.
        level: the intervals' coverage.
        resamples: their number.

    Returns:
        The lower and the upper ends, (..., n) each.
    """
    values = np.asarray(scores, dtype=np.float64)
    n = values.shape[-1]
    drawn = rng.integers(n, size=(resamples, n))
    curves = np.stack([expected_best(values[..., index]) for index in drawn])
    tail = (1 - level) / 2
    low, high = np.quantile(curves, [tail, 1 - tail], axis=0)
    return low, high
