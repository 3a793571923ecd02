"""A study's results as pages show them: everything is a function of its tidy tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from ganlore.analysis import robustness, tables
from ganlore.analysis.claims import comparison
from ganlore.analysis.claims import results as claim_results
from ganlore.analysis.claims.results import Judged
from ganlore.analysis.robustness import Reaching, Second
from ganlore.analysis.tables import Matrix, Tables
from ganlore.study.run import Plan


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
        return tables.matrices(self.plan, self.tidy, self.ends, self.cells)

    @cached_property
    def judged(self) -> list[Judged]:
        """The claims with their verdicts; none where the study has no claims."""
        return comparison.judge(self.plan, self.tidy)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """A row for each test of each claim."""
        return claim_results.table(self.judged)

    @cached_property
    def second(self) -> list[Second]:
        """Second views of the matrices that have tricks over several losses."""
        return robustness.of_matrices(self.matrices)

    @cached_property
    def reaching(self) -> list[Reaching]:
        """The runs of claims about time to a target."""
        return robustness.reaching(self.plan, self.tidy, self.judged)
