"""The result of a claim: its verdict and its tests, as objects and as rows of `verdicts.csv`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from ganlore import formatting
from ganlore.analysis.claims.verdicts import Outcome, Verdict
from ganlore.analysis.tables import CELL
from ganlore.errors import GanloreError
from ganlore.study.claims import Claim, Test
from ganlore.study.run import Cell

SEEDS = ["train_seed", "treatment", "control", "difference"]


@dataclass(frozen=True)
class TestResult:
    """What the runs say of one test.

    Attributes:
        label: the test in words.
        claimed: lower or higher.
        effect: treatment less control, or the treatment where that is compared with a constant;
            `low` and `high` are the ends of its interval. NaN where the test could not be made.
        scale: value or log.
        shown: the effect with its interval as text; empty where the test could not be made.
        margin: the smallest effect of interest.
        n: seeds.
        without_treatment, without_control: runs that had no value (diverged), and count as worst.
        p_holds, p_contradicted: before Holm's correction.
        floor: the smallest two-sided p-value that n seeds can give.
        seeds_needed: how many seeds would decide; None where n do, or no number would.
        deciding: whether the verdict depends on this test.
        missing: what the test lacks, in words.
        constant: what the treatment is compared with in place of a control.
        values: one row a seed with the columns `SEEDS`, the difference positive as claimed.
        cells: the cells that were compared, by side.
    """

    __test__: ClassVar[bool] = False  # pytest takes classes of this name for its own

    label: str
    claimed: str
    effect: float
    low: float
    high: float
    scale: str
    shown: str
    margin: float
    n: int
    without_treatment: int
    without_control: int
    p_holds: float
    p_contradicted: float
    floor: float
    seeds_needed: int | None
    deciding: bool = False
    missing: tuple[str, ...] = ()
    constant: float | None = None
    values: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=SEEDS), repr=False)
    cells: dict[str, list[Cell]] = field(default_factory=dict, repr=False)

    @property
    def made(self) -> bool:
        """Whether its runs were there."""
        return bool(self.shown)

    @property
    def as_claimed(self) -> tuple[float, float, float]:
        """Effect and interval on the scale of the seeds' differences: positive as claimed."""
        sign, base = (1.0 if self.claimed == "higher" else -1.0), self.constant or 0.0
        low, high = sorted(sign * (value - base) for value in (self.low, self.high))
        return sign * (self.effect - base), low, high

    @property
    def measure(self) -> str:
        """What it measures: its label up to the cells."""
        return self.label.split(":")[0]


def test_result(
    test: Test,
    label: str,
    outcome: Outcome | None,
    values: pd.DataFrame,
    cells: dict[str, list[Cell]],
    without: tuple[int, int],
    missing: tuple[str, ...],
) -> TestResult:
    """The result of a test, from the outcome of its statistics (None where it could not be made)."""
    effect, low, high = natural(test, outcome)
    return TestResult(
        label=label,
        claimed=test.claimed,
        effect=effect,
        low=low,
        high=high,
        scale=test.scale,
        shown=_text(test, effect, low, high) if outcome else "",
        margin=test.margin,
        n=outcome.n if outcome else 0,
        without_treatment=without[0],
        without_control=without[1],
        p_holds=outcome.p_holds if outcome else math.nan,
        p_contradicted=outcome.p_contradicted if outcome else math.nan,
        floor=outcome.floor if outcome else math.nan,
        seeds_needed=outcome.seeds_needed if outcome else None,
        missing=missing,
        constant=test.constant,
        values=values,
        cells=cells,
    )


def natural(test: Test, outcome: Outcome | None) -> tuple[float, float, float]:
    """Effect and interval, lower end first, as treatment less control or as the treatment itself."""
    if outcome is None:
        return math.nan, math.nan, math.nan
    sign = 1.0 if test.claimed == "higher" else -1.0
    base = test.constant or 0.0
    low, high = sorted((base + sign * outcome.low, base + sign * outcome.high))
    return base + sign * outcome.effect, low, high


def _text(test: Test, *values: float) -> str:
    if test.constant is None and test.scale == "log":
        effect, low, high = map(formatting.change, values)
    else:
        signed = test.constant is None
        effect, low, high = (formatting.difference(value, signed) for value in values)
    return f"{effect} ({low} to {high})"


