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
    and the median FID of a cell. `cells.json`: FID of every cell, the mean over the seeds at the
    last snapshot. `fid/` and `losses/`: curves of every cell, a file for each data set, network and
    variant.

    Returns:
        The folder.
    """
    tidy = tables.read(plan)
    first = {name: names[0] for name, (_, names) in plan.protocols.items()}
    metrics = tidy.metrics[tidy.metrics["extractor"] == tidy.metrics["dataset"].map(first)]
    ends = tables.finals(metrics)
    folder = Path(plan.study.results) / FOLDER
    storage.write_json(folder / "overview.json", _overview(ends))
    storage.write_json(folder / "cells.json", _cells(ends))
    done = metrics[(metrics["metric"] == "fid") & (metrics["status"] == "done")]
    _curves(folder / "fid", done.rename(columns={"value": "fid"}), ["fid"])
    _curves(folder / "losses", tidy.history, ["d_loss", "g_loss"])
    return folder


def _overview(ends: pd.DataFrame) -> dict[str, Any]:
    failed = int((ends["status"] == "diverged").sum())
    overview: dict[str, Any] = {"runs": len(ends), "diverged": failed, "fid": {}}
    for matrix, rows in ends.groupby(MATRIX, sort=False):
        means = rows.groupby(["loss", "trick"])["fid"].mean().dropna()
        if len(means):
            overview["fid"]["/".join(matrix)] = {
                "lowest": float(means.min()),
                "median": float(means.median()),
            }
    return overview


def _cells(ends: pd.DataFrame) -> dict[str, float]:
    means = ends.groupby(tables.CELL, sort=False)["fid"].mean()
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
