"""What a report shows of one matrix: its cells with their samples, best first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ganlore import formatting
from ganlore.analysis.matrices import Matrix, costs_of_tricks
from ganlore.metrics import metrics as all_metrics
from ganlore.report import rendered, samples
from ganlore.report.figures._drawing import cell_name
from ganlore.study import registry
from ganlore.study.run import Plan, Run


def sections(
    plan: Plan, album: samples.Album, matrices: list[Matrix], runs: pd.DataFrame, folder: Path
) -> list[dict[str, Any]]:
    """All that the page shows of each data set, network and variant.

    The ordinary variant (the first where there is none) has figures; the others are for claims,
    which have figures of their own.

    Args:
        plan: the study's plan.
        album: its samples.
        matrices: its matrices.
        runs: the tidy table of runs.
        folder: where figures go.
    """
    main: dict[tuple[str, str], Matrix] = {}
    for matrix in matrices:
        place = (matrix.dataset, matrix.network)
        if place not in main or matrix.variant == "base":
            main[place] = matrix
    return [
        _section(plan, album, matrix, runs, folder, main[matrix.dataset, matrix.network] is matrix)
        for matrix in matrices
    ]


def anchor(slug: str, loss: str, trick: str) -> str:
    """The anchor of a cell's fold."""
    return f"cell-{slug}-{loss}-{trick.replace('+', '-')}"


def _section(
    plan: Plan, album: samples.Album, matrix: Matrix, table: pd.DataFrame, folder: Path, main: bool
) -> dict[str, Any]:
    ends = matrix.finals.set_index(["loss", "trick", "train_seed"])
    place = (matrix.dataset, matrix.network, matrix.variant)
    runs: dict[tuple[str, str], list[tuple[Run, Any]]] = {}
    for run in plan.runs:
        dataset, network, *key, variant = run.cell
        if (dataset, network, variant) == place:
            runs.setdefault((key[0], key[1]), []).append((run, ends.loc[(*key, run.seed)]))
    cells = {key: _cell(album, matrix, key, mine) for key, mine in runs.items()}
    drawn = cells.values() if main else ()  # what a page shows of the others is their sheets
    strips = [album.real(matrix.dataset), *(cell["strip"] for cell in drawn)] if main else []
    real, *strips = album.strips(f"strips-{matrix.slug}", strips) or [None]
    for cell, strip in zip(drawn, strips, strict=True):
        cell["strip"] = strip
    ranked = sorted(cells.values(), key=lambda cell: cell["row"]["rank"])
    return {
        "matrix": matrix,
        "cells": cells,
        "ranked": ranked,
        "costs": costs_of_tricks(matrix).reset_index().to_dict("records"),
        "real": real,
        "points": album.points(matrix.dataset),
        "held_out": album.held_out(matrix.dataset),
        "main": main,
        "plain": matrix.plain if matrix.dense is not matrix else None,
        "dense": matrix.dense,
        "figures": rendered.of_matrix(matrix, table, folder) if main else [],
    }


def _cell(
    album: samples.Album, matrix: Matrix, key: tuple[str, str], runs: list[tuple[Run, Any]]
) -> dict[str, Any]:
    row = matrix.cell(*key)
    assert row is not None, key
    loss, trick = key
    others = max(len(matrix.counted) - 1, 1)
    counts = row["fid_n"] and loss not in matrix.checks
    name = anchor(matrix.slug, loss, trick)
    pictures = album.of_cell(name, [run for run, _ in runs])
    seeds = [
        {"seed": run.seed, "end": end.to_dict(), **mine}
        for (run, end), mine in zip(runs, pictures, strict=True)
    ]
    return {
        "loss": loss,
        "trick": trick,
        "name": cell_name(loss, trick),
        "anchor": name,
        "row": row,
        "check": loss in matrix.checks,
        "marks": matrix.marks(loss, trick),
        "tint": round(100 * (others + 1 - row["rank"]) / others) if counts else 0,
        "diverged": formatting.diverged(row),
        "strip": seeds[0]["strip"],
        "strip_seed": seeds[0]["seed"],
        "seeds": seeds,
        "own": [
            name for name, metric in all_metrics().items() if metric.only and row.get(f"{name}_n")
        ],
        "captions": registry.declaration("loss", loss).fact("captions", {}),
    }
