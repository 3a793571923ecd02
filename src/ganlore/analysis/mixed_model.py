"""Losses, tricks and their interaction in one linear model: a second view beside paired tests.

Value = mean of the cell (loss, trick) + effect of the seed + residual. Each cell that was run has
its own mean, so cells that do not apply leave no hole; a trick's effect is the mean of (trick -
none) over the losses that were run with both. Seeds are a random effect (statsmodels' MixedLM,
REML). Residuals count as equally wide in all cells, which paired tests do not ask for.

With all interactions as fixed effects 20 losses x 13 tricks x 10 seeds take 2 s on one core, so no
cheaper model is needed. Where MixedLM fails, as it does when seeds explain nothing, least squares
with a coefficient for each seed take its place: in a complete design the effects are the same.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

NONE = "none"
FACTORS = ("loss", "trick", "seed")


@dataclass(frozen=True)
class Interaction:
    """What the model says.

    `tricks`: a row for each trick but `none`: trick, effect, low, high (95 %), p, n_losses.
    `shares`: omega squared (Hays 1963) of loss, trick, interaction, seed: share of the variance of
    a run that it explains, in expectation 0 if nothing. `p_interaction`: F test of no interaction.
    `model` names what was fitted and `note` says why it is not the mixed model, if it is not.
    """

    tricks: pd.DataFrame
    shares: dict[str, float]
    p_interaction: float
    model: str
    note: str


def fit(table: pd.DataFrame, baseline: str = NONE) -> Interaction:
    """Fit the model.

    Args:
        table: a row for each run, with columns loss, trick, seed and value (such as log FID, with
            the worst value where a run diverged).
        baseline: the trick that others are compared with.

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
    shares, p_interaction = _shares(runs, means, seeds)
    return Interaction(
        tricks=_effects(fitted, list(means.columns), baseline),
        shares=shares,
        p_interaction=p_interaction,
        model=model,
        note=note,
    )


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


def _effects(fitted: Any, cells: list[tuple[str, str]], baseline: str) -> pd.DataFrame:
    """Mean of (trick - baseline) over the losses with both, for each trick."""
    place = {cell: index for index, cell in enumerate(cells)}
    rows: list[dict[str, Any]] = []
    contrasts: list[NDArray[np.float64]] = []
    for trick in sorted({trick for _, trick in cells} - {baseline}):
        losses = [loss for loss, other in cells if other == trick and (loss, baseline) in place]
        if not losses:
            continue
        contrast = np.zeros(len(fitted.params))
        for loss in losses:
            contrast[place[loss, trick]] += 1 / len(losses)
            contrast[place[loss, baseline]] -= 1 / len(losses)
        contrasts.append(contrast[: _fixed(fitted)])
        rows.append({"trick": trick, "n_losses": len(losses)})
    if not rows:
        return pd.DataFrame(columns=["trick", "effect", "low", "high", "p", "n_losses"])
    test = fitted.t_test(np.array(contrasts))
    ends = test.conf_int()
    found = pd.DataFrame(rows).assign(
        effect=test.effect, low=ends[:, 0], high=ends[:, 1], p=np.atleast_1d(test.pvalue)
    )
    return found[["trick", "effect", "low", "high", "p", "n_losses"]]


def _fixed(fitted: Any) -> int:
    """How many of the coefficients are fixed effects: MixedLM lists its variances after them."""
    return len(getattr(fitted, "fe_params", fitted.params))


def _shares(
    runs: pd.DataFrame, means: pd.DataFrame, seeds: pd.DataFrame
) -> tuple[dict[str, float], float]:
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
    shares, p = {}, 1.0
    for name, ((without, without_df), (with_it, with_df)) in terms.items():
        df = without_df - with_df
        explained = without - with_it
        shares[name] = float((explained - df * noise) / (total + noise)) if total > 0 else 0.0
        if name == "interaction" and df and noise > 0:
            p = float(stats.f.sf(explained / df / noise, df, full_df))
    return shares, p


def _residual(value: NDArray[np.float64], *factors: pd.DataFrame) -> tuple[float, int]:
    """Residual sum of squares of the factors' dummies and its degrees of freedom."""
    design = np.hstack([np.ones((len(value), 1)), *(factor.to_numpy() for factor in factors)])
    solution, _, rank, _ = np.linalg.lstsq(design, value)
    return float(((value - design @ solution) ** 2).sum()), len(value) - int(rank)


def _dummies(labels: Any) -> pd.DataFrame:
    return pd.get_dummies(pd.Series(labels), dtype=float)
