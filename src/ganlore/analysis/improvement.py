"""Who improves whom: what each trick does to each loss, paired by seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ganlore.analysis import estimators
from ganlore.analysis.tables import PLAIN

if TYPE_CHECKING:
    from ganlore.analysis.tables import Matrix


def improvements(matrix: Matrix) -> pd.DataFrame:
    """The change of FID that a trick makes to a loss, seed by seed.

    For each seed the logarithm of FID with the trick over FID without it; their mean over seeds
    with its 95 % t interval. Below 0 the trick helps. A pair of which a run diverged has no ratio:
    it is in no mean, and is counted.

    Args:
        matrix: the cells of one data set, network and variant.

    Returns:
        A row for each loss and trick that ran with the loss's plain form: `loss`, `trick`,
        `log_ratio`, `low`, `high` (natural logarithms), `n` pairs, `n_lost` pairs without a ratio.
    """
    ends = matrix.finals.set_index(["loss", "trick", "train_seed"])["fid"].sort_index()
    logs = np.log(ends.where(ends > 0))
    rows = []
    for loss in matrix.losses:
        for trick in matrix.tricks:
            if trick == PLAIN or matrix.cell(loss, trick) is None:
                continue
            if matrix.cell(loss, PLAIN) is None:
                continue
            pairs = (logs.loc[loss, trick] - logs.loc[loss, PLAIN]).dropna()
            mean, low, high = estimators.mean_interval(pairs.to_numpy())
            lost = len(logs.loc[loss, trick]) - len(pairs)
            rows.append((loss, trick, mean, low, high, len(pairs), lost))
    columns = ["loss", "trick", "log_ratio", "low", "high", "n", "n_lost"]
    return pd.DataFrame(rows, columns=columns)


def change(log_ratio: float) -> str:
    """A log ratio for a reader: -23 %, +40 %, and from a doubling on x2.3."""
    if not math.isfinite(log_ratio):
        return "–"
    ratio = math.exp(log_ratio)
    if ratio >= 2:
        return f"×{ratio:.1f}" if ratio < 10 else f"×{ratio:.0f}"
    percent = f"{100 * (ratio - 1):+.0f} %"
    return "0 %" if percent in ("+0 %", "-0 %") else percent.replace("-", "−")


def decided(low: float, high: float) -> bool:
    """Whether an interval excludes 0."""
    return low > 0 or high < 0
