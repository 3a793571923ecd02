"""The result of a claim: its verdict and its tests, as objects and as rows of tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pandas as pd

from ganlore import formatting
from ganlore.analysis.claims.describe import held_against, subject, timed
from ganlore.analysis.claims.gates import Gate
from ganlore.analysis.claims.settings import Setting
from ganlore.analysis.claims.verdicts import GATED, Decision, Outcome, Verdict, gated
from ganlore.analysis.tables import CELL
from ganlore.study.claims import Claim, Control, Test, Unit
from ganlore.study.run import Cell

NOUNS: dict[str, tuple[str, str]] = {
    "seed": ("seed", "seeds"), "loss": ("loss", "losses"), "dataset": ("data set", "data sets"),
    "repeat": ("repeat", "repeats"), "round": ("round", "rounds"),
}  # fmt: skip
"""What an observation is called: one, and several."""

OBSERVED = {"real-data": "repeat", "cost": "round"}
"""What stands in the place of a seed in a test that is not of runs."""

ESTABLISHED: tuple[Verdict, ...] = ("holds", "contradicted")
"""What a negative control must not be."""

SEEDS = ["train_seed", "treatment", "control", "difference"]


@dataclass(frozen=True)
class TestResult:
    """What the runs say of one test.

    Attributes:
        definition: the test in the file.
        label: the test in words.
        cells: the cells that were compared, by side.
        outcome: of its statistics, on the scale of the seeds' differences.
        values: one row a seed with the columns `SEEDS`, the difference positive as claimed; where
            another unit is the observation, its name in `unit` in place of the seed.
        without: runs of treatment and control that had no value (diverged), and count as worst.
        arrived: of treatment and control, how many runs of how many came to the target of a test
            of time; empty for other tests.
        missing: what the test lacks, in words.
        gate: the gate before it that is shut, None where it has a verdict.
        unit: what is one observation.
        setting: where its verdict is about; None where that is not said.
        verdict: its own.
    """

    __test__: ClassVar[bool] = False  # pytest takes classes of this name for its own

    definition: Test
    label: str
    cells: dict[str, list[Cell]] = field(default_factory=dict, repr=False)
    outcome: Outcome = Outcome()
    values: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=SEEDS), repr=False)
    without: tuple[int, int] = (0, 0)
    arrived: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    gate: Gate | None = None
    unit: Unit = "seed"
    setting: Setting | None = None
    verdict: Verdict = "not tested"

    @property
    def scope(self) -> str:
        """Its setting in words."""
        return self.setting.words if self.setting else ""

    @property
    def in_words(self) -> str:
        """The effect with its direction: FID 12 % lower, 8 to 15 %; empty without one."""
        if not self.outcome.n:
            return ""
        what = subject(self.measure)
        constant = self.definition.constant
        if constant is not None:
            sign = 1 if self.definition.claimed == "higher" else -1
            bar = constant + sign * self.outcome.least
            return f"{what} {held_against(self.effect, bar, self.definition.ratios)}"
        return f"{what} {timed(self.effect, self.definition.ratios, self.arrived)}"

    @property
    def effect(self) -> tuple[float, float, float]:
        """Treatment less control, or the treatment where that is compared with a constant.

        The effect and the ends of its interval, lower end first; NaN where it could not be made.
        """
        sign = 1.0 if self.definition.claimed == "higher" else -1.0
        base = self.definition.constant or 0.0
        outcome = self.outcome
        low, high = sorted((base + sign * outcome.low, base + sign * outcome.high))
        return base + sign * outcome.effect, low, high

    @property
    def rendered(self) -> str:
        """The effect with its interval as text; empty where the test could not be made."""
        if not self.outcome.n:
            return ""
        alone = self.definition.constant is not None
        if self.definition.ratios and not alone:
            effect, low, high = map(formatting.change, self.effect)
        else:
            effect, low, high = (formatting.difference(end, not alone) for end in self.effect)
        return f"{effect} ({low} to {high})"

    @property
    def noun(self) -> str:
        """What an observation is called."""
        return self.nouns[0]

    @property
    def nouns(self) -> tuple[str, str]:
        """What one observation is called, and several."""
        own = OBSERVED.get(self.definition.take, "seed")
        return NOUNS[own if self.unit == "seed" else self.unit]

    @property
    def observations(self) -> str:
        """How many observations it has, and of what; empty where it could not be made."""
        return f"{self.outcome.n} {self.nouns[self.outcome.n != 1]}" if self.outcome.n else ""

    @property
    def measure(self) -> str:
        """What it measures: its label up to the cells."""
        return self.label.split(":")[0]


@dataclass(frozen=True)
class SettingResult:
    """A claim's verdict in one setting, by its tests there."""

    setting: Setting
    decision: Decision
    tests: tuple[TestResult, ...]


