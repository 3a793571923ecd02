"""What claims come to: the findings of their tests, their verdicts, and both as tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import pandas as pd

from ganlore.analysis.claims.describe import number, percent
from ganlore.analysis.claims.verdicts import Outcome, Verdict
from ganlore.analysis.tables import CELL
from ganlore.study.claims import Claim, Test
from ganlore.study.run import Cell


@dataclass(frozen=True)
class Measured:
    """What the runs say of one test.

    Attributes:
        test: its definition.
        label: it in words.
        outcome: its weight; None where it could not be weighed.
        values: one row a seed: `train_seed`, `treatment`, `control` (the constant, where the test
            has one), `difference` (positive as claimed); on the test's scale.
        cells: the cells of each side that count, by side.
        without: runs of treatment and control that had no value (diverged), and count as worst.
        missing: what it would have needed, in words; empty where all is there.
    """

    test: Test
    label: str
    outcome: Outcome | None
    values: pd.DataFrame
    cells: dict[str, list[Cell]]
    without: tuple[int, int]
    missing: tuple[str, ...]

    @property
    def natural(self) -> tuple[float, float, float]:
        """The effect and its interval, lower end first, as treatment less control.

        It is the treatment itself where that is held against a constant; NaN without an outcome.
        """
        if self.outcome is None:
            return math.nan, math.nan, math.nan
        found = self.outcome
        sign = 1.0 if self.test.claimed == "higher" else -1.0
        base = self.test.constant or 0.0
        low, high = sorted((base + sign * found.low, base + sign * found.high))
        return base + sign * found.effect, low, high

    @property
    def effect_text(self) -> str:
        """The effect with its interval, for a reader; an empty text without an outcome."""
        if self.outcome is None:
            return ""
        signed = self.test.constant is None
        form = percent if self.test.scale == "log" and signed else number
        effect, low, high = (form(value, signed) for value in self.natural)
        return f"{effect} ({low} to {high})"


@dataclass(frozen=True)
class Judged:
    """A claim with its verdict.

    Attributes:
        id: its name in the file.
        claim: its definition.
        verdict: a word.
        p_holds: after Holm; NaN where it was not tested.
        p_contradicted: likewise.
        tests: what each of its tests found.
        note: how many seeds would decide, or what is missing.
    """

    id: str
    claim: Claim
    verdict: Verdict
    p_holds: float
    p_contradicted: float
    tests: tuple[Measured, ...]
    note: str

    @property
    def n(self) -> int:
        """The seeds that its tests had, the fewest of them."""
        return min((test.outcome.n for test in self.tests if test.outcome), default=0)

    @property
    def deciding(self) -> Measured:
        """The test that the verdict hangs on.

        The one with the least support for the claim, or, where it is contradicted, with the most
        against it; where it was not tested, the first that lacks something.
        """
        known = [test for test in self.tests if test.outcome]
        if not known or len(known) < len(self.tests):
            return next(test for test in self.tests if test.outcome is None)
        if self.verdict == "contradicted":
            return min(known, key=lambda test: cast(Outcome, test.outcome).p_contradicted)
        return max(known, key=lambda test: cast(Outcome, test.outcome).p_holds)


def table(judged: list[Judged]) -> pd.DataFrame:
    """One row for each test of each claim: `verdicts.csv`."""
    rows = []
    for found in judged:
        for index, test in enumerate(found.tests):
            effect, low, high = test.natural
            outcome = test.outcome
            rows.append(
                {
                    "claim": found.id,
                    "statement": found.claim.statement,
                    "articles": " ".join(found.claim.articles),
                    "verdict": found.verdict,
                    "test": index + 1,
                    "label": test.label,
                    "claimed": test.test.claimed,
                    "effect": effect,
                    "low": low,
                    "high": high,
                    "scale": test.test.scale,
                    "shown": test.effect_text,
                    "margin": test.test.margin,
                    "n": outcome.n if outcome else 0,
                    "without_treatment": test.without[0],
                    "without_control": test.without[1],
                    "p_holds": outcome.p_holds if outcome else math.nan,
                    "p_contradicted": outcome.p_contradicted if outcome else math.nan,
                    "p_holds_holm": found.p_holds,
                    "p_contradicted_holm": found.p_contradicted,
                    "floor": outcome.floor if outcome else math.nan,
                    "seeds_needed": outcome.seeds_needed if outcome else None,
                    "deciding": test is found.deciding,
                    "note": found.note,
                    "missing": "; ".join(test.missing),
                }
            )
    return pd.DataFrame(rows)


def differences(judged: list[Judged]) -> pd.DataFrame:
    """One row for each seed of each test: `claims-seeds.csv`."""
    parts = [
        test.values.assign(claim=found.id, test=index + 1)
        for found in judged
        for index, test in enumerate(found.tests)
        if not test.values.empty
    ]
    columns = ["claim", "test", "train_seed", "treatment", "control", "difference"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def cells(judged: list[Judged]) -> pd.DataFrame:
    """One row for each cell of each side of each test: `claims-cells.csv`, the way to the runs."""
    rows = [
        {"claim": found.id, "test": index + 1, "side": side, **dict(zip(CELL, cell, strict=True))}
        for found in judged
        for index, test in enumerate(found.tests)
        for side, named in test.cells.items()
        for cell in named
    ]
    return pd.DataFrame(rows, columns=["claim", "test", "side", *CELL])
