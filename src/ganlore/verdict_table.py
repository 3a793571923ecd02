"""The verdicts as pages show them: one entry for each claim, from the table of all its tests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ganlore import latex

VERDICTS = ("holds", "contradicted", "does not hold", "undecided", "not tested")
"""In the order in which a summary counts them: what was decided, then what was not."""

COLUMNS = ("claim", "statement", "articles", "verdict", "test", "label", "shown", "n", "note")
"""Of `verdicts.csv`, those that are read here."""


@dataclass(frozen=True)
class Claim:
    """A claim with its verdict.

    Attributes:
        id: for example C05.
        statement: what the articles say.
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
    def effects(self) -> list[str]:
        """The effect of each test that was made, with its interval."""
        return [str(test["shown"]) for test in self.tests if _known(test["shown"])]

    @property
    def n(self) -> str:
        """How many seeds the tests had, as a range where they differ."""
        counts = sorted({int(test["n"]) for test in self.tests if _known(test["n"]) and test["n"]})
        return "–".join(str(n) for n in dict.fromkeys((counts[0], counts[-1]))) if counts else ""

    @property
    def effect(self) -> str:
        """The first effect; how many more there are."""
        more = f" and {len(self.effects) - 1} more" if len(self.effects) > 1 else ""
        return f"{self.effects[0]}{more}" if self.effects else ""


def claims(rows: pd.DataFrame) -> list[Claim]:
    """The claims in the table's order."""
    return list(_claims(rows)) if len(rows) else []


def _claims(rows: pd.DataFrame) -> Iterator[Claim]:
    for claim, tests in rows.groupby("claim", sort=False):
        first = tests.iloc[0]
        articles = str(first["articles"])
        found = tuple({str(k): v for k, v in test.items()} for test in tests.to_dict("records"))
        yield Claim(str(claim), str(first["statement"]), articles, str(first["verdict"]), found)


def _known(value: Any) -> bool:
    return (
        value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))
    )


def as_latex(rows: pd.DataFrame) -> str:
    """The verdicts as a booktabs table: a row for each test, the claim in its first."""
    found = []
    for claim in claims(rows):
        shown = claim.effects or [""]
        named = [claim.id, claim.statement, claim.verdict]
        for index, effect in enumerate(shown):
            parts = [
                *(named if index == 0 else ["", "", ""]),
                effect,
                claim.n if index == 0 else "",
            ]
            found.append(" & ".join(latex.escape(part) for part in parts))
    caption = (
        "The claims with their verdicts. The effect is the mean difference over seeds with its "
        "95 % BCa interval, positive or negative as the claim's quantity is; n counts seeds."
    )
    head = ["claim", "statement", "verdict", "effect", "$n$"]
    return latex.table(caption, "verdicts", r"lp{.42\linewidth}llr", head, [found])
