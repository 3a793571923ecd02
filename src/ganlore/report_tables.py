"""All tables of a report, in one place: it writes them, and a publication's are checked by it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ganlore import improvement, judging, storage, tables
from ganlore.grid import Plan
from ganlore.judging import Judged
from ganlore.tables import Matrix, Tables


@dataclass(frozen=True)
class Shown:
    """What a report shows, as tables.

    Attributes:
        ends: `tables.finals`, one row for each run.
        cells: `tables.cells`, one row for each cell.
        matrices: `tables.matrices`.
        judged: `judging.judge`, empty for a study without claims.
    """

    ends: pd.DataFrame
    cells: pd.DataFrame
    matrices: list[Matrix]
    judged: list[Judged]


def write(folder: Path, plan: Plan, tidy: Tables) -> Shown:
    """Write the tables of a report.

    Args:
        folder: where they go.
        plan: the study's plan.
        tidy: its tidy tables.
    """
    ends = tables.finals(tidy.metrics)
    cells = tables.cells(tidy, ends)
    found = tables.matrices(plan, tidy, ends, cells)
    tables.write(folder, cells, ends, found)
    storage.write_text(folder / "metrics.csv", tidy.metrics.to_csv(index=False))
    more = {f"improvements-{matrix.slug}": improvement.improvements(matrix) for matrix in found}
    judged = judging.judge(plan, tidy)
    if judged:
        more["verdicts"] = judging.table(judged)
        more["claims-seeds"] = judging.differences(judged)
        more["claims-cells"] = judging.cells(judged)
    for name, table in more.items():
        if len(table):
            text = table.to_csv(index=False, lineterminator="\n")
            storage.write_text(folder / f"{name}.csv", text)
    return Shown(ends, cells, found, judged)
