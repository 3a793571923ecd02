"""The report: figures, tables, and one page that holds all of it.

`build` reads the tables that `collect` wrote and the samples of each run; every number of the page
comes from them. The page's words are in `templates/report.html`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from ganlore import (
    figures,
    leaderboard,
    outputs,
    paper,
    pictures,
    plugins,
    statistics,
    storage,
    tables,
    wording,
)
from ganlore.grid import Plan, Run
from ganlore.metrics import metrics as all_metrics
from ganlore.plan import PlugIn
from ganlore.tables import PLAIN, Matrix, Tables

TEMPLATES = plugins.PACKAGE / "templates"


def build(plan: Plan) -> Path:
    """Write the report of a study: `index.html`, `paper.pdf`, figures, tables and numbers.

    Args:
        plan: the study's plan; all its runs are in the tables.

    Returns:
        The page's path.

    Raises:
        GanloreError: if a table or a run's samples are missing, damaged, or not of this study.
    """
    folder = Path(plan.study.reports)
    tidy = tables.read(plan)
    results = outputs.Results(plan, tidy)
    ends, table, found = results.ends, results.cells, results.matrices
    outputs.write(folder, results)
    measured = {name: all_metrics()[name] for name in tidy.names}
    album = pictures.Album(plan)
    sections = [_section(plan, album, matrix, folder) for matrix in found]
    context = {
        "study": plan.study,
        "data": [_data(plan, tidy, name, found) for name in plan.datasets],
        "sections": sections,
        "metrics": {name: metric for name, metric in measured.items() if not metric.only},
        "special": {name: metric for name, metric in measured.items() if metric.only},
        "missing": plan.missing,
        "failures": _failures(plan, tidy, ends),
        "collapsed": _collapsed(plan, sections),
        "critic": _critic_steps(tidy.runs),
        "settings": _settings(plan),
        "totals": _totals(plan, tidy, table),
        "losses": _plugins("loss", (run.loss.name for run in plan.runs)),
        "tricks": _plugins("trick", (t.name for run in plan.runs for t in _named(run))),
        "environments": _environments(plan),
        "legend": wording.LEGEND,
        "limits": _limits(len(plan.study.seeds)),
        "backdrops": album.backdrops(),
        "leaderboard": leaderboard.groups(results.board),
    }
    page = folder / "index.html"
    storage.write_text(page, _render(context))
    paper.write(folder, results)
    return page


def _render(context: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": tables.number,
        "papers": wording.papers,
        "listed": wording.listed,
        "optimizer": wording.optimizer,
    }
    environment.globals |= {"estimate": tables.estimate, "spread": tables.spread, "PLAIN": PLAIN}
    return environment.get_template("report.html").render(context)


# -- what was run ----------------------------------------------------------------------------------


def _data(plan: Plan, tidy: Tables, dataset: str, found: list[Matrix]) -> dict[str, Any]:
    """What a reader needs to know of a data set and how its runs were trained and measured."""
    root = Path(plan.study.data)
    remedy = "run snakemake"
    manifest = storage.read_json(root / "prepared" / dataset / "manifest.json", remedy)
    runs = [run for run in plan.runs if run.dataset.name == dataset]
    accuracies = {
        name: storage.read_json(root / "extractors" / dataset / name / "record.json", remedy).get(
            "test_accuracy"
        )
        for name in plan.extractors[dataset]
    }
    measuring = plan.protocols[dataset][1]
    matrix = next(matrix for matrix in found if matrix.dataset == dataset)
    return {
        "name": dataset,
        "row": matrix.cells.iloc[0],
        "floor": matrix.floor,
        "n_floor": int(tidy.floor.loc[tidy.floor["dataset"] == dataset, "n_fake"].max()),
        "summary": plugins.declaration("dataset", dataset).summary,
        "settings": wording.settings(runs[0].dataset.settings),
        "manifest": manifest,
        "networks": list(dict.fromkeys(run.network.name for run in runs)),
        "losses": list(dict.fromkeys(run.loss.name for run in runs)),
        "tricks": list(dict.fromkeys(run.trick for run in runs)),
        "runs": len(runs),
        "training": runs[0].training,
        "measured_in": {name: accuracies[name] for name in measuring},
        "trained_in": {n: told for n, told in accuracies.items() if n not in measuring},
    }


def _totals(plan: Plan, tidy: Tables, table: pd.DataFrame) -> dict[str, Any]:
    return {
        "runs": len(plan.runs),
        "cells": len({run.cell for run in plan.runs}),
        "diverged": int(table["n_diverged"].sum()),
        "hours": float(tidy.runs["seconds"].sum()) / 3600,
        "memory": float(tidy.runs["peak_memory_mb"].max()),
        "devices": sorted(set(tidy.runs["device"])),
        "threads": sorted(set(tidy.runs["threads"])),
    }


def _plugins(kind: str, names: Iterable[str]) -> list[plugins.Declaration]:
    return [plugins.declaration(kind, name) for name in sorted(set(names))]


def _environments(plan: Plan) -> list[dict[str, Any]]:
    """The different machines and versions that the runs recorded, each with its number of runs."""
    counts: dict[str, int] = {}
    found: dict[str, dict[str, Any]] = {}
    for run in plan.runs:
        folder = plan.folder(run)
        record = storage.read_json(folder / "run.json", f"delete {folder} and run snakemake")
        key = repr(record["environment"])
        counts[key] = counts.get(key, 0) + 1
        found[key] = record["environment"]
    return [{**found[key], "runs": count} for key, count in counts.items()]


def _limits(n: int) -> dict[str, Any]:
    """What so many seeds can and cannot show."""
    return {
        "n": n,
        "floor": statistics.sign_flip_floor(n),
        "factor": statistics.t_factor(n) if n > 1 else None,
        "needed": statistics.seeds_to_show(0.05),
    }


def _critic_steps(runs: pd.DataFrame) -> dict[str, Any]:
    """Which losses make how many critic steps, and which tricks change that for which."""
    plain = runs[runs["trick"] == PLAIN].groupby("loss")["n_critic"].first()
    changed: dict[str, list[str]] = {}
    for (trick, loss), n in runs.groupby(["trick", "loss"])["n_critic"].first().items():
        if loss in plain.index and n != plain[loss]:
            changed.setdefault(str(trick), []).append(str(loss))
    counts = {int(n): sorted(plain[plain == n].index) for n in sorted(set(plain))}
    return {"plain": counts, "changed": changed}


def _settings(plan: Plan) -> dict[str, str]:
    """The settings that losses and tricks had in the study's base variant, as words.

    Where each loss has an optimiser of its own, that is told with them.
    """
    found: dict[str, str] = {}
    for run in plan.runs:
        words = [wording.settings(run.loss.settings)]
        if run.training.policy == "published":
            words.append(wording.optimizer(run.optimizer))
        found.setdefault(run.loss.name, "; ".join(words))
        for trick in _named(run):
            parts = [part.name for part in trick.parts]
            told = (
                f"those of {wording.listed(parts)}" if parts else wording.settings(trick.settings)
            )
            found.setdefault(trick.name, told)
    return found


def _named(run: Run) -> list[PlugIn]:
    """A run's tricks, and the parts of those that are a combination."""
    return [*run.tricks, *(part for trick in run.tricks for part in trick.parts)]


