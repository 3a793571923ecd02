"""What a report has as text beside its page: tables, LaTeX, the leaderboard and the numbers.

All of it is a function of the tidy tables, so that a published result can be checked by making it
again (`verify_published`).
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from ganlore import storage
from ganlore.analysis import leaders, matrices, replication, tables
from ganlore.analysis.claims import budgets
from ganlore.analysis.claims import results as claim_results
from ganlore.analysis.results import Results
from ganlore.errors import GanloreError
from ganlore.execution import records
from ganlore.report import claims, latex, leaderboard, samples, values
from ganlore.study.run import Plan


def texts(results: Results) -> dict[str, str]:
    """The files by their path in the report's folder.

    Numbers in CSV are as Python writes them, which loses no bit.
    """
    board, numbers = leaderboard.of(results), values.of(results)
    contents = {
        "leaderboard.csv": _csv(board),
        "numbers.json": json.dumps(numbers, indent=1, ensure_ascii=False) + "\n",
        "numbers.tex": latex.macros(numbers),
        "tables/cells.csv": _csv(results.cells),
        "tables/leaderboard.tex": leaderboard.as_latex(board),
        "tables/snapshots.csv": _csv(_snapshots(results.tidy.metrics)),
        "tables/runs.csv": _csv(results.ends),
    }
    if results.claims:
        contents["tables/claims-cells.csv"] = _csv(claim_results.cells(results.claims))
        contents["tables/claims-budget.csv"] = _csv(budgets.table(results.along, results.claims))
        contents["tables/claims-seeds.csv"] = _csv(claim_results.differences(results.claims))
        contents["tables/verdicts.csv"] = _csv(claim_results.rows(results.claims))
        contents["tables/verdicts.tex"] = claims.as_latex(results.claims)
    if (paper := results.plan.study.replicates) is not None:
        contents["tables/replication.csv"] = _csv(replication.rows(results.tidy, paper))
    if results.tidy.search is not None:
        contents["tables/search.csv"] = _csv(results.tidy.search)
    for matrix in results.matrices:
        contents[f"tables/fid-{matrix.slug}.tex"] = latex.cells(matrix)
        effects = leaders.of_tricks(matrix)
        if len(effects):
            effects["names"] = effects["names"].map(" ".join)
            contents[f"tables/tricks-{matrix.slug}.csv"] = _csv(effects)
        better = matrices.improvements(matrix)
        if len(better):
            contents[f"tables/improvements-{matrix.slug}.csv"] = _csv(better)
        costs = matrices.costs_of_tricks(matrix)
        if len(costs):
            contents[f"tables/costs-of-tricks-{matrix.slug}.csv"] = _csv(costs, index=True)
    return contents | _robustness(results)


def _snapshots(metrics: pd.DataFrame) -> pd.DataFrame:
    """FID of every run at every snapshot: what learning curves are drawn from."""
    wanted = [*tables.RUN, "step", "images", *tables.PROTOCOL, "value", "status"]
    return metrics.loc[metrics["metric"] == "fid", wanted].rename(columns={"value": "fid"})


def _robustness(results: Results) -> dict[str, str]:
    contents = {}
    for checks in results.robustness:
        contents[f"tables/aggregates-{checks.matrix.slug}.csv"] = _csv(checks.tricks)
        contents[f"tables/model-{checks.matrix.slug}.csv"] = _csv(checks.model.tricks)
        contents[f"tables/variance-{checks.matrix.slug}.csv"] = _csv(checks.model.variance)
    for one in results.reaching:
        contents[f"tables/reaching-{one.claim}-{one.test}.csv"] = _csv(one.runs)
    return contents


def _csv(table: pd.DataFrame, index: bool = False) -> str:
    return str(table.to_csv(index=index, lineterminator="\n"))


WHOLE = ("index.html", "paper.pdf", "leaderboard.csv", "numbers.json", "numbers.tex")
"""Of a report, beside its folders."""

FOLDERS = ("figures", "tables", samples.FOLDER)


def paths(folder: Path) -> list[Path]:
    """The files of a report.

    Raises:
        GanloreError: if one of `WHOLE` is missing.
    """
    for name in WHOLE:
        if not (folder / name).exists():
            raise GanloreError(f"{folder / name}: missing\n  to make it: run snakemake")
    drawn = (path for part in FOLDERS for path in sorted((folder / part).rglob("*")))
    files = [path for path in drawn if path.is_file() and path.name[0] != "."]  # Snakemake's
    return [*files, *(folder / name for name in WHOLE)]


def seal(plan: Plan) -> None:
    """Write the record of a finished report: its files' hashes, and that of its tables' record."""
    folder, results = Path(plan.study.reports), Path(plan.study.results)
    collected = storage.open_record(results / records.TABLES, "run snakemake")
    record = {
        "study": plan.study.name,
        "tables": collected[storage.SEAL],
        "files": {str(path.relative_to(folder)): storage.sha256(path) for path in paths(folder)},
    }
    storage.write_record(folder / records.REPORT, record)


def write(folder: Path, results: Results) -> None:
    """Write `texts` into the report's folder, which is without its record from now on."""
    (folder / records.REPORT).unlink(missing_ok=True)
    for name, text in texts(results).items():
        storage.write_text(folder / name, text)
