"""What a report has as text beside its page: tables, LaTeX, the leaderboard and the numbers.

All of it is a function of the tidy tables, so that a published result can be checked by making it
again (`published.verify`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from ganlore import (
    improvement,
    judged,
    judging,
    latex,
    leaderboard,
    numbers,
    second_views,
    storage,
    tables,
    verdict_table,
)
from ganlore.grid import Plan
from ganlore.judged import Judged
from ganlore.second_views import Reaching, Second
from ganlore.tables import Matrix, Tables


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
    def board(self) -> pd.DataFrame:
        """The leaderboard."""
        return leaderboard.board(self.cells, self.ends, self.tidy.floor)

    @cached_property
    def judged(self) -> list[Judged]:
        """The claims with their verdicts; none where the study has no claims."""
        return judging.judge(self.plan, self.tidy)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """A row for each test of each claim."""
        return judged.table(self.judged)

    @cached_property
    def second(self) -> list[Second]:
        """Second views of the matrices that have tricks over several losses."""
        return second_views.of_matrices(self.matrices)

    @cached_property
    def reaching(self) -> list[Reaching]:
        """The runs of claims about time to a target."""
        return second_views.reaching(self.plan, self.tidy, self.judged)

    @cached_property
    def numbers(self) -> dict[str, str]:
        """Every number that a text tells, by name."""
        return numbers.of(self)


def texts(results: Results) -> dict[str, str]:
    """The files by their path in the report's folder.

    Numbers in CSV are as Python writes them, which loses no bit.
    """
    found = {
        "leaderboard.csv": _csv(results.board),
        "numbers.json": json.dumps(results.numbers, indent=1, ensure_ascii=False) + "\n",
        "numbers.tex": latex.macros(results.numbers),
        "tables/cells.csv": _csv(results.cells),
        "tables/leaderboard.tex": leaderboard.as_latex(results.board),
        "tables/snapshots.csv": _csv(_snapshots(results.tidy.metrics)),
        "tables/runs.csv": _csv(results.ends),
    }
    if results.judged:
        found["tables/claims-cells.csv"] = _csv(judged.cells(results.judged))
        found["tables/claims-seeds.csv"] = _csv(judged.differences(results.judged))
        found["tables/verdicts.csv"] = _csv(results.verdicts)
        found["tables/verdicts.tex"] = verdict_table.as_latex(results.verdicts)
    for matrix in results.matrices:
        found[f"tables/fid-{matrix.slug}.tex"] = latex.cells(matrix, "fid", "FID")
        better = improvement.improvements(matrix)
        if len(better):
            found[f"tables/improvements-{matrix.slug}.csv"] = _csv(better)
        costs = tables.costs_of_tricks(matrix)
        if len(costs):
            found[f"tables/costs-of-tricks-{matrix.slug}.csv"] = _csv(costs, index=True)
    return found | _second(results)


def _snapshots(metrics: pd.DataFrame) -> pd.DataFrame:
    """FID of every run at every snapshot: what learning curves are drawn from."""
    wanted = [*tables.RUN, "step", "images", *tables.PROTOCOL, "value", "status"]
    return metrics.loc[metrics["metric"] == "fid", wanted].rename(columns={"value": "fid"})


def _second(results: Results) -> dict[str, str]:
    found = {}
    for second in results.second:
        found[f"tables/aggregates-{second.matrix.slug}.csv"] = _csv(second.tricks)
        if second.model is not None:
            found[f"tables/model-{second.matrix.slug}.csv"] = _csv(second.effects)
            found[f"tables/variance-{second.matrix.slug}.csv"] = _csv(second.variance)
    for one in results.reaching:
        found[f"tables/reaching-{one.claim}.csv"] = _csv(one.runs)
    return found


def _csv(table: pd.DataFrame, index: bool = False) -> str:
    return str(table.to_csv(index=index, lineterminator="\n"))


def write(folder: Path, results: Results) -> None:
    """Write `texts` into the report's folder."""
    for name, text in texts(results).items():
        storage.write_text(folder / name, text)
