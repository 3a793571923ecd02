"""Robustness checks: the same runs by robust aggregates, one model of all cells, time to a target.

Verdicts come from paired tests (`claims.verdicts`). These analyse the runs in other ways, so that a
reader sees whether a result depends on the method. The aggregates are rliable's estimators (Agarwal
et al. 2021, arXiv:2108.13264): scores are (..., seeds, cells), higher is better; the leading axes
are resamples, as `resampling.of_seeds` wants them. A cell is a loss.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ganlore.analysis import mixed_model, resampling, survival
from ganlore.analysis.claims import comparison, measures
from ganlore.analysis.claims.results import ClaimResult, TestResult, numbered
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import PLAIN, Tables
from ganlore.study.run import Plan

Array = NDArray[np.float64]


# -- estimators ----------------------------------------------------------------------------------


def interquartile_mean(scores: ArrayLike) -> Array:
    """IQM: mean of the middle half of all runs of all cells, (..., seeds, cells) -> (...).

    As in rliable, a quarter of the runs, rounded down, is left out at each end.
    """
    from scipy import stats

    array = np.asarray(scores)
    return np.asarray(stats.trim_mean(array.reshape(*array.shape[:-2], -1), 0.25, axis=-1))


def probability_of_improvement(scores: ArrayLike) -> Array:
    """Probability that a run of ours is better than one of theirs in the same cell.

    The mean over cells of Mann and Whitney's U / n^2: the share of pairs of runs in which ours is
    higher, ties counted half (Agarwal et al. 2021, section 4.3).

    Args:
        scores: (..., n, 2 cells): ours, and theirs to the right of them.

    Returns:
        Probabilities, (...): 0.5 where neither is better.
    """
    ours, theirs = np.split(np.asarray(scores), 2, axis=-1)
    left, right = ours[..., :, None, :], theirs[..., None, :, :]
    wins = (left > right) + 0.5 * (left == right)
    return np.asarray(wins.mean(axis=(-3, -2, -1)))


# -- of a matrix --------------------------------------------------------------------------------


def logs(matrix: Matrix) -> pd.DataFrame:
    """Log FID of every run of a matrix, a diverged one as its worst: (seeds, (trick, loss))."""
    ends = matrix.finals.pivot(index="train_seed", columns=["trick", "loss"], values="fid")
    logarithms = np.log(ends.fillna(np.nanmax(ends.to_numpy())))
    return cast(pd.DataFrame, logarithms)


def of_tricks(matrix: Matrix) -> pd.DataFrame:
    """How much better each trick makes the losses, by rliable's estimators (arXiv:2108.13264).

    A score is the log of plain FID over FID with the trick, for each loss and seed.

    Returns:
        A row for each trick: `trick`, `losses`, `iqm` (the interquartile mean of the scores) and
        `probability` (that a run with the trick is better than one without, of the same loss),
        each with `_low` and `_high`, the ends of a 95 % bootstrap interval over seeds. Empty
        without a plain row or two seeds, and where every run has diverged.
    """
    alive = matrix.finals["fid"].notna().any()
    table = logs(matrix) if alive else pd.DataFrame()
    columns = ["trick", "losses"] + [
        f"{name}{end}" for name in ("iqm", "probability") for end in ("", "_low", "_high")
    ]
    if PLAIN not in table or len(table) < 2:
        return pd.DataFrame(columns=columns)
    plain = table[PLAIN]
    rows = []
    for trick in (name for name in matrix.tricks if name != PLAIN and name in table):
        losses = [loss for loss in table[trick].columns if loss in plain]
        if not losses:
            continue
        ours, theirs = (-side[losses].to_numpy() for side in (table[trick], plain))
        row = [trick, len(losses)]
        for what, scores, statistic in (
            ("iqm", ours - theirs, interquartile_mean),
            ("better", np.hstack([ours, theirs]), probability_of_improvement),
        ):
            rng = resampling.keyed("second view", what, matrix.slug, trick)
            row += resampling.of_seeds(scores, statistic, rng)
        rows.append(row)
    return pd.DataFrame(rows, columns=columns)


def profiles(
    matrix: Matrix, tricks: Iterable[str], n: int = 200
) -> tuple[dict[str, tuple[Array, Array]], Array]:
    """The share of runs with an FID of at most so much, with each trick and without it.

    Args:
        matrix: the cells.
        tricks: those wanted.
        n: how many thresholds, from the lowest FID of a run to the highest, even on a log scale.

    Returns:
        By trick the shares over seeds and those losses that ran with and without it, (n,) each; and
        the thresholds, (n,).
    """
    table = logs(matrix)
    at = np.linspace(np.nanmin(table.to_numpy()), np.nanmax(table.to_numpy()), n)
    curves = {}
    for trick in tricks:
        losses = [loss for loss in table[trick].columns if loss in table[PLAIN]]
        with_it, without = (
            (table[side][losses].to_numpy()[..., None] <= at).mean(axis=(0, 1))
            for side in (trick, PLAIN)
        )
        curves[trick] = with_it, without
    return curves, np.exp(at)


@dataclass(frozen=True)
class Robustness:
    """The robustness checks of one matrix: `of_tricks`, and `model` of log FID."""

    matrix: Matrix
    tricks: pd.DataFrame
    model: mixed_model.Interaction


def of_matrices(matrices: Iterable[Matrix]) -> list[Robustness]:
    """The robustness checks of those matrices that have tricks over several losses and seeds."""
    wanted = [matrix for matrix in matrices if not matrix.single and matrix.n_seeds > 1]
    tables = [(matrix, of_tricks(matrix)) for matrix in wanted]
    return [Robustness(matrix, tricks, model(matrix)) for matrix, tricks in tables if len(tricks)]


def model(matrix: Matrix) -> mixed_model.Interaction:
    """Losses, tricks and their interaction in one model of log FID."""
    long = logs(matrix).stack(["trick", "loss"], future_stack=True).dropna().rename("value")
    return mixed_model.fit(long.reset_index().rename(columns={"train_seed": "seed"}))


@dataclass(frozen=True)
class Reaching:
    """How the runs of a claim's two sides reach its target.

    Attributes:
        claim: the claim's name.
        test: the number of its test.
        label: what is measured, of which cells.
        sides: what each side is called, with its curve over the share of the budget.
        p: of the log-rank test that both reach it alike.
        runs: runs of each side; `share` at which each reached the target, and whether it did.
    """

    claim: str
    test: int
    label: str
    sides: dict[str, survival.Survival]
    p: float
    runs: pd.DataFrame


def reaching(plan: Plan, tidy: Tables, results: list[ClaimResult]) -> list[Reaching]:
    """The claims about time to a target, run by run: those that never reach it are censored."""
    wanted = [
        (result.id, number, test)
        for result, number, test in numbered(results)
        if test.definition.take == "time-to" and test.outcome.n
    ]
    if not wanted:
        return []
    source = measures.Source(plan, tidy)
    return [_reaching(source, *one) for one in wanted]


def _reaching(source: measures.Source, claim: str, number: int, test: TestResult) -> Reaching:
    parts = [
        shares.index.to_frame(index=False).assign(
            side=side, value=shares.fillna(1.0).to_numpy(), reached=shares.notna().to_numpy()
        )
        for side, shares in comparison.arrivals(source, test.definition, test.cells).items()
    ]
    runs = pd.concat(parts, ignore_index=True)
    curves = {
        str(side): survival.kaplan_meier(rows["value"], rows["reached"])
        for side, rows in runs.groupby("side", sort=False)
    }
    p = survival.log_rank(runs["value"], runs["reached"], runs["side"])
    return Reaching(claim, number, test.label, curves, p, runs)
