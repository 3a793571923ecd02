"""Which loss leads a matrix and which cannot be told from it, and what each trick does to FID.

Both are for a reader's first look: paired t tests of log FID over seeds, with Holm's correction.
The verdicts on claims have a rule of their own (`claims.verdicts`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ganlore.analysis import estimators, robustness
from ganlore.analysis.matrices import Matrix, uses_labels
from ganlore.analysis.tables import PLAIN

ALPHA = 0.05

Key = tuple[str, str]
"""A loss and a trick."""


@dataclass(frozen=True)
class Leader:
    """The first of some cells by FID.

    Attributes:
        key: its loss and trick.
        row: its row of `Matrix.cells`.
        tied: those that a paired test does not tell from it, best first.
        behind: how many are clearly behind it.
    """

    key: Key
    row: dict[str, float]
    tied: list[Key]
    behind: int


def of_losses(matrix: Matrix, alpha: float = ALPHA, labels: bool = True) -> Leader | None:
    """The leading plain loss, or where none ran plain the leading cell; None without any number.

    The others are compared with it by paired t tests of log FID over seeds (a diverged run counts
    as the worst run of the matrix), Holm over all of them.

    Args:
        matrix: the cells.
        alpha: the level of the tests.
        labels: whether what uses class labels takes part.
    """
    every = [key for key in matrix.counted.index if labels or not uses_labels(*key)]
    keys = [key for key in every if key[1] == PLAIN] or every
    row = matrix.cell(*keys[0]) if keys else None
    if row is None or not row["fid_n"]:
        return None
    logs = robustness.logs(matrix)
    first = logs[keys[0][::-1]]
    differences = [(logs[key[::-1]] - first).to_numpy(dtype=np.float64) for key in keys[1:]]
    apart = _differ(differences, alpha)
    tied = [key for key, clear in zip(keys[1:], apart, strict=True) if not clear]
    return Leader(keys[0], row, tied, len(keys) - 1 - len(tied))


def near(matrix: Matrix) -> int:
    """How many cells' intervals of FID reach that of the first."""
    cells = matrix.counted
    return int((cells["fid_low"].iloc[1:] <= cells["fid_high"].iloc[0]).sum())


def of_tricks(matrix: Matrix, alpha: float = ALPHA) -> pd.DataFrame:
    """What each trick does to the FID of the losses that it ran with.

    For each seed the mean over these losses of log FID with the trick less that without it, a
    diverged run counted as the matrix's worst. So an effect is one on these losses, not on all that
    there might be. What ran with several is told by its first one: it is held against the rest of
    them where that ran too (spectral-norm+ema against ema).

    Returns:
        A row for each trick, the greatest help first: `trick`, `against` (what it is held against),
        `losses` (how many), `names`, `effect` (of log FID; below 0 helps), `low`, `high` (95 % t
        interval over seeds), `better` (of how many losses FID is lower), `clear` (whether a t test
        with Holm over the tricks tells it from none).
    """
    columns = ["trick", "against", "losses", "names", "effect", "low", "high", "better"]
    if matrix.finals["fid"].notna().sum() == 0:
        return pd.DataFrame(columns=[*columns, "clear"])
    logs, rows, effects = robustness.logs(matrix), [], []
    for trick in matrix.tricks:
        rest = trick.partition("+")[2]
        base = rest if rest in matrix.tricks else PLAIN
        losses = [
            loss
            for loss in matrix.losses
            if {(trick, loss), (base, loss)} <= set(logs.columns) and loss not in matrix.checks
        ]
        if trick == PLAIN or not losses:
            continue
        changes = pd.DataFrame({x: logs[trick, x] - logs[base, x] for x in losses})
        effects.append(changes.mean(axis=1).dropna().to_numpy(dtype=np.float64))
        better = int((changes.mean() < 0).sum())
        interval = estimators.mean_interval(effects[-1])
        rows.append((trick, base, len(losses), losses, *interval, better))
    table = pd.DataFrame(rows, columns=columns)
    table["clear"] = pd.Series(_differ(effects, alpha), dtype=bool)
    return table.sort_values("effect", kind="stable").reset_index(drop=True)


def _differ(differences: Sequence[ArrayLike], alpha: float) -> list[bool]:
    """Whether the mean of each of these differs from 0, by t tests with Holm's correction."""
    p = [_p_value(np.asarray(values, dtype=np.float64)) for values in differences]
    return [bool(value <= alpha) for value in estimators.holm(p)]


def _p_value(values: np.ndarray) -> float:
    """Two-sided p of a t test that the mean is 0; 1 where it cannot be made."""
    from scipy import stats

    values = values[np.isfinite(values)]
    if len(values) < 2:
        return 1.0
    if not values.std():
        return 0.0 if values[0] else 1.0
    p = float(stats.ttest_1samp(values, 0.0).pvalue)
    return 1.0 if math.isnan(p) else p
