"""Losses, tricks and their interaction in one linear model: a check beside paired tests.

Value = mean of the cell (loss, trick) + effect of the seed + residual. Each cell that was run has
its own mean, so cells that do not apply leave no hole; a trick's effect is the mean of (trick -
none) over the losses that were run with both. Seeds are a random effect. Residuals count as equally
wide in all cells, which paired tests do not ask for.

The one unknown ratio, variance of seeds / variance of residuals, is the root of the restricted
likelihood's score (REML, Patterson and Thompson 1971), or 0 where the score has none: a root of one
variable is the same on every machine, which where a general optimiser stops is not
(docs/adr/0028-tolerances-of-published-tables.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganlore.analysis.tables import PLAIN

FACTORS = ("loss", "trick", "seed")

LARGEST_RATIO = 1e6
"""Seeds whose variance is so many times the residuals' count as fixed: no digit changes beyond."""


@dataclass(frozen=True)
class Interaction:
    """What the model says.

    `tricks`: a row for each trick but `none`: trick, effect, low, high (95 %), p, n_losses.
    `variance`: a row for each term (loss, trick, interaction, seed): term, share (omega squared,
    Hays 1963: the share of the variance of a run that it explains, in expectation 0 if nothing),
    and p of no interaction (F test).
    """

    tricks: pd.DataFrame
    variance: pd.DataFrame


def fit(table: pd.DataFrame) -> Interaction:
    """Fit the model.

    Args:
        table: a row for each run, with columns loss, trick, seed and value (such as log FID, with
            the worst value where a run diverged).

    Raises:
        ValueError: if a value is not finite, a run is there twice, or no cell has two seeds.
    """
    runs = table[[*FACTORS, "value"]].reset_index(drop=True)
    if not np.isfinite(runs["value"]).all():
        raise ValueError("expected finite values: give a diverged run the worst one")
    if runs.duplicated(list(FACTORS)).any():
        raise ValueError("expected one row for each loss, trick and seed")
    cells = pd.MultiIndex.from_frame(runs[["loss", "trick"]]).to_flat_index()
    means = _dummies(cells)
    seeds = _dummies(runs["seed"])
    if len(runs) < means.shape[1] + seeds.shape[1]:
        raise ValueError("expected cells with at least two seeds each")
    estimate = reml(runs["value"].to_numpy(), means.to_numpy(), seeds.to_numpy())
    return Interaction(_effects(estimate, list(means.columns)), _variance(runs, means, seeds))


class Estimate(NamedTuple):
    """What REML estimates.

    Attributes:
        means: of the cells, (cells,).
        covariance: of these means, (cells, cells).
        ratio: the seeds' variance over the residuals'.
    """

    means: NDArray[np.float64]
    covariance: NDArray[np.float64]
    ratio: float


def reml(
    value: NDArray[np.float64], cells: NDArray[np.float64], seeds: NDArray[np.float64]
) -> Estimate:
    """Cells' means by REML, seeds as a random intercept.

    With Z the seeds' dummies, runs have the covariance (I + ratio Z Z') times the residuals'
    variance, whose inverse is I - Z C Z' with C = ratio / (1 + ratio runs of the seed).

    Args:
        value: (runs,).
        cells: dummies of each run's cell, (runs, cells).
        seeds: dummies of each run's seed, (runs, seeds).
    """
    from scipy import optimize

    sizes, degrees = seeds.sum(axis=0), len(value) - cells.shape[1]
    shared, own = cells.T @ seeds, cells.T @ cells
    of_cells, of_seeds = cells.T @ value, seeds.T @ value

    def solve(ratio: float) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
        """The means, their covariance, the residuals' variance, the score by the ratio."""
        weight = 1 / (1 + ratio * sizes)
        inverse = np.linalg.inv(own - (shared * ratio * weight) @ shared.T)
        means = inverse @ (of_cells - shared @ (ratio * weight * of_seeds))
        rest = value - cells @ means
        by_seed = weight * (seeds.T @ rest)
        variance = float(rest @ rest - ratio * by_seed @ (seeds.T @ rest)) / degrees
        trace = (weight * sizes).sum() - ((inverse @ shared) * shared * weight**2).sum()
        return means, inverse * variance, variance, float(trace * variance - by_seed @ by_seed)

    ratio = 0.0
    if solve(0.0)[3] < 0:  # some variance of seeds is more likely than none
        ratio = LARGEST_RATIO
        if solve(ratio)[3] > 0:
            root = optimize.brentq(lambda log: solve(math.exp(log))[3], -40.0, math.log(ratio))
            ratio = math.exp(root)
    means, covariance, *_ = solve(ratio)
    return Estimate(means, covariance, ratio)


