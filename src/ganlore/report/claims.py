"""The claims' part of a report: what the page and LaTeX show of each result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganlore.analysis.claims.results import ClaimResult, TestResult
from ganlore.analysis.claims.verdicts import VERDICTS
from ganlore.analysis.matrices import Matrix
from ganlore.report import cells as report_cells
from ganlore.report import latex
from ganlore.report.figures import verdicts
from ganlore.report.figures._drawing import Drawing, cell_name
from ganlore.report.rendered import RenderedFigure, render

MANY = 24
"""Cells of one side of a test that a page links one by one; of more it shows the number."""


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
        result: the claim's result.
        figure: every seed of all tests, None where none was made.
        sides: the sides of each test.
    """

    result: ClaimResult
    figure: RenderedFigure | None
    sides: tuple[list[Side], ...]

    @property
    def anchor(self) -> str:
        """Of its fold."""
        return f"claim-{self.result.id}"

    @property
    def sign(self) -> str:
        """The verdict's sign."""
        return VERDICTS[self.result.verdict].sign

    @property
    def kind(self) -> str:
        """The verdict as the name of a class."""
        return self.result.verdict.replace(" ", "-")

    @property
    def which(self) -> str:
        """Which of several tests decides."""
        n = len(self.result.tests)
        if n == 1:
            return ""
        what = "strongest against it" if self.result.verdict == "contradicted" else "weakest"
        return f"{what} of {n} tests"


def lines(results: Iterable[ClaimResult], matrices: list[Matrix], folder: Path) -> list[Line]:
    """What a page shows of each claim; its figure is drawn and saved.

    Args:
        results: of the claims, in order.
        matrices: those of the page, whose cells are linked.
        folder: where figures go.
    """
    by_name = {(m.dataset, m.network, m.variant): m for m in matrices}
    return [
        Line(one, _figure(one, folder), tuple(_sides(test, by_name) for test in one.tests))
        for one in results
    ]


def tally(results: Sequence[ClaimResult]) -> dict[str, int]:
    """How many claims have each verdict; verdicts that none has are left out."""
    counts = {verdict: sum(one.verdict == verdict for one in results) for verdict in VERDICTS}
    return {verdict: count for verdict, count in counts.items() if count}


def _sides(test: TestResult, matrices: dict[tuple[str, str, str], Matrix]) -> list[Side]:
    sides = []
    for name, cells in test.cells.items():
        linked = []
        for cell in cells if len(cells) <= MANY else ():
            matrix = matrices[cell.dataset, cell.network, cell.variant]
            title = f"{cell_name(cell.loss, cell.trick)} ({matrix.title})"
            linked.append((title, report_cells.anchor(matrix.slug, cell.loss, cell.trick)))
        sides.append(Side(name, len(cells), linked))
    return sides


def _figure(result: ClaimResult, folder: Path) -> RenderedFigure | None:
    tests = [test for test in result.tests if test.made]
    if not tests:
        return None
    effects = "; ".join(f"{test.label}: {test.shown}" for test in tests)
    alt = (
        f"The differences of every seed for claim {result.id}, {result.statement} {effects}. "
        f"Verdict: {result.verdict}."
    )
    caption = (
        "The grey band: effects smaller than the margin. To the right of it the claim is right."
    )
    drawing = Drawing(
        figure=verdicts.differences(tests),
        kind="differences",
        name=f"verdict-{result.id}",
        title=f"Claim {result.id}",
        caption=caption,
        alt=alt,
        data="claims-seeds.csv",
    )
    return render(drawing, folder, verdicts.__name__)


def as_latex(results: Iterable[ClaimResult]) -> str:
    """The verdicts as a booktabs table: a row for each test, the claim in its first."""
    rows = []
    for result in results:
        named = [result.id, result.statement.removesuffix("."), result.verdict]
        tests = [[test.measure, test.shown, str(test.n)] for test in result.tests if test.made]
        for index, test in enumerate(tests or [["", "", ""]]):
            parts = [*(named if index == 0 else ["", "", ""]), *test]
            rows.append(" & ".join(latex.escape(part) for part in parts))
    caption = (
        "The claims with their verdicts. The effect of a test is the mean over seeds of treatment "
        "less control, with its 95 % BCa interval; n counts seeds."
    )
    head = ["claim", "statement", "verdict", "measure", "effect", "$n$"]
    return latex.table(caption, "verdicts", r"lp{.36\linewidth}lllr", head, [rows])
