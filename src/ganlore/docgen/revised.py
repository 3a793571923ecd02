"""The verdicts that are others than the first study's were, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ganlore import storage
from ganlore.docgen.published import Row, published

FIRST = "docs/first-verdicts.json"
"""The verdicts of the first study (published at version 0.1.0, 120 steps on 8x8 digits), and what
was wrong with each test."""


def revised(root: Path, study: str) -> list[Row]:
    """The claims of a published study whose verdict is another than the first study's."""
    first = storage.read_json(root / FIRST, "restore it from git")
    return changes(first, published(root, study).claims)


def changes(first: Mapping[str, Mapping[str, str]], now: Iterable[Row]) -> list[Row]:
    """The rows of the claims whose verdict has changed, with `before` and `flaw`.

    Args:
        first: the verdict and the flaw of the first study's test, by claim. A claim that the first
            study had not is none that has changed, nor is one that was not tested now.
        now: a row for each claim.
    """
    return [
        row | {"before": first[row["claim"]]["verdict"], "flaw": first[row["claim"]]["flaw"]}
        for row in now
        if row["claim"] in first
        and row["verdict"] not in {first[row["claim"]]["verdict"], "not tested"}
    ]
