"""Which cells of a study count as to have converged, and by what: by what waits for them.

The share of cells that have converged says how far a study's answers will stay. So a cell is
counted by what its tests ask of it, and one of which nothing can be asked is not counted
(docs/adr/0042-a-study-that-converges.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ganlore.analysis.claims import gates
from ganlore.analysis.claims.gates import Convergence
from ganlore.analysis.claims.measures import Source
from ganlore.study import asking
from ganlore.study.claim_cells import named
from ganlore.study.claim_gates import Gated, Gates
from ganlore.study.claims import Test
from ganlore.study.run import Cell, Plan

Asked = tuple[str, Gated]
"""A metric, and what of it must have converged (`gates.of_cells`)."""

QUALITY: Asked = ("fid", "best")
"""More steps would find no better FID: what a cell is counted by where no test asks otherwise. One
that only gets worse after its best is no longer on the way."""

STRICTEST: tuple[Gated, ...] = (False, "plateau", "best", True)
"""What must have converged, the strictest last."""


def convergence(plan: Plan, source: Source, limits: Gates) -> dict[Cell, Convergence]:
    """The convergence of each cell that is asked to have converged, in the order of their names.

    Args:
        plan: the study's.
        source: its tables.
        limits: how much a cell may change.
    """
    by: dict[Asked, list[Cell]] = defaultdict(list)
    for cell, asked in asked_of(plan).items():
        by[asked].append(cell)
    made = {
        cell: one
        for (metric, kind), cells in by.items()
        for cell, one in gates.of_cells(source, cells, metric, limits.change, kind).items()
    }
    return {cell: made[cell] for cell in sorted(made)}


def asked_of(plan: Plan) -> dict[Cell, Asked]:
    """What each cell is counted by; without those that are not counted.

    Not counted are cells whose generator is frozen, those that are nothing but the moment that
    these are held against (`relative_to`), and those that never converge, by their making. A cell
    whose gated tests all ask for one metric other than FID is counted by that. In a study without
    claims every cell is counted, by FID.
    """
    if plan.study.claims is None:
        return dict.fromkeys(sorted(plan.cells), QUALITY)
    tests = [test for _, test in asking.tests(plan.study) if test.trains]
    frozen = {
        cell for cell, run in plan.firsts.items() if run.training.freeze_generator is not None
    }
    never = {c for test in tests if test.converged == "never" for _, c in _cells(test)}
    out = frozen | _moments(tests, frozen) | never
    asked: dict[Cell, set[Asked]] = defaultdict(set)
    for test in tests:
        for _, cell in _cells(test) if test.gated else ():
            asked[cell].add((test.converged_by, test.gated))
    return {cell: _one(asked[cell]) for cell in sorted(plan.cells - out)}


def _one(asked: set[Asked]) -> Asked:
    metrics = {metric for metric, _ in asked}
    if len(metrics) != 1 or QUALITY[0] in metrics:
        return QUALITY
    return max(asked, key=lambda one: STRICTEST.index(one[1]))


def _moments(tests: list[Test], frozen: set[Cell]) -> set[Cell]:
    """Cells that only frozen ones are held against."""
    held: set[Cell] = set()
    others: set[Cell] = set()
    for test in tests:
        own = {cell for side, cell in _cells(test) if "," not in side}
        for side, cell in _cells(test):
            against = side.endswith("relative_to") and own <= frozen
            (held if against else others).add(cell)
    return held - others


def _cells(test: Test) -> Iterator[tuple[str, Cell]]:
    """The cells of a test, each with the name of its side."""
    for side, cells in test.sides:
        for cell in named(cells):
            yield side, cell
