"""Verdicts on claims: paired differences over seeds in, a word for each claim out.

The rule is `rule.RULE`, which the report prints. docs/adr/0018-verdicts.md has the reasons, and
tests/analysis/test_verdicts.py measures the errors that it makes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ganlore.analysis import estimators, random_effects, resampling

Verdict = Literal[
    "holds", "contradicted", "does not hold", "undecided", "not converged", "not testable here",
    "not tested",
]  # fmt: skip


class Meaning(NamedTuple):
    """How a verdict is shown, wherever it is.

    Attributes:
        sign: so that no verdict is recognised by its colour alone.
        text: what it means, in short; `RULE` has it in full.
        tone: the name of its colour: held, bad, ink or muted.
        several: of several claims, after their number.
        sentence: the same in a sentence, of one and of several.
        decided: whether a test established it, with Holm's correction.
    """

    sign: str
    text: str
    tone: str
    several: str
    sentence: tuple[str, str]
    decided: bool = False


VERDICTS: dict[Verdict, Meaning] = {
    "holds": Meaning(
        "✓", "the effect is as claimed, and beyond the margin", "held", "hold",
        ("holds", "hold"), True
    ),
    "contradicted": Meaning(
        "✗", "the effect is against the claim, and beyond the margin", "bad", "contradicted",
        ("is contradicted", "are contradicted"), True,
    ),
    "does not hold": Meaning(
        "≈", "any effect as claimed is smaller than the margin", "ink", "do not hold",
        ("does not hold", "do not hold"),
    ),
    "undecided": Meaning(
        "?", "the interval reaches across the margin, or the seeds are too few", "muted",
        "undecided", ("is undecided", "are undecided"),
    ),
    "not converged": Meaning(
        "↓", "its runs were still on the way when their budget ended", "muted", "not converged",
        ("compares runs that have not converged", "compare runs that have not converged"),
    ),
    "not testable here": Meaning(
        "⊘", "it could not come out both ways here, needs other data, or a control failed", "muted",
        "not testable here", ("is not testable here", "are not testable here"),
    ),
    "not tested": Meaning(
        "–", "runs that it needs are missing", "muted", "not tested",
        ("was not tested", "were not tested"),
    ),
}  # fmt: skip
"""All verdicts, in the order in which a summary counts them."""


def counted(verdict: Verdict, count: int) -> str:
    """A verdict with the number of claims that have it: `1 holds`, `3 do not hold`."""
    return f"{count} {verdict if count == 1 else VERDICTS[verdict].several}"


def tally(verdicts: Iterable[Verdict]) -> dict[Verdict, int]:
    """How often each verdict was given; those that were not are left out."""
    counts = Counter(verdicts)
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


GATED: tuple[Verdict, ...] = ("not converged", "not testable here", "not tested")
"""The states of what has no verdict, since a gate before it is shut; the last is the strongest."""

Name = TypeVar("Name", bound=Hashable)

ALPHA = 0.05


@dataclass(frozen=True)
class Outcome:
    """What n seeds say of one test, on the scale of its differences; n is 0 where runs are missing.

    `low` and `high` are the ends of the 95 % interval, NaN with one seed. The p-values are of
    exact one-sided sign-flip tests: `p_holds` of the null "effect <= margin", `p_contradicted` of
    "effect >= -margin", `p_smaller` of "effect >= margin". `floor` is the smallest two-sided p
    that n seeds can give (a one-sided one: half of it). `seeds_needed`: how many seeds would
    decide (`estimators.seeds_needed`), or None. `gated`: the state that it has in place of a
    verdict, where a gate before it is shut. `error`: the effect's standard error. `not_worse`:
    whether it holds already above minus the margin; `p_holds` and `p_smaller` are against that.
    """

    n: int = 0
    effect: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_holds: float = math.nan
    p_contradicted: float = math.nan
    floor: float = math.nan
    seeds_needed: int | None = None
    p_smaller: float = math.nan
    margin: float = math.nan
    gated: Verdict | None = None
    error: float = math.nan
    not_worse: bool = False

    @property
    def least(self) -> float:
        """The effect above which it holds."""
        return -self.margin if self.not_worse else self.margin

    @property
    def beyond(self) -> float:
        """How far the effect is above that, in widths of its interval: what equal p leave open."""
        return (self.effect - self.least) / max(self.high - self.low, math.ulp(1.0))


@dataclass(frozen=True)
class Decision:
    """A claim's verdict with its p-values after Holm, NaN where it has none.

    `seeds_needed`: how many seeds would decide an undecided claim, None where no number would or
    none is needed.
    """

    verdict: Verdict = "not tested"
    p_holds: float = math.nan
    p_contradicted: float = math.nan
    seeds_needed: int | None = None


def weigh(
    differences: ArrayLike,
    margin: float,
    key: str = "",
    family: int = 1,
    alpha: float = ALPHA,
    not_worse: bool = False,
) -> Outcome:
    """Weigh one test.

    Args:
        differences: one for each seed, positive where the claim says so, (n,), n >= 1.
        margin: the smallest effect of interest, >= 0, on the differences' scale.
        key: what the bootstrap's randomness is keyed by, such as "C14/2": the same differences
            with the same key have the same interval, whatever else is computed.
        family: number of claims that Holm's adjustment will be over, for `seeds_needed`.
        alpha: the level of tests and intervals.
        not_worse: whether an effect above minus the margin is as claimed.

    Raises:
        ValueError: if a difference is not finite, there is none, or the margin is negative.
    """
    rows = np.asarray(differences)[None]
    return weigh_rows(rows, margin, key, family, alpha, not_worse=not_worse)[0]


def weigh_rows(
    differences: ArrayLike,
    margin: float,
    key: str = "",
    family: int = 1,
    alpha: float = ALPHA,
    resamples: int = resampling.RESAMPLES,
    not_worse: bool = False,
) -> list[Outcome]:
    """`weigh` for each row of (m, n) differences; the rows share resamples."""
    rows = np.asarray(differences, dtype=np.float64)
    if rows.ndim != 2 or rows.size == 0 or not np.isfinite(rows).all():
        raise ValueError(f"expected finite differences of shape (m, n), got {rows!r}")
    if not margin >= 0:
        raise ValueError(f"expected a margin >= 0, got {margin}")
    n = rows.shape[-1]
    low, high = resampling.mean_bca(
        rows, resampling.keyed("interval", key, n), 1 - alpha, resamples
    )
    signs = resampling.keyed("signs", key, n)
    least = -margin if not_worse else margin
    table = pd.DataFrame(
        {
            "effect": rows.mean(axis=-1),
            "low": low,
            "high": high,
            "p_holds": resampling.sign_flip(rows - least, signs),
            "p_contradicted": resampling.sign_flip(-margin - rows, signs),
            "p_smaller": resampling.sign_flip(least - rows, signs),
        }
    )
    floor = estimators.sign_flip_floor(n)
    fixed = {"n": n, "floor": floor, "margin": margin, "not_worse": not_worse}
    outcomes = [Outcome(**fixed, **row) for row in table.to_dict("records")]
    deviations = rows.std(axis=-1, ddof=1) if n > 1 else np.full(len(rows), np.nan)
    return [
        replace(
            outcome,
            seeds_needed=_more(outcome, deviation, family, alpha),
            error=deviation / math.sqrt(n),
        )
        for outcome, deviation in zip(outcomes, deviations.tolist(), strict=True)
    ]


def weigh_units(
    pairs: ArrayLike,
    margin: float,
    family: int = 1,
    alpha: float = ALPHA,
    not_worse: bool = False,
) -> Outcome:
    """Weigh one test whose observations are losses or data sets, by random effects.

    Args:
        pairs: differences of each unit and seed, positive where the claim says so, (k, n), NaN
            where a pair is missing.
        margin: the smallest effect of interest, >= 0.
        family: number of claims that Holm's adjustment will be over.
        alpha: the level of tests and intervals.
        not_worse: whether an effect above minus the margin is as claimed.

    Returns:
        An outcome of k units. Its p-values are of t tests, which have no floor.
    """
    mean = random_effects.of_pairs(pairs)
    least = -margin if not_worse else margin
    low, high = mean.interval(1 - alpha)
    outcome = Outcome(
        n=len(np.asarray(pairs)),
        effect=mean.effect,
        low=low,
        high=high,
        p_holds=mean.above(least),
        p_contradicted=_below(mean, -margin),
        p_smaller=_below(mean, least),
        floor=0.0,
        margin=margin,
        error=mean.error,
        not_worse=not_worse,
    )
    deviation = mean.error * math.sqrt(outcome.n)
    return replace(outcome, seeds_needed=_more(outcome, deviation, family, alpha))


def _below(mean: random_effects.Combined, null: float) -> float:
    """One-sided p of the null that the mean is at least `null`."""
    return mean._replace(effect=-mean.effect).above(-null)


def _more(outcome: Outcome, deviation: float, family: int, alpha: float) -> int | None:
    """How many seeds would decide a claim of this test alone; None where it is decided."""
    margin, beyond = outcome.least, outcome.effect - outcome.least
    if outcome.low > margin and outcome.p_holds * family <= alpha:
        return None
    if outcome.high < margin and outcome.p_smaller <= alpha:
        return None
    # Above the margin the strictest step of Holm counts; "does not hold" is in no family.
    level = min(alpha / 2, alpha / family) if beyond > 0 else alpha / 2
    return estimators.seeds_needed(outcome.n, beyond, deviation, level)


def decide(claims: Mapping[Name, Sequence[Outcome]], alpha: float = ALPHA) -> dict[Name, Decision]:
    """Decide all claims of a file at once, by `RULE`.

    Args:
        claims: outcomes of the tests of each claim. A claim with no test, or with one of no seeds
            or behind a shut gate, has that state for a verdict; the correction is over all of them,
        since what shuts a gate depends on the runs too.
        alpha: the level of each family and of the intervals.

    Returns:
        A decision for each claim, in the order given.
    """
    states = {name: gated(tests) for name, tests in claims.items()}
    tested = {name: tests for name, tests in claims.items() if states[name] is None}
    rest = [1.0] * (len(claims) - len(tested))
    holds = estimators.holm([max(o.p_holds for o in tests) for tests in tested.values()] + rest)
    against = estimators.holm(
        [estimators.simes([o.p_contradicted for o in tests]) for tests in tested.values()] + rest
    )
    supported = iter(_supported([test for tests in tested.values() for test in tests], alpha))
    decisions = {name: Decision(state or "not tested") for name, state in states.items()}
    for (name, tests), p_holds, p_contradicted in zip(
        tested.items(), holds.tolist(), against.tolist(), strict=False
    ):
        parts = [next(supported) for _ in tests]
        verdict = _verdict(tests, p_holds, p_contradicted, alpha, any(parts))
        needed = _needed(tests, alpha / len(claims)) if verdict == "undecided" else None
        decisions[name] = Decision(verdict, p_holds, p_contradicted, needed)
    return decisions


def _supported(tests: Sequence[Outcome], alpha: float) -> list[bool]:
    """Whether each of all tests of a file holds by itself: a family of its own."""
    p = estimators.holm([test.p_holds for test in tests])
    return [
        value <= alpha and test.low > test.least
        for value, test in zip(p.tolist(), tests, strict=True)
    ]


def gated(tests: Sequence[Outcome]) -> Verdict | None:
    """The state in place of a verdict on these tests: of their shut gates the strongest one's."""
    states: list[Verdict] = [
        test.gated or "not tested" for test in tests if test.gated or not test.n
    ]
    return max(states, key=GATED.index) if states else None if tests else "not tested"


def _verdict(
    tests: Sequence[Outcome], p_holds: float, p_contradicted: float, alpha: float, supported: bool
) -> Verdict:
    if p_holds <= alpha and all(test.low > test.least for test in tests):
        return "holds"
    strongest = min(tests, key=lambda test: (test.p_contradicted, test.high + test.margin))
    against = p_contradicted <= alpha and strongest.high < -strongest.margin
    if against and not supported:
        return "contradicted"
    if any(t.high < t.least and t.p_smaller * len(tests) <= alpha for t in tests):
        return "does not hold"
    return "undecided"


def _needed(tests: Sequence[Outcome], level: float) -> int | None:
    """How many seeds would decide: all of the tests to hold, or one to fail if any tends to."""
    failing = [test.seeds_needed for test in tests if test.effect < test.least]
    if failing:
        return min((count for count in failing if count is not None), default=None)
    waiting = [
        test.seeds_needed for test in tests if test.low <= test.least or test.p_holds > level
    ]
    counts = [count for count in waiting if count is not None]
    return max(counts, default=None) if len(counts) == len(waiting) else None
