"""The claims' part of a report: what the page shows of each verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganlore import figures, report_cells, wording
from ganlore.report_figures import Drawn, keep
from ganlore.tables import PLAIN, Matrix

if TYPE_CHECKING:
    from ganlore.claims import Cells, Test
    from ganlore.judging import Judged, Measured

SIGNS = {
    "holds": "✓",
    "does not hold": "≈",
    "contradicted": "✗",
    "undecided": "?",
    "not tested": "–",
}
"""Each verdict's sign, so that none is told by its colour alone."""

MEANINGS = {
    "holds": "the effect is in the claim's favour and beyond the margin",
    "does not hold": "what effect there is, is smaller than the margin",
    "contradicted": "the effect is against the claim and beyond the margin",
    "undecided": "the interval reaches across the margin, or the seeds are too few",
    "not tested": "runs that it needs are missing",
}
"""What each verdict says, in short; the rule has it in full."""


@dataclass(frozen=True)
class Line:
    """A claim as a row of the table and as a fold.

    Attributes:
        judged: the claim with its verdict.
        anchor: of its fold.
        deciding: the test whose effect the table shows, None where none was measured.
        figure: every seed of all tests, None likewise.
        cells: for each test the names and anchors of the cells that it compares.
    """

    judged: Judged
    anchor: str
    deciding: Measured | None
    figure: Drawn | None
    cells: tuple[list[tuple[str, str]], ...]

    @property
    def sign(self) -> str:
        """The verdict's sign."""
        return SIGNS[self.judged.verdict]

    @property
    def kind(self) -> str:
        """The verdict as the name of a class."""
        return self.judged.verdict.replace(" ", "-")


def lines(judged: Iterable[Judged], found: list[Matrix], folder: Path) -> list[Line]:
    """What a page shows of each claim; its figure is drawn and saved.

    Args:
        judged: the claims with their verdicts, in order.
        found: the matrices of the page, whose cells are linked.
        folder: where figures go.
    """
    return [
        Line(
            one,
            f"claim-{one.claim.id}",
            deciding(one),
            _figure(one, folder),
            tuple(_linked(measured, found) for measured in one.tests),
        )
        for one in judged
    ]


def deciding(judged: Judged) -> Measured | None:
    """The test that a verdict hangs on.

    A claim holds if all its tests do, so that the weakest is shown, that with the largest p; it is
    contradicted if one is, so that the strongest is.
    """
    measured = [test for test in judged.tests if test.outcome is not None]
    if not measured:
        return None
    if judged.verdict == "contradicted":
        return min(measured, key=lambda test: test.outcome.p_contradicted)  # type: ignore[union-attr]
    return max(measured, key=lambda test: test.outcome.p_holds)  # type: ignore[union-attr]


def tally(found: Sequence[Line]) -> dict[str, int]:
    """How many claims have each verdict; verdicts that none has are left out."""
    counts = {verdict: sum(line.judged.verdict == verdict for line in found) for verdict in SIGNS}
    return {verdict: count for verdict, count in counts.items() if count}


def _figure(judged: Judged, folder: Path) -> Drawn | None:
    tests = [test for test in judged.tests if test.outcome is not None]
    if not tests:
        return None
    told = "; ".join(f"{test.label}: {test.effect_text}" for test in tests)
    alt = (
        f"Differences of each seed for claim {judged.claim.id}, {judged.claim.statement}. {told}. "
        f"Verdict: {judged.verdict}."
    )
    return keep(
        figures.differences(tests), folder, "differences", f"verdict-{judged.claim.id}", alt,
        f"Claim {judged.claim.id}", judged.claim.statement + ".", "figures.differences", "verdicts.csv",
    )  # fmt: skip


def probability(p: float) -> str:
    """A p-value for a reader."""
    if not math.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def quantity(test: Test) -> str:
    """What a test takes of each run, as a phrase."""
    words = [test.take.replace("-", " "), test.of.replace("_", " ")]
    if test.take == "tracking":
        words += ["along", test.along]
    if test.distance_from is not None:
        words.append(f"(distance from {test.distance_from:g})")
    if test.scale == "log":
        words.append("(logarithm)")
    return " ".join(word for word in words if word)


def side(cells: Cells) -> str:
    """The cells of one side as a phrase; what is as usual goes without saying."""
    words = [
        f"{_names(cells.losses)} with {_names(cells.tricks)}"
        if cells.tricks != [PLAIN]
        else _names(cells.losses)
    ]
    words.append(f"on {wording.listed(cells.datasets)} ({wording.listed(cells.networks)})")
    if cells.variants != ["base"]:
        words.append(f"as {wording.listed(cells.variants)}")
    return ", ".join(words)


def _names(given: str | list[str | list[str]]) -> str:
    if isinstance(given, str):
        return given
    return wording.listed(_trick(name) for name in given)


def _trick(name: str | list[str]) -> str:
    """A trick's name in tables: those of several tricks at once are joined."""
    return name if isinstance(name, str) else "+".join(name)


MANY = 24
"""Cells of a test that are linked one by one; more are not."""


def _linked(measured: Measured, found: list[Matrix]) -> list[tuple[str, str]]:
    """Names and anchors of the cells that a test compares; empty where there are very many."""
    sides = [cells for cells in (measured.test.treatment, measured.test.control) if cells]
    linked = {
        report_cells.anchor(matrix.slug, loss, trick): f"{loss}, {trick} ({matrix.title})"
        for matrix in found
        for loss, trick in matrix.cells.index
        if any(_among(cells, matrix, loss, trick) for cells in sides)
    }
    return [(name, anchor) for anchor, name in linked.items()] if len(linked) <= MANY else []


def _among(cells: Cells, matrix: Matrix, loss: str, trick: str) -> bool:
    place = ((matrix.dataset, cells.datasets), (matrix.network, cells.networks),
             (matrix.variant, cells.variants), (loss, cells.losses))  # fmt: skip
    tricks = cells.tricks if isinstance(cells.tricks, str) else [_trick(t) for t in cells.tricks]
    return all(names == "all" or name in names for name, names in (*place, (trick, tricks)))
