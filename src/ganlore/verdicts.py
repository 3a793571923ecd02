"""Verdicts on claims: paired differences over seeds in, a word for each claim out.

The rule is `RULE`, which the report prints. docs/adr/0018-verdicts.md has the reasons, and
tests/test_verdicts.py measures the errors that it makes.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from ganlore import resampling, statistics

Verdict = Literal["holds", "does not hold", "contradicted", "undecided", "not tested"]

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 10_000

RULE: tuple[str, ...] = (
    "Each test of a claim has one difference for each seed, positive where the claim says so, and "
    "a margin: the smallest effect of interest. Both were written down before the runs.",
    "The effect is the mean of the differences. Its interval is the 95 % BCa bootstrap interval "
    "over seeds, at a nominal level that allows for few seeds.",
    "Exact sign-flip tests compare the effect with the margin: the share of all 2^n patterns of "
    "signs of (difference - margin) whose sum is at least the observed one. They are one-sided, in "
    "the direction that the claim names; with n seeds p is at least 1/2^n.",
    "A claim holds if all of its tests do: its p is their largest. It is contradicted if one of "
    "its tests is: its p is their smallest, times their number.",
    "Both p-values are adjusted for the number of claims (Holm), as two families at 5 % each.",
    "holds: the adjusted p is at most 5 %, and the interval of every test lies above its margin.",
    "contradicted: the adjusted p is at most 5 %, and the interval of that test lies below minus "
    "its margin.",
    "does not hold: not contradicted, and the interval of one of the tests lies below its margin "
    "while a sign-flip test (5 % divided by the number of the claim's tests) agrees: what effect "
    "there is, is smaller than the smallest effect of interest.",
    "undecided: none of these; the interval reaches across the margin or the seeds are too few.",
    "not tested: runs that one of its tests needs are missing.",
    "A run that diverged counts as the worst value among all runs of the same data set and "
    "network; it is never dropped.",
)


@dataclass(frozen=True)
class Outcome:
    """What the seeds say of one test, on the scale of its differences.

    `low` and `high` are the ends of the 95 % interval, NaN with one seed. The p-values are of
    exact one-sided sign-flip tests: `p_holds` of the null "effect <= margin", `p_contradicted` of
    "effect >= -margin", `p_smaller` of "effect >= margin". `floor` is the smallest two-sided p
    that n seeds can give, 2 / 2^n (a one-sided one: half of it). `seeds_needed`: see the function
    of that name; None where n seeds decide or no number up to `MOST_SEEDS` would.
    """

    n: int
    effect: float
    low: float
    high: float
    p_holds: float
    p_contradicted: float
    floor: float
    seeds_needed: int | None
    p_smaller: float
    margin: float


@dataclass(frozen=True)
class Decision:
    """A claim's verdict with its p-values after Holm, NaN where it was not tested."""

    verdict: Verdict
    p_holds: float
    p_contradicted: float


def weigh(
    differences: ArrayLike, margin: float, key: str = "", family: int = 1, alpha: float = ALPHA
) -> Outcome:
    """Weigh one test.

    Args:
        differences: one for each seed, positive where the claim says so, (n,), n >= 1.
        margin: the smallest effect of interest, >= 0, on the differences' scale.
        key: what the bootstrap's randomness is keyed by, such as "C14/2": the same differences
            with the same key have the same interval, whatever else is computed.
        family: number of claims that Holm's adjustment will be over, for `seeds_needed`.
        alpha: the level of tests and intervals.

    Raises:
        ValueError: if a difference is not finite, there is none, or the margin is negative.
    """
    array = np.asarray(differences, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"expected differences of shape (n,), got {array.shape}")
    return weigh_rows(array[None], [margin], key, family, alpha)[0]


def weigh_rows(
    differences: ArrayLike,
    margins: ArrayLike,
    key: str = "",
    family: int = 1,
    alpha: float = ALPHA,
    resamples: int = resampling.RESAMPLES,
) -> list[Outcome]:
    """`weigh` for each row of (m, n) differences with (m,) margins; the rows share resamples."""
    rows = np.asarray(differences, dtype=np.float64)
    margin = np.asarray(margins, dtype=np.float64)
    if rows.size == 0 or not np.isfinite(rows).all() or not (margin >= 0).all():
        raise ValueError(f"expected finite differences and margins >= 0, got {rows!r}, {margin!r}")
    n = rows.shape[-1]
    low, high = resampling.mean_bca(
        rows, resampling.keyed("interval", key, n), 1 - alpha, resamples
    )
    signs = resampling.keyed("signs", key, n)
    beyond = margin[:, None]
    columns = (
        rows.mean(axis=-1),
        low,
        high,
        resampling.sign_flip(rows - beyond, signs),
        resampling.sign_flip(-beyond - rows, signs),
        resampling.sign_flip(beyond - rows, signs),
        rows.std(axis=-1, ddof=1) if n > 1 else np.full(len(rows), np.nan),
        margin,
    )
    floor = statistics.sign_flip_floor(n)
    found = []
    for effect, lower, upper, p_holds, p_contradicted, p_smaller, deviation, least in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        reached = lower > least and p_holds * family <= alpha
        missed = upper < least and p_smaller <= alpha
        needed = (
            None
            if reached or missed
            else seeds_needed(n, effect - least, deviation, family=family, alpha=alpha)
        )
        found.append(
            Outcome(
                n=n,
                effect=effect,
                low=lower,
                high=upper,
                p_holds=p_holds,
                p_contradicted=p_contradicted,
                floor=floor,
                seeds_needed=needed,
                p_smaller=p_smaller,
                margin=least,
            )
        )
    return found