def _effects(estimate: Estimate, cells: list[tuple[str, str]]) -> pd.DataFrame:
    """Mean of (trick - none) over the losses with both, for each trick, with normal intervals."""
    from scipy import stats

    place = {cell: index for index, cell in enumerate(cells)}
    rows: list[dict[str, Any]] = []
    for trick in sorted({trick for _, trick in cells} - {PLAIN}):
        losses = [loss for loss, other in cells if other == trick and (loss, PLAIN) in place]
        if not losses:
            continue
        contrast = np.zeros(len(cells))
        for loss in losses:
            contrast[place[loss, trick]] += 1 / len(losses)
            contrast[place[loss, PLAIN]] -= 1 / len(losses)
        effect = float(contrast @ estimate.means)
        error = math.sqrt(max(float(contrast @ estimate.covariance @ contrast), 0.0))
        half = float(stats.norm.ppf(0.975)) * error
        p = 2 * stats.norm.sf(abs(effect) / error) if error else float(effect == 0)
        rows.append({
            "trick": trick, "effect": effect, "low": effect - half, "high": effect + half,
            "p": float(p), "n_losses": len(losses),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["trick", "effect", "low", "high", "p", "n_losses"])


def _variance(runs: pd.DataFrame, means: pd.DataFrame, seeds: pd.DataFrame) -> pd.DataFrame:
    """Omega squared of each term, each after the others of its order, and the interaction's p."""
    from scipy import stats

    value = runs["value"].to_numpy()
    losses, tricks = _dummies(runs["loss"]), _dummies(runs["trick"])
    full, full_df = _residual(value, means, seeds)
    if full_df == 0:
        raise ValueError("expected cells with at least two seeds each")
    noise = full / full_df
    total = ((value - value.mean()) ** 2).sum()
    additive = _residual(value, losses, tricks, seeds)
    terms = {
        "loss": (_residual(value, tricks, seeds), additive),
        "trick": (_residual(value, losses, seeds), additive),
        "interaction": (additive, (full, full_df)),
        "seed": (_residual(value, means), (full, full_df)),
    }
    rows = []
    for term, ((without, without_df), (with_it, with_df)) in terms.items():
        df, explained = without_df - with_df, without - with_it
        share = (explained - df * noise) / (total + noise) if total > 0 else 0.0
        p = 1.0 if term == "interaction" else math.nan
        if term == "interaction" and df and noise > 0:
            p = float(stats.f.sf(explained / df / noise, df, full_df))
        rows.append((term, float(share), p))
    return pd.DataFrame(rows, columns=["term", "share", "p"])


def _residual(value: NDArray[np.float64], *factors: pd.DataFrame) -> tuple[float, int]:
    """Residual sum of squares of the factors' dummies and its degrees of freedom."""
    design = np.hstack([np.ones((len(value), 1)), *(factor.to_numpy() for factor in factors)])
    solution, _, rank, _ = np.linalg.lstsq(design, value)
    return float(((value - design @ solution) ** 2).sum()), len(value) - int(rank)


def _dummies(labels: Any) -> pd.DataFrame:
    return pd.get_dummies(pd.Series(labels), dtype=float)