def _collapsed(plan: Plan, sections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cells that trained to the end and yet have at most half of the modes or no precision."""
    found = []
    for section in sections:
        manifest = Path(plan.study.data) / "prepared" / section["matrix"].dataset / "manifest.json"
        classes = storage.read_json(manifest, "run snakemake")["classes"]
        for cell in section["ranked"]:
            row = cell["row"]
            few = classes and row.get("modes", classes) <= classes / 2
            if row["fid_n"] and (few or row.get("precision", 1.0) < 0.05):
                shown = {key: row.get(key, float("nan")) for key in ("modes", "precision")}
                place = {"dataset": section["matrix"].dataset, "of": classes}
                found.append({"name": cell["name"], "anchor": cell["anchor"], **shown, **place})
    return found


def _failures(plan: Plan, tidy: Tables, ends: pd.DataFrame) -> list[dict[str, Any]]:
    """Diverged runs with the step at which they ended."""
    key = [*tables.CELL, "train_seed"]
    lost = ends[ends["status"] == "diverged"].drop_duplicates(key)
    rows = lost[[*key, "images"]].merge(tidy.runs[[*key, "status", "steps"]], on=key)
    budgets = {(*run.cell, run.seed): run.training.steps for run in plan.runs}
    return [
        {
            **{str(k): v for k, v in row.items()},
            "planned": budgets[tuple(row[name] for name in key)],
            "how": "training: a loss beyond the bound or not finite"
            if row["status"] == "diverged"
            else "sampling: values that are not finite",
        }
        for row in rows.to_dict("records")
    ]


# -- one matrix ------------------------------------------------------------------------------------


def _section(plan: Plan, album: pictures.Album, matrix: Matrix, folder: Path) -> dict[str, Any]:
    """All that the page shows of one data set, network and variant."""
    runs: dict[tuple[str, str], list[Run]] = {}
    for run in plan.runs:
        if (run.cell[0], run.cell[1], run.cell[4]) == (
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
        "costs": tables.costs_of_tricks(matrix).reset_index().to_dict("records"),
        "tied": _overlapping(ranked),
        "real": album.real(matrix.dataset),
        "points": album.points(matrix.dataset),
        "held_out": album.held_out(matrix.dataset),
        "figures": _figures(matrix, folder / "figures", album.points(matrix.dataset)),
    }


def _cell(
    album: pictures.Album, matrix: Matrix, key: tuple[str, str], runs: list[tuple[Run, Any]]
) -> dict[str, Any]:
    row = matrix.cell(*key)
    assert row is not None, key
    loss, trick = key
    others = max(len(matrix.cells) - 1, 1)
    return {
        "loss": loss,
        "trick": trick,
        "name": loss if trick == PLAIN else f"{loss} + {trick}",
        "anchor": f"cell-{matrix.slug}-{loss}-{trick.replace('+', '-')}",
        "row": row,
        "tint": round(100 * (others + 1 - row["rank"]) / others) if row["fid_n"] else 0,
        "diverged": tables.diverged(row),
        "strip": album.strip(runs[0][0]),
        "strip_seed": runs[0][0].seed,
        "seeds": [
            {
                "seed": run.seed,
                "end": end.to_dict(),
                "sheet": album.sheet(run),
                "own": album.own(run),
            }
            for run, end in runs
        ],
        "own": [
            name for name, metric in all_metrics().items() if metric.only and row.get(f"{name}_n")
        ],
        "captions": plugins.declaration("loss", loss).fact("captions", {}),
    }


def _overlapping(ranked: list[dict[str, Any]]) -> list[str]:
    """The cells whose interval of FID overlaps that of the best."""
    best = ranked[0]["row"]
    return [cell["name"] for cell in ranked[1:] if cell["row"]["fid_low"] <= best["fid_high"]]


def _figures(matrix: Matrix, folder: Path, points: bool) -> list[dict[str, Any]]:
    """Draw and save the figures of a matrix; each with what a page needs to show it."""
    known = all_metrics()

    def of(name: str) -> tuple[str, str, bool]:
        return name, known[name].label, not known[name].higher_is_better

    shown = [of(name) for name in ("fid", *(("modes", "high_quality") if points else ()))
             if matrix.has(name)]  # fmt: skip
    made: list[tuple[str, Any]] = []
    if matrix.single:
        made.append(("dots", figures.dot_plot(matrix, shown)))
    else:
        made += [(f"heat-{m[0].replace('_', '-')}", figures.heat_map(matrix, *m)) for m in shown]
    if matrix.has("precision") and matrix.has("recall"):
        made.append(("precision-recall", figures.precision_recall(matrix)))
    made.append(("curves", figures.learning_curves(matrix)))
    made.append(("cost", figures.cost(matrix)))
    drawn = []
    for kind, figure in made:
        name = f"{kind}-{matrix.slug}"
        svg = figures.save(figure, folder, name)
        alt = figures.describe(matrix, kind)
        inlined, width = figures.inline(svg, name, alt)
        drawn.append({"kind": kind, "name": name, "svg": inlined, "width": width})
    return drawn
