"""A study's results as pages show them: everything is a function of its tidy tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ganlore.analysis import matrices, robustness, tables
from ganlore.analysis.claims import budgets, comparison, counted
from ganlore.analysis.claims.budgets import Point
from ganlore.analysis.claims.gates import Convergence
from ganlore.analysis.claims.measures import Source
from ganlore.analysis.claims.results import ClaimResult
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.robustness import Reaching, Robustness
from ganlore.analysis.tables import Tables
from ganlore.study.claim_gates import Gates
from ganlore.study.run import Cell, Plan


@dataclass(frozen=True)
class Results:
    """A study's results as pages show them.

    Attributes:
        plan: the study's plan.
        tidy: its tidy tables.
    """

    plan: Plan
    tidy: Tables

    @cached_property
    def ends(self) -> pd.DataFrame:
        """A row for each run and extractor."""
        return tables.finals(self.tidy.metrics)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """A row for each cell and extractor."""
        return tables.cells(self.tidy, self.ends)

    @cached_property
    def matrices(self) -> list[Matrix]:
        """The cells of each data set, network and variant."""
        still = [cell for cell, one in self.convergence.items() if not one.passed]
        return matrices.matrices(self.plan, self.tidy, self.ends, self.cells, still)

    @cached_property
    def source(self) -> Source:
        """The tables as tests of claims read them."""
        return Source(self.plan, self.tidy)

    @property
    def gates(self) -> Gates:
        """What cells must have done: of the study's claims, or the usual ones."""
        return self.plan.study.claims.gates if self.plan.study.claims else Gates()

    @cached_property
    def convergence(self) -> dict[Cell, Convergence]:
        """Whether each cell has converged that is asked to (`counted`)."""
        return counted.convergence(self.plan, self.source, self.gates)

    @cached_property
    def claims(self) -> list[ClaimResult]:
        """The results of the claims; none where the study has no claims."""
        return comparison.claim_results(self.plan, self.tidy, self.source)

    @cached_property
    def along(self) -> dict[str, list[Point]]:
        """The effect of each claim's deciding test at shares of the budget, where it has any."""
        return budgets.along(self.source, self.claims)

    @cached_property
    def robustness(self) -> list[Robustness]:
        """Robustness checks of the matrices that have tricks over several losses."""
        return robustness.of_matrices(self.matrices)

    @cached_property
    def reaching(self) -> list[Reaching]:
        """The runs of claims about time to a target."""
        return robustness.reaching(self.plan, self.tidy, self.claims)
