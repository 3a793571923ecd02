"""The cells that claims need: checked, and as grids that join those of a study."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from itertools import product

from ganlore.errors import unknown
from ganlore.study import asking, declarations, registry
from ganlore.study.claims import Cells, Claim, Claims, Test
from ganlore.study.run import HISTORY, TIMED, Cell, Plan, Run
from ganlore.study.schema import Grid, Study

_METRICS = (
    "end", "best", "average", "unsteadiness", "decline", "far-from-best", "time-to", "real-data",
)  # fmt: skip
_COLUMNS = ("tracking", "stopping", "late", "at-best")


def grids(study: Study, timed: bool = False) -> list[tuple[str, Grid]]:
    """The cells of all tests as grids, each with its place in the file of claims.

    Args:
        study: the study.
        timed: whether those that are timed are wanted, in place of those that are trained.

    A cell is trained and evaluated as the study's first grid with its data set and network is, or
    else as the first with its data set: the variant alone changes it. What several claims need, or
    a grid has already, is the same run. Cells on data that no grid has are not trained: their
    claims are not testable in this study.

    Raises:
        GanloreError: for an unknown metric, column or cost, with the nearest name.
    """
    if study.claims is None:
        return []
    check(study.claims)
    named = []
    for where, test in asking.tests(study):
        if not (test.take == "cost" if timed else test.trains):
            continue
        for side, cells in test.sides:
            named += [(f"{where}.{side}", grid) for grid in _grids(study, cells)]
    return named


def _grids(study: Study, cells: Cells) -> Iterator[Grid]:
    for dataset in cells.datasets:
        for network in cells.networks:
            like = _like(study, dataset, network)
            if like is None:
                continue
            trained = {"training": like.training, "protocol": like.protocol}
            chosen = cells.model_dump(include={"tricks", "variants"}) | {"losses": _losses(cells)}
            yield Grid(datasets=[dataset], networks=[network], **chosen, **trained)


def _like(study: Study, dataset: str, network: str) -> Grid | None:
    here = [grid for grid in study.grids if dataset in grid.datasets]
    return next((grid for grid in here if network in grid.networks), here[0] if here else None)


def absent(study: Study, test: Test) -> list[str]:
    """The data sets of a test that no grid of the study has."""
    there = {name for grid in study.grids for name in grid.datasets}
    return [name for name in dict.fromkeys(test.datasets) if name not in there]


def named(cells: Cells) -> list[Cell]:
    """The names of the cells, as in `Run.cell`."""
    losses = _losses(cells)
    tricks = list(registry.find("trick")) if cells.tricks == "all" else cells.tricks
    joined = ["+".join([trick] if isinstance(trick, str) else trick) for trick in tricks]
    axes = (cells.datasets, cells.networks, losses, joined, cells.variants)
    return [Cell(*names) for names in product(*axes)]


def _losses(cells: Cells) -> list[str]:
    """The losses of one side: `all` are those that count, without `registry.checks`."""
    if cells.losses != "all":
        return cells.losses
    there = registry.find("loss")
    out = registry.checks(there)
    return [name for name in there if name not in out]


def needed(plan: Plan, claim: Claim) -> set[Cell]:
    """The cells of a plan that a claim needs; those without a meaning are not among them."""
    tests = [test for test in claim.tests if test.trains]
    wanted = {cell for test in tests for _, cells in test.sides for cell in named(cells)}
    return wanted & {run.cell for run in plan.runs}


def firsts(plan: Plan, test: Test) -> dict[Cell, Run]:
    """The first run of each cell that a test may compare: of those trained, or of those timed."""
    return {run.cell: run for run in plan.costs} if test.take == "cost" else plan.firsts


def check(claims: Claims) -> None:
    """Refuse what no run will have.

    Raises:
        GanloreError: for an unknown metric, column, cost or data set, with the nearest name.
    """
    for where, test in claims.tests:
        for name, kind, allowed in _asked(test):
            if name not in allowed:
                raise unknown(kind, name, sorted(allowed), f"claims: {where}")
        for side, cells in test.sides:
            for name in cells.datasets:
                registry.path_of("dataset", name, f"claims: {where}.{side}.datasets")
    datasets = registry.find("dataset")
    for name, control in claims.controls.items():
        for dataset in control.gates:
            if dataset not in datasets:
                raise unknown(
                    "dataset", dataset, sorted(datasets), f"claims: controls.{name}.gates"
                )


def _asked(test: Test) -> Iterator[tuple[str, str, frozenset[str]]]:
    """What a test asks for: name, kind, and what there is."""
    if test.take in _METRICS:
        yield test.of, "metric", metric_names()
    if test.gated:
        yield test.converged_by, "metric", metric_names()
    if test.take in _COLUMNS:
        yield test.of, "column of the history", columns()
    if test.take in {"tracking", "stopping"}:
        yield test.along, "metric", metric_names()
    if test.take == "cost":
        yield test.of, "cost", frozenset(TIMED)
    if test.take == "real-data":
        for name in test.treatment.datasets:
            yield name, "dataset", frozenset(registry.find("dataset"))
    if test.extractor is not None:
        yield test.extractor, "extractor", frozenset(registry.find("extractor"))


@lru_cache(maxsize=1)
def metric_names() -> frozenset[str]:
    """The names of all metrics, read from the syntax tree: planning computes nothing."""
    names: set[str] = set()
    for path in sorted((declarations.PACKAGE / "metrics").glob("[!_]*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            match node:
                case (
                    ast.Assign([ast.Name("METRICS")], ast.Dict(keys))
                    | ast.AnnAssign(target=ast.Name("METRICS"), value=ast.Dict(keys))
                ):
                    names |= {str(key.value) for key in keys if isinstance(key, ast.Constant)}
    return frozenset(names)


def columns() -> frozenset[str]:
    """The columns of a history: those of all runs, and what losses and tricks say they log."""
    logged = {
        column
        for kind in ("loss", "trick")
        for name in registry.find(kind)
        for column in registry.declaration(kind, name).fact("logs", ())
    }
    return frozenset(HISTORY) | logged
