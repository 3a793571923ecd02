"""Steps to a target: runs that did not reach it are censored, not dropped (statsmodels)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Survival:
    """Share of runs that have not reached the target: a step function that begins at 1.

    `times`: where it falls, ascending, (k,). `share`: its value from there on, (k,). `low`,
    `high`: pointwise 95 % ends (log-log, within 0 and 1), (k,).
    """

    times: Array
    share: Array
    low: Array
    high: Array
    n: int
    n_reached: int


def kaplan_meier(times: ArrayLike, reached: ArrayLike) -> Survival:
    """Kaplan and Meier's estimate (1958) of the time to the target.

    Args:
        times: step at which each run reached the target, or up to which it was watched, (n,), > 0.
        reached: whether it did, (n,).

    Raises:
        ValueError: if there is no run, or a time is not finite and positive.
    """
    from scipy import special
    from statsmodels.duration.survfunc import SurvfuncRight

    time, status = _checked(times, reached)
    if not status.any():  # statsmodels has no curve without an event
        empty = np.empty(0)
        return Survival(empty, empty, empty, empty, len(time), 0)
    curve = SurvfuncRight(time, status)
    share = np.asarray(curve.surv_prob, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = special.ndtri(0.975) * curve.surv_prob_se / (share * np.abs(np.log(share)))
        low, high = share ** np.exp(spread), share ** np.exp(-spread)
    has_spread = np.isfinite(spread)  # where all have reached it there is no spread to estimate
    return Survival(
        times=np.asarray(curve.surv_times, dtype=np.float64),
        share=share,
        low=np.where(has_spread, low, share),
        high=np.where(has_spread, high, share),
        n=len(time),
        n_reached=int(status.sum()),
    )


def log_rank(times: ArrayLike, reached: ArrayLike, group: ArrayLike) -> float:
    """P of the log-rank test that groups reach the target alike (Mantel 1966).

    Args:
        times: as for `kaplan_meier`, all groups' together, (n,).
        reached: whether each did, (n,).
        group: which group each run is of, (n,).

    Returns:
        P; NaN where no run reached the target, or there is one group.
    """
    from statsmodels.duration.survfunc import survdiff

    time, status = _checked(times, reached)
    if not status.any() or len(np.unique(group)) < 2:
        return math.nan
    return float(np.squeeze(survdiff(time, status, np.asarray(group))[1]))


def _checked(times: ArrayLike, reached: ArrayLike) -> tuple[Array, NDArray[np.int64]]:
    time = np.asarray(times, dtype=np.float64)
    status = np.asarray(reached, dtype=bool)
    if time.ndim != 1 or not len(time) or time.shape != status.shape:
        raise ValueError(f"expected times and reached of one shape (n,), got {time}, {status}")
    if not np.isfinite(time).all() or (time <= 0).any():
        raise ValueError(f"expected finite times above 0, got {time}")
    return time, status.astype(np.int64)
