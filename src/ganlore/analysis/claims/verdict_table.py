"""The verdicts as pages show them: one entry for each claim, from the table of all its tests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ganlore.errors import GanloreError
from ganlore.report import latex

VERDICTS = ("holds", "contradicted", "does not hold", "undecided", "not tested")
"""In the order in which a summary counts them: what was decided, then what was not."""

DECIDED = VERDICTS[:2]
"""Those that a test established, with Holm's correction."""


@dataclass(frozen=True)
class Claim:
    """A claim with its verdict.

    Attributes:
        id: for example C05.
        statement: what the articles say, without a full stop.
        articles: which of them.
        verdict: one of `VERDICTS`.
        tests: the rows of its tests; none where it has no test.
    """

    id: str
    statement: str
    articles: str
    verdict: str
    tests: tuple[dict[str, Any], ...]

    @property
    def made(self) -> list[dict[str, Any]]:
        """The tests whose runs were there."""
        return [test for test in self.tests if _known(test["shown"])]

    @property
    def deciding(self) -> dict[str, Any] | None:
        """The test that the verdict hangs on; None where it was not made."""
        return next((test for test in self.made if test["deciding"]), None)

    @property
    def effect(self) -> str:
        """The effect of the deciding test, with its interval."""
        return str(self.deciding["shown"]) if self.deciding else ""

    @property
    def measure(self) -> str:
        """What the deciding test measures."""
        return _measure(self.deciding) if self.deciding else ""

    @property
    def n(self) -> str:
        """How many seeds the deciding test had."""
        return str(int(self.deciding["n"])) if self.deciding else ""


def _measure(test: dict[str, Any]) -> str:
    """What a test measures: its label up to the cells."""
    return str(test["label"]).split(":")[0]


def read(path: Path) -> pd.DataFrame:
    """A published `verdicts.csv`.

    Raises:
        GanloreError: if it is missing.
    """
    if not path.exists():
        raise GanloreError(f"{path}: missing\n  publish a study that has claims")
    return pd.read_csv(path, dtype={"articles": str}, keep_default_na=False)


def claims(rows: pd.DataFrame) -> list[Claim]:
    """The claims in the table's order."""
    return list(_claims(rows)) if len(rows) else []


def _claims(rows: pd.DataFrame) -> Iterator[Claim]:
    for claim, tests in rows.groupby("claim", sort=False):
        first = tests.iloc[0]
        articles = str(first["articles"])
        found = tuple({str(k): v for k, v in test.items()} for test in tests.to_dict("records"))
        statement = str(first["statement"]).removesuffix(".")
        yield Claim(str(claim), statement, articles, str(first["verdict"]), found)


def _known(value: Any) -> bool:
    return (
        value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))
    )


def as_latex(rows: pd.DataFrame) -> str:
    """The verdicts as a booktabs table: a row for each test, the claim in its first."""
    found = []
    for claim in claims(rows):
        named = [claim.id, claim.statement, claim.verdict]
        told = [[_measure(test), str(test["shown"]), str(int(test["n"]))] for test in claim.made]
        for index, test in enumerate(told or [["", "", ""]]):
            parts = [*(named if index == 0 else ["", "", ""]), *test]
            found.append(" & ".join(latex.escape(part) for part in parts))
    caption = (
        "The claims with their verdicts. The effect of a test is the mean over seeds of treatment "
        "less control, with its 95 % BCa interval; n counts seeds."
    )
    head = ["claim", "statement", "verdict", "measure", "effect", "$n$"]
    return latex.table(caption, "verdicts", r"lp{.36\linewidth}lllr", head, [found])
