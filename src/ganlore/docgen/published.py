"""Published results as blocks of Markdown: every number comes from `results/<study>`."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from ganlore import formatting
from ganlore.analysis import tables
from ganlore.docgen.catalogue import code, table
from ganlore.publishing.publication import Publication, opened

Row = dict[str, Any]


def _cells(found: Publication) -> list[Row]:
    """The rows of the report's table of cells, numbers as numbers."""
    rows = csv.DictReader(io.StringIO((found.reports / "tables" / "cells.csv").read_text()))
    return [{key: _number(text) for key, text in row.items()} for row in rows]


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or float("nan")


def result(root: Path, study: str) -> str:
    """FID of every cell of a published result with one network on one data set, best first."""
    cells = _cells(opened(root / "results" / study))
    plain = sorted((row for row in cells if row["trick"] == tables.PLAIN), key=_fid)
    tricks = sorted({row["trick"] for row in cells} - {tables.PLAIN})
    by_name = {(row["loss"], row["trick"]): row for row in cells}
    rows = []
    for row in plain:
        more = (by_name.get((row["loss"], trick)) for trick in tricks)
        shown = (formatting.estimate(cell, "fid") if cell else "" for cell in (row, *more))
        rows.append([code(row["loss"]), *shown])
    return table(["loss", "plain", *map(code, tricks)], rows, 1 + len(tricks))


def _fid(row: Row) -> tuple[bool, float]:
    return (row["fid"] != row["fid"], row["fid"])  # a cell without a number is last


def result_setting(root: Path, study: str) -> str:
    """What a published result was made with: runs, budget, machine, features, sample sizes."""
    found = opened(root / "results" / study)
    runs = [record["run"] for record in found.records.values()]
    seeds = {run["settings"]["seed"] for run in runs}
    images = {run["steps"] * run["settings"]["training"]["batch"] for run in runs}
    machine = {run["environment"]["processor"] for run in runs}
    hours = sum(run["seconds"] for run in runs) / 3600
    sizes = {(row["n_real"], row["n_fake"]) for row in _cells(found)}
    (n_real, n_fake), *_ = sorted(sizes, reverse=True)
    plural = "" if len(seeds) == 1 else "s"
    return (
        f"{len(runs)} runs ({len(seeds)} seed{plural}) of up to {max(images):,} images on "
        f"{' and '.join(sorted(machine))}, {hours:.1f} core hours of training; FID of {n_fake:,} "
        f"samples against {n_real:,} images of the data in the features of {_extractors(found)}"
    )


def _extractors(found: Publication) -> str:
    records = sorted((found.folder / "extractors").rglob("record.json"))
    told = []
    for path in records:
        record = json.loads(path.read_text())
        accuracy = record.get("test_accuracy")
        right = "" if accuracy is None else f" (test accuracy {100 * accuracy:.1f} %)"
        told.append(f"{code(record['extractor'])}{right}")
    return " and ".join(told)


def result_floor(root: Path, study: str) -> str:
    """The FID of held-out real data under the same protocol."""
    found = opened(root / "results" / study)
    rows = csv.DictReader(io.StringIO((found.folder / "floor.csv").read_text()))
    (value,) = {float(row["value"]) for row in rows if row["metric"] == "fid"}
    return formatting.number(value)


BLOCKS = {"result": result, "result-setting": result_setting, "result-floor": result_floor}