@dataclass(frozen=True)
class ClaimResult:
    """A claim with its verdict, the same for the page, the paper and README.

    Attributes:
        id: its name in the file.
        statement: what the articles say.
        articles: which of them.
        verdict: one of `verdicts.VERDICTS`.
        p_holds, p_contradicted: after Holm's correction; NaN where it was not tested.
        tests: the results of its tests.
        note: how many seeds would decide, or what is missing.
        definition: the claim in the file; None where the result was read from rows.
    """

    id: str
    statement: str
    articles: tuple[str, ...]
    verdict: Verdict
    p_holds: float
    p_contradicted: float
    tests: tuple[TestResult, ...]
    note: str = ""
    definition: Claim | None = None

    @property
    def n(self) -> int:
        """The seeds that its tests had, the fewest of them."""
        return min((test.n for test in self.tests if test.made), default=0)

    @property
    def deciding(self) -> TestResult | None:
        """The test that the verdict depends on; None where it was not made."""
        return next((test for test in self.tests if test.deciding and test.made), None)


def rows(results: Iterable[ClaimResult]) -> pd.DataFrame:
    """One row for each test of each claim: `verdicts.csv`."""
    return pd.DataFrame(
        [
            {
                "claim": result.id,
                "statement": result.statement,
                "articles": " ".join(result.articles),
                "verdict": result.verdict,
                "test": index + 1,
                **{name: getattr(test, name) for name in _FIRST},
                "p_holds_holm": result.p_holds,
                "p_contradicted_holm": result.p_contradicted,
                **{name: getattr(test, name) for name in _LAST},
                "note": result.note,
                "missing": "; ".join(test.missing),
            }
            for result in results
            for index, test in enumerate(result.tests)
        ]
    )


_FIRST = ("label", "claimed", "effect", "low", "high", "scale", "shown", "margin", "n",
          "without_treatment", "without_control", "p_holds", "p_contradicted")  # fmt: skip
_LAST = ("floor", "seeds_needed", "deciding")


def from_rows(table: pd.DataFrame) -> list[ClaimResult]:
    """The results that `rows` wrote; without seeds, cells and definitions."""
    return [
        _from_rows(str(claim), tests.to_dict("records"))
        for claim, tests in (table.groupby("claim", sort=False) if len(table) else ())
    ]


def _from_rows(claim: str, tests: list[dict[Any, Any]]) -> ClaimResult:
    first = tests[0]
    return ClaimResult(
        claim,
        str(first["statement"]),
        tuple(str(first["articles"]).split()),
        first["verdict"],
        first["p_holds_holm"],
        first["p_contradicted_holm"],
        tuple(
            TestResult(
                **{name: row[name] for name in (*_FIRST, *_LAST)},
                missing=tuple(filter(None, str(row["missing"]).split("; "))),
            )
            for row in tests
        ),
        str(first["note"]),
    )


def read(path: Path) -> list[ClaimResult]:
    """The results in a published `verdicts.csv`.

    Raises:
        GanloreError: if it is missing.
    """
    if not path.exists():
        raise GanloreError(f"{path}: missing\n  publish a study that has claims")
    return from_rows(pd.read_csv(path, dtype={"articles": str}, keep_default_na=False))


def differences(results: Iterable[ClaimResult]) -> pd.DataFrame:
    """One row for each seed of each test: `claims-seeds.csv`."""
    parts = [
        test.values.assign(claim=result.id, test=index + 1)
        for result in results
        for index, test in enumerate(result.tests)
        if not test.values.empty
    ]
    columns = ["claim", "test", *SEEDS]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)


def cells(results: Iterable[ClaimResult]) -> pd.DataFrame:
    """One row for each cell of each side of each test: `claims-cells.csv`, the way to the runs."""
    found = [
        {"claim": result.id, "test": index + 1, "side": side, **cell._asdict()}
        for result in results
        for index, test in enumerate(result.tests)
        for side, compared in test.cells.items()
        for cell in compared
    ]
    return pd.DataFrame(found, columns=["claim", "test", "side", *CELL])