@dataclass(frozen=True)
class Overall:
    """One measure over the settings that have a verdict, each an observation of random effects.

    Attributes:
        measure: what is measured.
        settings: how many.
        holds: in how many of them the test holds.
        effect: treatment less control, with the ends of its 95 % interval.
        in_words: the effect with its direction.
    """

    measure: str
    settings: int
    holds: int
    effect: tuple[float, float, float]
    in_words: str


@dataclass(frozen=True)
class ClaimResult:
    """A claim with its verdict, the same for the page, the paper and README.

    Attributes:
        id: its name in the file.
        definition: the claim in the file.
        decision: its verdict, by the tests of the settings whose gates are open.
        tests: the results of its tests, one for each setting of each.
        settings: its verdict in each setting.
        overall: its measures over several settings.
    """

    id: str
    definition: Claim
    decision: Decision
    tests: tuple[TestResult, ...]
    settings: tuple[SettingResult, ...] = ()
    overall: tuple[Overall, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """One of `verdicts.VERDICTS`."""
        return self.decision.verdict

    @property
    def n(self) -> int:
        """The observations that its tests had, the fewest of them."""
        return min((test.outcome.n for test in self.judged if test.outcome.n), default=0)

    @property
    def is_control(self) -> bool:
        """Whether it is a control and no claim."""
        return isinstance(self.definition, Control)

    @property
    def is_positive(self) -> bool:
        """Whether it is a control that must hold."""
        return self.is_control and self.id.startswith("P")

    def as_it_must(self, verdict: Verdict) -> bool:
        """Whether a control with this verdict is as it must be; one that was not seen is not."""
        return verdict == "holds" if self.is_positive else verdict not in (*ESTABLISHED, *GATED)

    @property
    def passed(self) -> bool:
        """Whether a control is as it must be, in each of its settings."""
        words = [one.decision.verdict for one in self.settings] or [self.verdict]
        return all(map(self.as_it_must, words))

    @property
    def judged(self) -> tuple[TestResult, ...]:
        """The tests that its verdict is by: those of settings whose gates are open, if it has one.

        Otherwise, and where a question of it is open in no setting, those whose gate is its state.
        """
        if self.verdict in GATED:
            places = [one for one in self.settings if one.decision.verdict == self.verdict]
        else:
            places = [one for one in self.settings if one.decision.verdict not in GATED]
        return tuple(test for place in places for test in place.tests) or self.tests

    @property
    def scope(self) -> str:
        """The settings that its verdict is about, in words."""
        return "; ".join(dict.fromkeys(test.scope for test in self.judged if test.scope))

    @property
    def summary(self) -> str:
        """In how many settings it holds; empty where it has one setting."""
        if len(self.settings) < 2:
            return ""
        counts = Counter(one.decision.verdict for one in self.settings)
        shut = [f"{counts[word]} {word}" for word in GATED if counts[word]]
        n = len(self.settings) - sum(counts[word] for word in GATED)
        first = f"holds in {counts['holds']} of {n} settings" if n else "no verdict in any setting"
        return "; ".join([first, *shut])

    @property
    def deciding(self) -> TestResult:
        """The test that the verdict depends on.

        The one with the least support for the claim, or, where it is contradicted, with the most
        against it; where it has no verdict, the first whose gate is shut.
        """
        if self.verdict in GATED:
            return next(test for test in self.judged if gated([test.outcome]) == self.verdict)
        if self.verdict == "contradicted":
            return min(self.judged, key=lambda t: (t.outcome.p_contradicted, t.outcome.beyond))
        return max(self.judged, key=lambda t: (t.outcome.p_holds, -t.outcome.beyond))

    @property
    def note(self) -> str:
        """How many seeds would decide, what is missing, or why a gate is shut."""
        if self.verdict == "not tested":
            lacking = list(dict.fromkeys(text for test in self.judged for text in test.missing))
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            return f"lacks {'; '.join(lacking[:3])}{more}"
        if self.deciding.gate is not None:
            return self.deciding.gate.reason
        if self.verdict != "undecided" or self.is_control:
            return ""
        units, needed = self.deciding.nouns[1], self.decision.seeds_needed
        if needed is None:
            return f"too close to the margin for a feasible number of {units} to decide"
        return f"about {needed:,} {units} would decide"


def rows(results: Iterable[ClaimResult]) -> pd.DataFrame:
    """One row for each test of each claim: `verdicts.csv`."""
    return pd.DataFrame([_row(result, number, test) for result, number, test in numbered(results)])


def _row(result: ClaimResult, number: int, test: TestResult) -> dict[str, Any]:
    effect, low, high = test.effect
    return {
        "claim": result.id,
        "control": ("positive" if result.is_positive else "negative") if result.is_control else "",
        "statement": result.definition.statement,
        "articles": " ".join(result.definition.articles),
        "of_tests": result.definition.of,
        "verdict": result.verdict,
        "passed": result.passed if result.is_control else None,
        "test": number,
        "label": test.label,
        "claimed": test.definition.claimed,
        "effect": effect,
        "low": low,
        "high": high,
        "scale": "log" if test.definition.ratios else "value",
        "shown": test.rendered,
        "margin": test.definition.margin,
        "n": test.outcome.n,
        "unit": test.noun,
        "without_treatment": test.without[0],
        "without_control": test.without[1],
        "p_holds": test.outcome.p_holds,
        "p_contradicted": test.outcome.p_contradicted,
        "p_holds_holm": result.decision.p_holds,
        "p_contradicted_holm": result.decision.p_contradicted,
        "floor": test.outcome.floor,
        "seeds_needed": test.outcome.seeds_needed,
        "deciding": test is result.deciding,
        "note": result.note,
        "missing": "; ".join(test.missing),
        "test_verdict": test.verdict,
        "scope": test.scope,
        "in_words": test.in_words,
        "settings": result.summary,
        "overall": "; ".join(one.in_words for one in result.overall),
        "gate": test.gate.state if test.gate else "",
        "gate_reason": test.gate.reason if test.gate else "",
    }


def differences(results: Iterable[ClaimResult]) -> pd.DataFrame:
    """One row for each observation of each test: `claims-seeds.csv`.

    A seed has its number in `train_seed`; a loss or a data set its name in `unit`.
    """
    parts = [
        test.values.assign(claim=result.id, test=number)
        for result, number, test in numbered(results)
        if not test.values.empty
    ]
    columns = ["claim", "test", "unit", *SEEDS]
    if not parts:
        return pd.DataFrame(columns=columns)
    return pd.concat(parts).reindex(columns=columns).astype({"train_seed": "Int64"})


def cells(results: Iterable[ClaimResult]) -> pd.DataFrame:
    """One row for each cell of each side of each test: `claims-cells.csv`, the way to the runs."""
    compared = [
        (result.id, number, side, *cell)
        for result, number, test in numbered(results)
        for side, cells in test.cells.items()
        for cell in cells
    ]
    return pd.DataFrame(compared, columns=["claim", "test", "side", *CELL])


def numbered(results: Iterable[ClaimResult]) -> Iterator[tuple[ClaimResult, int, TestResult]]:
    """Each test with its claim and its number there, from 1."""
    for result in results:
        for number, test in enumerate(result.tests, start=1):
            yield result, number, test
