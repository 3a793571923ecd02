"""What a report tells of a study beside its results: data, settings, machines, failures."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pandas as pd

from ganlore import formatting, shapes, storage
from ganlore.analysis import estimators, tables
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import PLAIN, Tables
from ganlore.execution import records
from ganlore.study import registry
from ganlore.study.run import Plan, PlugIn, Run

FEW = 4
"""A variant with more optimisers than these draws them."""


def data(plan: Plan, tidy: Tables, dataset: str, matrices: list[Matrix]) -> dict[str, Any]:
    """What a reader needs to know of a data set and how its runs were trained and measured."""
    root = Path(plan.study.data)
    remedy = "run snakemake"
    manifest = storage.open_record(
        root / "prepared" / dataset / "manifest.json", remedy, shapes.Form
    )
    runs = [run for run in plan.runs if run.dataset.name == dataset]
    accuracies, weak = {}, {}
    for name in plan.extractors[dataset]:
        path = root / "extractors" / dataset / name / "record.json"
        record = storage.open_record(path, remedy)
        accuracies[name] = record.get("test_accuracy")
        share = record.get("majority_share", 1 / max(manifest["classes"], 1))
        if accuracies[name] is not None and accuracies[name] < (1 + share) / 2:
            weak[name] = {"accuracy": accuracies[name], "share": share}
    measuring = plan.protocols[dataset][1]
    matrix = next(matrix for matrix in matrices if matrix.dataset == dataset)
    return {
        "name": dataset,
        "row": matrix.cells.iloc[0],
        "floor": matrix.floor,
        "n_floor": int(tidy.floor.loc[tidy.floor["dataset"] == dataset, "n_fake"].max()),
        "summary": registry.declaration("dataset", dataset).summary,
        "settings": formatting.settings(runs[0].dataset.settings),
        "manifest": manifest,
        "networks": list(dict.fromkeys(run.network.name for run in runs)),
        "losses": list(dict.fromkeys(run.loss.name for run in runs)),
        "tricks": list(dict.fromkeys(run.trick for run in runs)),
        "runs": len(runs),
        "training": runs[0].training,
        "optimizers": optimizers(runs),
        "weak": {name: weak[name] for name in measuring if name in weak},
        "measured_in": {name: accuracies[name] for name in measuring},
        "trained_in": {n: share for n, share in accuracies.items() if n not in measuring},
    }


def optimizers(runs: list[Run]) -> str:
    """The optimisers of some runs, the commonest first, with who has the others."""
    common = Counter(formatting.optimizer(run.optimizer) for run in runs).most_common(1)[0][0]
    others: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for run in runs:
        if (own := formatting.optimizer(run.optimizer)) != common:
            place = run.network.name if run.variant == "base" else run.variant
            others[place][own].add(run.loss.name)
    shared: dict[tuple[str, str], list[str]] = defaultdict(list)
    for place, owned in others.items():
        for own, losses in owned.items() if len(owned) <= FEW else [("drawn for each seed", set())]:
            names = formatting.listed(sorted(losses)) if losses else ""
            shared[names, own].append(place)
    said = [
        f"{losses} {'in ' if losses else ''}{formatting.listed(places)}: {own}".strip()
        for (losses, own), places in shared.items()
    ]
    return "; ".join([common, *said])


def totals(plan: Plan, tidy: Tables, table: pd.DataFrame) -> dict[str, Any]:
    """Runs, cells, what diverged, time, memory and devices of the whole study."""
    return {
        "runs": len(plan.runs),
        "cells": len({run.cell for run in plan.runs}),
        "diverged": int(table["n_diverged"].sum()),
        "hours": float(tidy.runs["seconds"].sum()) / 3600,
        "memory": float(tidy.runs["peak_memory_mb"].max()),
        "devices": sorted(set(tidy.runs["device"])),
        "threads": sorted(set(tidy.runs["threads"])),
    }


def declared(plan: Plan) -> dict[str, list[registry.Declaration]]:
    """What the study's losses, and its tricks with their parts, declare of themselves."""
    losses = {run.loss.name for run in plan.runs}
    tricks = {trick.name for run in plan.runs for trick in _named(run)}
    return {
        "losses": [registry.declaration("loss", name) for name in sorted(losses)],
        "tricks": [registry.declaration("trick", name) for name in sorted(tricks)],
    }


