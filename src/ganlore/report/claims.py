"""The claims' part of a report: what the page shows of each verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganlore.analysis.claims.results import Judged, Measured
from ganlore.analysis.tables import Matrix
from ganlore.report import cells as report_cells
from ganlore.report import figures
from ganlore.report.drawn import Drawn, keep

SIGNS = {
    "holds": "✓",
    "does not hold": "≈",
    "contradicted": "✗",
    "undecided": "?",
    "not tested": "–",
}
"""Each verdict's sign, so that none is told by its colour alone."""

MEANINGS = {
    "holds": "the effect is as claimed, and beyond the margin",
    "does not hold": "what effect there is, is smaller than the margin",
    "contradicted": "the effect is against the claim, and beyond the margin",
    "undecided": "the interval reaches across the margin, or the seeds are too few",
    "not tested": "runs that it needs are missing",
}
"""What each verdict says, in short; the rule has it in full."""

MANY = 24
"""Cells of one side of a test that a page links one by one; of more it tells the number."""


@dataclass(frozen=True)
class Side:
    """One side of a test.

    Attributes:
        name: treatment or control, or what they are taken relative to.
        n: its cells.
        cells: names and anchors of its cells, where they are not too many.
    """

    name: str
    n: int
    cells: list[tuple[str, str]]


@dataclass(frozen=True)
class Line:
    """A claim as a row of the table and as a fold.

    Attributes:
        judged: the claim with its verdict.
        anchor: of its fold.
        figure: every seed of all tests, None where none was measured.
        sides: the sides of each test.
    """

    judged: Judged
    anchor: str
    figure: Drawn | None
    sides: tuple[list[Side], ...]

    @property
    def sign(self) -> str:
        """The verdict's sign."""
        return SIGNS[self.judged.verdict]

    @property
    def kind(self) -> str:
        """The verdict as the name of a class."""
        return self.judged.verdict.replace(" ", "-")

    @property
    def deciding(self) -> Measured | None:
        """The test whose effect the table shows; None where it was not measured."""
        test = self.judged.deciding
        return test if test.outcome else None

    @property
    def which(self) -> str:
        """Which of several tests that is."""
        n = len(self.judged.tests)
        if n == 1:
            return ""
        what = "strongest against it" if self.judged.verdict == "contradicted" else "weakest"
        return f"{what} of {n} tests"


def lines(judged: Iterable[Judged], found: list[Matrix], folder: Path) -> list[Line]:
    """What a page shows of each claim; its figure is drawn and saved.

    Args:
        judged: the claims with their verdicts, in order.
        found: the matrices of the page, whose cells are linked.
        folder: where figures go.
    """
    titles = {(m.dataset, m.network, m.variant): m for m in found}
    return [
        Line(
            one,
            f"claim-{one.id}",
            _figure(one, folder),
            tuple(_sides(measured, titles) for measured in one.tests),
        )
        for one in judged
    ]


def tally(found: Sequence[Line]) -> dict[str, int]:
    """How many claims have each verdict; verdicts that none has are left out."""
    counts = {verdict: sum(line.judged.verdict == verdict for line in found) for verdict in SIGNS}
    return {verdict: count for verdict, count in counts.items() if count}


def _sides(measured: Measured, matrices: dict[tuple[str, str, str], Matrix]) -> list[Side]:
    sides = []
    for name, cells in measured.cells.items():
        linked = []
        for dataset, network, loss, trick, variant in cells if len(cells) <= MANY else ():
            matrix = matrices[dataset, network, variant]
            called = f"{figures.cell_name(loss, trick)} ({matrix.title})"
            linked.append((called, report_cells.anchor(matrix.slug, loss, trick)))
        sides.append(Side(name, len(cells), linked))
    return sides


def _figure(judged: Judged, folder: Path) -> Drawn | None:
    tests = [test for test in judged.tests if test.outcome is not None]
    if not tests:
        return None
    told = "; ".join(f"{test.label}: {test.effect_text}" for test in tests)
    alt = (
        f"The differences of every seed for claim {judged.id}, {judged.claim.statement} {told}. "
        f"Verdict: {judged.verdict}."
    )
    figure, name = figures.differences(tests), f"verdict-{judged.id}"
    caption = (
        "The grey band: effects smaller than the margin. To the right of it the claim is right."
    )
    return keep(figure, folder, "differences", name, alt, f"Claim {judged.id}", caption,
                "figures.differences", "claims-seeds.csv")  # fmt: skip


def probability(p: float) -> str:
    """A p-value for a reader."""
    if not math.isfinite(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
