"""Effects of several losses or data sets combined: they differ, and are themselves a sample.

Unit i has an effect d_i, its mean over seeds, with variance v_i; the units' true effects are spread
around their mean with variance tau^2. statsmodels estimates tau^2 (Paule and Mandel 1982) and the
mean's variance (Hartung and Knapp 2001; Sidik and Jonkman 2002), which with Student's t keeps its
level for few units. The variance is never below that of a model that takes tau^2 for known, the
modification that Roever, Knapp and Friede 2015 (arXiv:1508.01227) recommend for few units.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

LEAST_VARIANCE = 1e-6
"""Of a unit, as a share of the mean square of what is there: an exact one would have all weight."""

ITERATIONS = 500


class Combined(NamedTuple):
    """The mean effect of units.

    Attributes:
        effect: the mean.
        error: its standard error; NaN with fewer than two units.
        degrees: of freedom of Student's t.
        tau: standard deviation of the units' true effects.
    """

    effect: float
    error: float
    degrees: int
    tau: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The ends of the mean's interval; NaN with fewer than two units."""
        half = float(special.stdtrit(max(self.degrees, 1), (1 + level) / 2)) * self.error
        return self.effect - half, self.effect + half

    def above(self, null: float) -> float:
        """One-sided p of the null that the mean is at most `null`; NaN with fewer than two."""
        if self.error == 0:
            return float(self.effect <= null)
        return float(special.stdtr(max(self.degrees, 1), (null - self.effect) / self.error))


def of_pairs(pairs: ArrayLike) -> Combined:
    """The mean effect of units over paired differences that share their seeds.

    What a seed adds to all units alike is no part of the spread between them; its share of the
    variance is added, as with errors clustered in two ways (Cameron, Gelbach and Miller 2011).

    Args:
        pairs: differences of each unit and seed, (k, n); NaN where a pair is missing. With one
            seed a unit's variance is unknown, and all have equal weight.
    """
    array = np.asarray(pairs, dtype=np.float64)
    counts = np.isfinite(array).sum(axis=1)
    effects = np.nanmean(array, axis=1)
    squares = np.nansum((array - effects[:, None]) ** 2, axis=1)
    variances = np.where(counts > 1, squares / np.maximum(counts - 1, 1) / counts, 0.0)
    if not (counts > 1).all():
        variances = np.zeros(len(array))
    return combine(effects, variances, *_shared(array - effects[:, None], variances))


def _shared(
    residuals: NDArray[np.float64], variances: NDArray[np.float64]
) -> tuple[float, int | None]:
    """The variance of the mean that seeds add to all units alike, and its degrees of freedom."""
    residuals = residuals[:, np.isfinite(residuals).any(axis=0)]
    k, n = residuals.shape
    if n < 2 or k < 2:
        return 0.0, None
    by_seed = float(np.nanmean(residuals, axis=0).var(ddof=1)) / n
    shared = by_seed - float(variances.mean()) / k
    return (shared, n - 1) if shared > 0 else (0.0, None)


def combine(
    effects: ArrayLike, variances: ArrayLike, shared: float = 0.0, degrees: int | None = None
) -> Combined:
    """The mean of units' effects.

    Args:
        effects: one for each unit, (k,), k >= 1.
        variances: of each effect, >= 0, (k,).
        shared: the variance of the mean that all units share.
        degrees: degrees of freedom of that variance.

    Raises:
        ValueError: if an effect or a variance is not finite.
    """
    from statsmodels.stats.meta_analysis import combine_effects

    d, v = np.asarray(effects, dtype=np.float64), np.asarray(variances, dtype=np.float64)
    if d.ndim != 1 or d.shape != v.shape or not (np.isfinite(d).all() and np.isfinite(v).all()):
        raise ValueError(f"expected finite effects and variances of shape (k,), got {d!r}, {v!r}")
    k = len(d)
    if k == 1:
        return Combined(float(d[0]), math.nan, 0, math.nan)
    scale = float(np.mean(v) + np.var(d))
    if scale == 0:
        return Combined(float(d[0]), math.sqrt(shared), k - 1, 0.0)
    unit = math.sqrt(scale)
    least = np.maximum(v / scale, LEAST_VARIANCE)
    with np.errstate(divide="ignore"):  # of a share that is not used, where all effects are equal
        made = combine_effects(d / unit, least, method_re="pm", maxiter=ITERATIONS)
    variance = max(float(made.var_hksj_re), float(made.var_eff_w_re)) * scale
    few = k - 1 if degrees is None else min(k - 1, degrees)
    error = math.sqrt(variance + shared)
    return Combined(unit * float(made.mean_effect_re), error, few, unit * math.sqrt(made.tau2))