def environments(plan: Plan) -> list[dict[str, Any]]:
    """The different machines and versions that the runs recorded, each with its number of runs."""
    recorded = []
    for run in plan.runs:
        record = records.trained(run, plan.folder(run))
        recorded.append(json.dumps(record["environment"]))
    return [{**json.loads(text), "runs": count} for text, count in Counter(recorded).items()]


def limits(n: int) -> dict[str, Any]:
    """What so many seeds can and cannot show."""
    return {
        "n": n,
        "floor": estimators.sign_flip_floor(n),
        "factor": estimators.t_factor(n) if n > 1 else None,
        "needed": estimators.seeds_to_show(0.05),
    }


def critic_steps(runs: pd.DataFrame) -> dict[str, Any]:
    """Which losses make how many critic steps, and which tricks change that for which."""
    plain = runs[runs["trick"] == PLAIN].groupby("loss")["n_critic"].first()
    changed: dict[str, list[str]] = {}
    for (trick, loss), n in runs.groupby(["trick", "loss"])["n_critic"].first().items():
        if loss in plain.index and n != plain[loss]:
            changed.setdefault(str(trick), []).append(str(loss))
    counts = {int(n): sorted(plain[plain == n].index) for n in sorted(set(plain))}
    return {"plain": counts, "changed": changed}


def settings(plan: Plan) -> dict[str, str]:
    """The settings that losses and tricks had in the study's base variant, as words.

    Of what has no run there, those of another variant, which is named; of the data set with most
    runs first. Where each loss has an optimiser of its own, it is listed with them.
    """
    words: dict[str, str] = {}
    most = Counter(run.dataset.name for run in plan.runs)
    for run in sorted(plan.runs, key=lambda r: (r.variant != "base", -most[r.dataset.name])):
        of_loss = [_of_variant(run, run.loss.settings)]
        if run.training.policy != "shared":
            of_loss.append(formatting.optimizer(run.optimizer))
        words.setdefault(run.loss.name, "; ".join(of_loss))
        for trick in _named(run):
            parts = [part.name for part in trick.parts]
            own = f"those of {formatting.listed(parts)}" if parts else ""
            words.setdefault(trick.name, own or _of_variant(run, trick.settings))
    return words


def _of_variant(run: Run, settings: dict[str, Any]) -> str:
    """Settings as words, with the run's variant where that is not the base."""
    words = formatting.settings(settings)
    return f"{words} ({run.variant})" if words and run.variant != "base" else words


def _named(run: Run) -> list[PlugIn]:
    """A run's tricks, and the parts of those that are a combination."""
    return [*run.tricks, *(part for trick in run.tricks for part in trick.parts)]


def collapsed(plan: Plan, sections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cells that trained to the end and have collapsed all the same, by their means."""
    cells = []
    for section in sections:
        manifest = Path(plan.study.data) / "prepared" / section["matrix"].dataset / "manifest.json"
        classes = storage.open_record(manifest, "run snakemake", shapes.Form)["classes"]
        for cell in section["ranked"]:
            modes, precision = (cell["row"].get(key, math.nan) for key in ("modes", "precision"))
            if cell["row"]["fid_n"] and estimators.collapsed(modes, classes or math.nan, precision):
                values = {"of": classes, "modes": modes, "precision": precision}
                cells.append({**cell, "dataset": section["matrix"].dataset, **values})
    return cells


def failures(plan: Plan, tidy: Tables, ends: pd.DataFrame) -> list[dict[str, Any]]:
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
