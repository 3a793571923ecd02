"""What a report shows of one matrix: its cells with their samples, best first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ganlore import formatting
from ganlore.analysis import matrices
from ganlore.analysis.matrices import Matrix
from ganlore.metrics import metrics as all_metrics
from ganlore.report import rendered, samples
from ganlore.report.figures._drawing import cell_name
from ganlore.study import registry
from ganlore.study.run import Plan, Run


def sections(
    plan: Plan, album: samples.Album, found: list[Matrix], runs: pd.DataFrame, folder: Path
) -> list[dict[str, Any]]:
    """All that the page shows of each data set, network and variant.

    Args:
        plan: the study's plan.
        album: its samples.
        found: its matrices.
        runs: the tidy table of runs.
        folder: where figures go.
    """
    main = _main(found)
    return [_section(plan, album, matrix, runs, folder, matrix.slug in main) for matrix in found]


def _main(found: list[Matrix]) -> set[str]:
    """Those that have figures: the ordinary variant, or the first where there is none.

    Variants are for claims, which show them in figures of their own.
    """
    chosen: dict[tuple[str, str], Matrix] = {}
    for matrix in found:
        place = (matrix.dataset, matrix.network)
        if place not in chosen or matrix.variant == "base":
            chosen[place] = matrix
    return {matrix.slug for matrix in chosen.values()}


def anchor(slug: str, loss: str, trick: str) -> str:
    """The anchor of a cell's fold."""
    return f"cell-{slug}-{loss}-{trick.replace('+', '-')}"


def _section(
    plan: Plan, album: samples.Album, matrix: Matrix, table: pd.DataFrame, folder: Path, main: bool
) -> dict[str, Any]:
    runs: dict[tuple[str, str], list[Run]] = {}
    for run in plan.runs:
        cell = run.cell
        if (cell.dataset, cell.network, cell.variant) == (
            matrix.dataset, matrix.network, matrix.variant,
        ):  # fmt: skip
            runs.setdefault((run.loss.name, run.trick), []).append(run)
    ends = matrix.finals.set_index(["loss", "trick", "train_seed"])
    cells = {
        key: _cell(album, matrix, key, [(run, ends.loc[(*key, run.seed)]) for run in mine])
        for key, mine in runs.items()
    }
    ranked = sorted(cells.values(), key=lambda cell: cell["row"]["rank"])
    return {
        "matrix": matrix,
        "cells": cells,
        "ranked": ranked,
        "costs": matrices.costs_of_tricks(matrix).reset_index().to_dict("records"),
        "tied": _overlapping(ranked),
        "real": album.real(matrix.dataset),
        "points": album.points(matrix.dataset),
        "held_out": album.held_out(matrix.dataset),
        "main": main,
        "figures": rendered.of_matrix(matrix, table, folder) if main else [],
    }


def _cell(
    album: samples.Album, matrix: Matrix, key: tuple[str, str], runs: list[tuple[Run, Any]]
) -> dict[str, Any]:
    row = matrix.cell(*key)
    assert row is not None, key
    loss, trick = key
    others = max(len(matrix.cells) - 1, 1)
    return {
        "loss": loss,
        "trick": trick,
        "name": cell_name(loss, trick),
        "anchor": anchor(matrix.slug, loss, trick),
        "row": row,
        "tint": round(100 * (others + 1 - row["rank"]) / others) if row["fid_n"] else 0,
        "diverged": formatting.diverged(row),
        "strip": album.strip(runs[0][0]),
        "strip_seed": runs[0][0].seed,
        "seeds": [
            {
                "seed": run.seed,
                "end": end.to_dict(),
                "sheet": album.sheet(run),
                "course": album.course(run),
                "own": album.own(run),
            }
            for run, end in runs
        ],
        "own": [
            name for name, metric in all_metrics().items() if metric.only and row.get(f"{name}_n")
        ],
        "captions": registry.declaration("loss", loss).fact("captions", {}),
    }


def _overlapping(ranked: list[dict[str, Any]]) -> list[str]:
    """The cells whose interval of FID overlaps that of the best."""
    best = ranked[0]["row"]
    return [cell["name"] for cell in ranked[1:] if cell["row"]["fid_low"] <= best["fid_high"]]
