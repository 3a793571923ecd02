"""The claims' part of a report: what the page and LaTeX show of each result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganlore.analysis.claims.budgets import Point
from ganlore.analysis.claims.results import ClaimResult
from ganlore.analysis.results import Results
from ganlore.report import bars, bars_svg, latex
from ganlore.report import cells as report_cells
from ganlore.report.figures import budget, forest, verdicts
from ganlore.report.figures._drawing import Drawing, cell_name
from ganlore.report.rendered import RenderedFigure, render
from ganlore.study.run import Cell


@dataclass(frozen=True)
class Line:
    """A claim as a row of the table and as a fold.

    Attributes:
        result: the claim's result.
        figure: every seed of all tests, None where none was made.
        budget: the effect against the budget, None where it has none.
        bar: the effect in the forest plot, as an SVG element.
        sides: by side of each test the cells that were compared: name and anchor, which is empty
            where the page has no place for them.
    """

    result: ClaimResult
    figure: RenderedFigure | None
    budget: RenderedFigure | None
    bar: str
    sides: list[dict[str, list[tuple[str, str]]]]


def lines(results: Results, folder: Path) -> list[Line]:
    """What a page shows of each claim; its figure is drawn and saved.

    Args:
        results: of the study.
        folder: where figures go.
    """
    by_name = {(m.dataset, m.network, m.variant): m for m in results.matrices}

    def link(cell: Cell) -> tuple[str, str]:
        name = cell_name(cell.loss, cell.trick)
        matrix = by_name.get((cell.dataset, cell.network, cell.variant))
        if matrix is None:  # steps of the cell were timed, and none of its network was trained
            return f"{name} ({cell.dataset}, {cell.network})", ""
        return f"{name} ({matrix.title})", report_cells.anchor(matrix.slug, cell.loss, cell.trick)

    every = {result.id: bars.of_claim(result) for result in results.claims}
    ends = bars.limits(every.values())
    return [
        Line(
            result,
            _figure(result, folder),
            _budget(result, results.along.get(result.id), folder),
            bars_svg.row(
                every[result.id], ends, f"{result.id}: {result.deciding.in_words or 'no runs'}"
            ),
            [
                {side: list(map(link, cells)) for side, cells in t.cells.items()}
                for t in result.tests
            ],
        )
        for result in results.claims
    ]


def axis(results: Sequence[ClaimResult]) -> str:
    """The axes of the forest plot, for the head of the table."""
    return bars_svg.axis(bars.limits(map(bars.of_claim, results)))


def draw_forest(results: Sequence[ClaimResult], folder: Path) -> RenderedFigure | None:
    """The forest plot as files, for the paper and for other pages; None without claims."""
    drawing = forest.drawing(results)
    return render(drawing, folder, forest.__name__) if drawing else None


def _budget(
    result: ClaimResult, points: Sequence[Point] | None, folder: Path
) -> RenderedFigure | None:
    if not points:
        return None
    return render(budget.drawing(result, points), folder, budget.__name__)


def _figure(result: ClaimResult, folder: Path) -> RenderedFigure | None:
    tests = [test for test in result.tests if test.outcome.n]
    if not tests:
        return None
    effects = "; ".join(f"{test.label}: {test.rendered}" for test in tests)
    alt = (
        f"The differences of every seed for claim {result.id}, {result.definition.statement} "
        f"{effects}. Verdict: {result.verdict}."
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
        named = [result.id, result.definition.statement.removesuffix("."), result.verdict]
        made = [test for test in result.tests if test.outcome.n]
        tests = [[test.measure, test.rendered, str(test.outcome.n)] for test in made]
        for index, test in enumerate(tests or [["", "", ""]]):
            parts = [*(named if index == 0 else ["", "", ""]), *test]
            rows.append(" & ".join(latex.escape(part) for part in parts))
    caption = (
        "The claims with their verdicts. The effect of a test is the mean over seeds of treatment "
        "less control, with its 95 % BCa interval; n counts seeds."
    )
    head = ["claim", "statement", "verdict", "measure", "effect", "$n$"]
    return latex.table(caption, "verdicts", r"lp{.36\linewidth}lllr", head, [rows])
