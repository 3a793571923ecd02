"""Whether the tests of a file of claims can come out both ways, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ganlore.analysis.claims import circumstances, comparison, settings
from ganlore.analysis.claims.attainable import attainable, bound
from ganlore.analysis.claims.describe import describe
from ganlore.analysis.claims.measures import Source
from ganlore.analysis.tables import Tables
from ganlore.study import asking
from ganlore.study.run import Plan


class Checked(NamedTuple):
    """A test that was checked.

    Attributes:
        name: of the claim, with the test's number from 1.
        label: the test in words.
        low: the smallest effect that it can show, positive as claimed.
        high: the largest.
        margin: the smallest effect of interest.
        reason: why it cannot come out both ways; empty where it can.
    """

    name: str
    label: str
    low: float
    high: float
    margin: float
    reason: str

    @property
    def line(self) -> str:
        """What `ganlore claims --check` prints of it."""
        word = "refused" if self.reason else "can come out both ways"
        effects = f"effects {bound(self.low)} to {bound(self.high)}, margin {self.margin:g}"
        reason = f"\n    {self.reason}" if self.reason else ""
        return f"{self.name}  {word}: {effects}: {self.label}{reason}"


def check(plan: Plan, finished: tuple[Plan, Tables] | None = None) -> Iterator[Checked]:
    """Check all tests of the claims that a study asks.

    Args:
        plan: the study's, with claims.
        finished: plan and tables of a study that is finished, whose floor and controls bound the
            effects too; a test of which it lacks cells is bounded by its floor alone.
    """
    claims = plan.study.claims
    assert claims is not None
    source = Source(*finished) if finished else None
    everything = {n: c for n, c in claims.everything.items() if n in asking.names(plan.study)}
    for name, claim in everything.items():
        family = next(len(family) for family in claims.families if name in family)
        split = [part for test in claim.tests for part in settings.split(plan, test, claim.unit)]
        for number, (_, test) in enumerate(split, start=1):
            here = circumstances.planned(plan, claims.alpha, test, claim.unit, family)
            if finished and source:
                asked = comparison.Asked(test, name, claim.unit, family)
                past = comparison.test_result(finished[0], claims, source, asked)
                here = circumstances.measured(here, source, test, past.values)
            low, high, reason = attainable(test, here)
            if gate := circumstances.elsewhere(plan, test):
                reason = gate.reason
            label = describe(test, claims.sets)
            yield Checked(f"{name}/{number}", label, low, high, test.margin, reason)
