"""From a rung's trials to the draws that it keeps, and the table of all trials."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import pandas as pd

from ganlore import frames, storage
from ganlore.evaluation import collect
from ganlore.execution import records
from ganlore.study import search, trials
from ganlore.study.run import Plan, Run
from ganlore.study.schema import Study

Scores = dict[str, dict[int, float]]
"""Each cell's draws with their mean FID over the search's seeds; infinite if one diverged."""


def fid(plan: Plan, run: Run) -> float:
    """A trial's FID at its end, in the features that its search chooses by; infinite if diverged.

    Raises:
        GanloreError: if its files are missing, damaged or stale.
    """
    collect.check_run(plan, run)
    table = frames.read_csv(
        plan.folder(run) / "metrics.csv", keep_default_na=False, na_values="nan"
    )
    ends = table[(table["metric"] == "fid") & (table["extractor"] == run.extractors[0])]
    last = ends[ends["step"] == ends["step"].max()].iloc[0]
    value = float(last["value"])
    return value if last["status"] == "done" and math.isfinite(value) else math.inf


def scores(plan: Plan) -> Scores:
    """The scores of a rung's trials."""
    values: dict[str, dict[int, list[float]]] = {}
    for run in plan.runs:
        of_cell = values.setdefault(trials.cell_key(run.cell), {})
        of_cell.setdefault(trials.number(run.variant), []).append(fid(plan, run))
    return {
        cell: {draw: statistics.fmean(fids) for draw, fids in draws.items()}
        for cell, draws in values.items()
    }


def best(of_draws: dict[int, float], n: int) -> list[int]:
    """The n draws of lowest score, best first; of equal ones the earlier draw."""
    return sorted(of_draws, key=lambda draw: (of_draws[draw], draw))[:n]


def select(study: Study, rung: int) -> Path:
    """Write what a rung keeps, and beside it the scores by which it does; gives the record.

    Raises:
        GanloreError: if a trial is missing, damaged or stale, or the rung before is not done.
    """
    assert study.search is not None
    plan = trials.of_rung(study, rung)
    values = scores(plan)
    path = search.record(study, rung)
    path.unlink(missing_ok=True)
    rows = [
        {"cell": cell, "draw": draw, "fid": score if math.isfinite(score) else math.nan}
        for cell, of_draws in values.items()
        for draw, score in of_draws.items()
    ]
    table = path.with_suffix(".csv")
    record = {
        "search": search.identity(study),
        "rung": rung,
        "kept": {
            cell: best(of_draws, study.search.kept(len(of_draws), rung))
            for cell, of_draws in values.items()
        },
        **records.sources(plan),
        "files": {table.name: storage.write_text(table, storage.csv_text(rows))},
    }
    storage.write_record(path, record)
    return path


def tables(study: Study) -> dict[str, pd.DataFrame]:
    """The table `search`, a row for each cell, rung and draw; nothing for a study without one.

    Columns: those of the cell, `rung`, `budget` (its share), `draw`, the draw's values, `fid`
    (empty if it diverged) and `kept`, whether the rung kept it.
    """
    own = study.search
    if own is None:
        return {}
    drawn = search.draws(own)
    rows: list[dict[str, Any]] = []
    for rung, share in enumerate(own.rungs, 1):
        written = search.read(study, rung)
        if written is None:
            continue
        for cell, draw, value in frames.read_csv(
            search.record(study, rung).with_suffix(".csv")
        ).itertuples(index=False):
            names = dict(zip(("dataset", "network", "loss", "trick"), cell.split("/"), strict=True))
            row = {**names, "rung": rung, "budget": share, "draw": draw, **drawn[draw]}
            rows.append({**row, "fid": value, "kept": draw in written["kept"][cell]})
    return {"search": pd.DataFrame(rows)} if rows else {}
