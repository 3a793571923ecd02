"""Losses, tricks and their interaction in one linear model: a check beside paired tests.

Value = mean of the cell (loss, trick) + effect of the seed + residual. Each cell that was run has
its own mean, so cells that do not apply leave no hole; a trick's effect is the mean of (trick -
none) over the losses that were run with both. Seeds are a random effect (statsmodels' MixedLM,
REML). Residuals count as equally wide in all cells, which paired tests do not ask for.

With all interactions as fixed effects 20 losses x 13 tricks x 10 seeds take 2 s on one core, so no
cheaper model is needed. Where MixedLM fails, as it does when seeds explain nothing, least squares
with a coefficient for each seed take its place: in a complete design the effects are the same.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ganlore.analysis.tables import PLAIN

FACTORS = ("loss", "trick", "seed")


@dataclass(frozen=True)
class Interaction:
    """What the model says.

    `tricks`: a row for each trick but `none`: trick, effect, low, high (95 %), p, n_losses.
    `variance`: a row for each term (loss, trick, interaction, seed): term, share (omega squared,
    Hays 1963: the share of the variance of a run that it explains, in expectation 0 if nothing),
    and p of no interaction (F test).
    `model` names what was fitted and `note` says why it is not the mixed model, if it is not.
    """

    tricks: pd.DataFrame
    variance: pd.DataFrame
    model: str
    note: str


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
    fitted, model, note = _fitted(runs, means, seeds)
    tricks = _effects(fitted, list(means.columns))
    return Interaction(tricks, _variance(runs, means, seeds), model, note)


def _fitted(runs: pd.DataFrame, means: pd.DataFrame, seeds: pd.DataFrame) -> tuple[Any, str, str]:
    """The fitted model; its first coefficients are the cells', up to a constant."""
    from statsmodels.regression.linear_model import OLS
    from statsmodels.regression.mixed_linear_model import MixedLM

    value = runs["value"].to_numpy()
    note = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the boundary and convergence are looked at below
            fitted = MixedLM(value, means.to_numpy(), groups=runs["seed"].to_numpy()).fit(reml=True)
        if not fitted.converged:
            note = "the mixed model did not converge"
        elif not np.isfinite(fitted.bse_fe).all():
            note = "the mixed model has no standard errors"
    except (np.linalg.LinAlgError, ValueError, ZeroDivisionError) as error:
        note = f"the mixed model could not be fitted ({error})"
    if not note:
        return fitted, "mixed model, seeds as random effect (REML)", ""
    fitted = OLS(value, np.hstack([means.to_numpy(), seeds.to_numpy()[:, 1:]])).fit()
    return fitted, "least squares with a coefficient for each seed", note


def _effects(fitted: Any, cells: list[tuple[str, str]]) -> pd.DataFrame:
    """Mean of (trick - none) over the losses with both, for each trick."""
    place = {cell: index for index, cell in enumerate(cells)}
    rows: list[dict[str, Any]] = []
    contrasts: list[NDArray[np.float64]] = []
    for trick in sorted({trick for _, trick in cells} - {PLAIN}):
        losses = [loss for loss, other in cells if other == trick and (loss, PLAIN) in place]
        if not losses:
            continue
        contrast = np.zeros(len(fitted.params))
        for loss in losses:
            contrast[place[loss, trick]] += 1 / len(losses)
            contrast[place[loss, PLAIN]] -= 1 / len(losses)
        contrasts.append(contrast)
        rows.append({"trick": trick, "n_losses": len(losses)})
    columns = ["trick", "effect", "low", "high", "p", "n_losses"]
    if not rows:
        return pd.DataFrame(columns=columns)
    # MixedLM lists its variances after the fixed effects
    fixed = len(getattr(fitted, "fe_params", fitted.params))
    test = fitted.t_test(np.array(contrasts)[:, :fixed])
    ends = test.conf_int()
    effects = {"effect": test.effect, "low": ends[:, 0], "high": ends[:, 1]}
    return pd.DataFrame(rows).assign(**effects, p=np.atleast_1d(test.pvalue))[columns]


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