def seeds_needed(
    n: int, beyond: float, deviation: float, family: int = 1, alpha: float = ALPHA
) -> int | None:
    """The fewest seeds, more than n, that would decide a test in four studies of five.

    If the observed mean and standard deviation were the true ones. Above the margin, "holds" asks
    for an interval above it and, at worst, for p <= alpha / family. Below it, "does not hold" asks
    for an interval below it and p <= alpha. Both are approximated by a one-sided t test at the
    stricter of the two levels, with 80 % power: sqrt(n) |beyond| / s >= t(level) + t(0.8). The
    sign-flip test's floor 1 / 2^n must pass that level too.

    Args:
        n: seeds so far.
        beyond: effect less margin.
        deviation: standard deviation of the differences; NaN with one seed.
        family: number of claims that Holm's adjustment is over.
        alpha: the level of tests and intervals.

    Returns:
        The number, or None where the effect sits at the margin, the deviation is unknown, or
        `MOST_SEEDS` do not suffice.
    """
    if beyond == 0 or not math.isfinite(deviation):
        return None
    level = min(alpha / 2, alpha / family) if beyond > 0 else alpha / 2

    def decides(count: int) -> bool:
        quantiles = -special.stdtrit(count - 1, level) + special.stdtrit(count - 1, POWER)
        return bool(
            2.0**-count <= level and math.sqrt(count) * abs(beyond) >= quantiles * deviation
        )

    first = max(n + 1, 2)
    needed = first + bisect.bisect_left(range(first, MOST_SEEDS + 1), True, key=decides)
    return needed if needed <= MOST_SEEDS else None


def decide(
    claims: Mapping[str, Sequence[Outcome | None]], alpha: float = ALPHA
) -> dict[str, Decision]:
    """Decide all claims of a file at once, by `RULE`.

    Args:
        claims: outcomes of the tests of each claim. None stands for a test whose runs are missing;
            a claim with one, or with no test, is not tested and counts in no family.
        alpha: the level of each family and of the intervals.

    Returns:
        A decision for each claim, in the order given.
    """
    tested: dict[str, list[Outcome]] = {}
    for name, outcomes in claims.items():
        known = [outcome for outcome in outcomes if outcome is not None]
        if known and len(known) == len(outcomes):
            tested[name] = known
    holds = holm([max(o.p_holds for o in tests) for tests in tested.values()])
    against = holm(
        [min(1.0, len(tests) * min(o.p_contradicted for o in tests)) for tests in tested.values()]
    )
    decisions = {name: Decision("not tested", math.nan, math.nan) for name in claims}
    for (name, tests), p_holds, p_contradicted in zip(
        tested.items(), holds.tolist(), against.tolist(), strict=True
    ):
        verdict = _verdict(tests, p_holds, p_contradicted, alpha)
        decisions[name] = Decision(verdict, p_holds, p_contradicted)
    return decisions


def _verdict(
    tests: Sequence[Outcome], p_holds: float, p_contradicted: float, alpha: float
) -> Verdict:
    if p_holds <= alpha and all(test.low > test.margin for test in tests):
        return "holds"
    strongest = min(tests, key=lambda test: (test.p_contradicted, test.high + test.margin))
    if p_contradicted <= alpha and strongest.high < -strongest.margin:
        return "contradicted"
    if any(t.high < t.margin and t.p_smaller * len(tests) <= alpha for t in tests):
        return "does not hold"
    return "undecided"


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values adjusted for their number by Holm 1979, at most 1.

    The k-th smallest of m is multiplied by m - k + 1, and none is smaller than those before it.

    Args:
        p_values: (m,), m >= 0.
    """
    p = np.asarray(p_values, dtype=np.float64)
    ascending = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[ascending] = np.minimum(
        1.0, np.maximum.accumulate(p[ascending] * np.arange(len(p), 0, -1))
    )
    return adjusted
