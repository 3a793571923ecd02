"""A study's numbers as DVC reads them: metrics to compare between commits, and plots."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from ganlore import storage
from ganlore.analysis import tables
from ganlore.study.run import Plan

FOLDER = "summary"
MATRIX = ["dataset", "network", "variant"]


def write(plan: Plan) -> Path:
    """Write a finished study's summary; nothing in it depends on the time that runs took.

    `overview.json`: runs, how many diverged, and of each data set, network and variant the lowest
    FID of a cell (of those with the fewest diverged runs) and the median. `cells.json`: FID of
    every cell, the geometric mean over the seeds at the last snapshot, as in the report. `fid/` and
    `losses/`: curves of every cell, a file for each data set, network and variant.

    Returns:
        The folder.
    """
    tidy = tables.read(plan)
    first = {name: names[0] for name, (_, names) in plan.protocols.items()}
    metrics = tidy.metrics[tidy.metrics["extractor"] == tidy.metrics["dataset"].map(first)]
    ends = tables.finals(metrics)
    folder = Path(plan.study.results) / FOLDER
    cells = tables.cells(tidy, ends)
    storage.write_json(folder / "overview.json", _overview(cells))
    storage.write_json(folder / "cells.json", _cells(cells))
    done = metrics[(metrics["metric"] == "fid") & (metrics["status"] == "done")]
    _curves(folder / "fid", done.rename(columns={"value": "fid"}), ["fid"])
    _curves(folder / "losses", tidy.history, ["d_loss", "g_loss"])
    return folder


def _overview(cells: pd.DataFrame) -> dict[str, Any]:
    counts = cells[["n_seeds", "n_diverged"]].sum()
    overview: dict[str, Any] = {
        "runs": int(counts["n_seeds"]), "diverged": int(counts["n_diverged"]), "fid": {}
    }  # fmt: skip
    for matrix, rows in cells.dropna(subset="fid").groupby(MATRIX, sort=False):
        fewest = rows[rows["n_diverged"] == rows["n_diverged"].min()]
        overview["fid"]["/".join(matrix)] = {
            "lowest": float(fewest["fid"].min()),
            "median": float(rows["fid"].median()),
        }
    return overview


def _cells(cells: pd.DataFrame) -> dict[str, float]:
    means = cells.set_index(tables.CELL)["fid"]
    return {"/".join(cell): float(fid) for cell, fid in means.items() if not math.isnan(fid)}


def _curves(folder: Path, rows: pd.DataFrame, columns: list[str]) -> None:
    """Write the seeds' means of columns over images, one file for each matrix."""
    folder.mkdir(parents=True, exist_ok=True)
    written = set()
    for matrix, part in rows.groupby(MATRIX, sort=False):
        named = part.assign(cell=part["loss"] + " " + part["trick"])
        curves = named.groupby(["cell", "images"], sort=False)[columns].mean().reset_index()
        path = folder / f"{'-'.join(matrix)}.csv"
        storage.write_text(path, str(curves.to_csv(index=False, lineterminator="\n")))
        written.add(path)
    for path in set(folder.glob("*.csv")) - written:  # of a study before
        path.unlink()
