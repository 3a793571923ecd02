"""Every number that a text of ours tells, by name: one source for the paper, LaTeX and README.

The names are words with hyphens. Those of a matrix begin with its data set and network, those of a
claim with its id: `digits-mlp-best-fid`, `c05-effect`. What a text says of a number's place (the
best cell's name) is here as well, since it changes with the number.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ganlore import formatting
from ganlore.analysis import estimators, leaders, matrices, tables
from ganlore.analysis.claims.verdicts import ALPHA, VERDICTS
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.formatting import count, percent
from ganlore.study import asking, registry

if TYPE_CHECKING:
    from ganlore.analysis.results import Results

LEVEL = 0.95
"""Of every interval."""


def of(results: Results) -> dict[str, str]:
    """The numbers of a study as text, by name."""
    numbers = _study(results) | _verdicts(results)
    for dataset in results.plan.datasets:
        numbers |= _dataset(results, dataset)
    for matrix in results.matrices:
        numbers |= _matrix(matrix)
    return numbers


def prefix(matrix: Matrix) -> str:
    """What the names of a matrix's numbers begin with."""
    return matrix.slug.removesuffix("-base")


def _study(results: Results) -> dict[str, str]:
    plan, runs = results.plan, results.tidy.runs
    alpha = plan.study.claims.alpha if plan.study.claims else ALPHA
    n = len(plan.study.seeds)
    lost = (
        results.ends.drop_duplicates([*tables.CELL, "train_seed"])["status"] == "diverged"
    ).sum()
    losses = {run.loss.name for run in plan.runs}
    return {
        "runs": count(len(plan.runs)),
        "cells": count(len({run.cell for run in plan.runs})),
        "seeds": count(n),
        "datasets": count(len(plan.datasets)),
        "losses": count(len(losses - registry.checks(losses))),
        "tricks": count(len({part.name for run in plan.runs for part in run.applied} - {PLAIN})),
        "combinations": count(len({run.trick for run in plan.runs} - {PLAIN})),
        "asked": count(len(results.convergence)),
        "converged": count(sum(one.passed for one in results.convergence.values())),
        "missing": count(len(plan.missing)),
        "diverged": count(int(lost)),
        "diverged-percent": percent(lost / len(plan.runs)),
        "hours": f"{runs['seconds'].sum() / 3600:,.1f}",
        "level": percent(LEVEL),
        "alpha": percent(alpha),
        "smallest-p": formatting.number(estimators.sign_flip_floor(n)),
        "seeds-for-alpha": count(estimators.seeds_to_show(alpha)),
    }


def _verdicts(results: Results) -> dict[str, str]:
    claims = [claim for claim in results.claims if not claim.is_control]
    numbers = {"claims": count(len(claims))}
    if results.plan.study.ask != "all":
        asked = asking.names(results.plan.study)
        numbers["claims-asked"] = count(sum(claim.id in asked for claim in claims))
    for verdict in VERDICTS:
        n = sum(claim.verdict == verdict for claim in claims)
        numbers[f"claims-{verdict.replace(' ', '-')}"] = count(n)
    for claim in results.claims:
        if text := claim.deciding.rendered:
            numbers[f"{claim.id.lower()}-effect"] = text
            numbers[f"{claim.id.lower()}-n"] = str(claim.deciding.outcome.n)
    return numbers


def _dataset(results: Results, name: str) -> dict[str, str]:
    """Budget and protocol of a data set's ordinary runs, and what real data get."""
    run = next(run for run in results.plan.runs if run.dataset.name == name)
    rows = results.cells[results.cells["dataset"] == name]
    row = rows.iloc[0]
    floor = results.tidy.floor
    real = floor[(floor["dataset"] == name) & (floor["extractor"] == row["extractor"])]
    fid = real.loc[real["metric"] == "fid", "value"]
    return {
        f"{name}-budget": count(run.training.budget),
        f"{name}-steps": count(run.training.steps),
        f"{name}-batch": count(run.training.batch),
        f"{name}-snapshots": count(run.training.snapshots),
        f"{name}-n-real": count(int(row["n_real"])),
        f"{name}-n-fake": count(int(row["n_fake"])),
        f"{name}-real-fid": formatting.number(float(fid.iloc[0]) if len(fid) else math.nan),
        f"{name}-n-held-out": count(int(real["n_fake"].max())) if len(real) else "–",
    }


def _matrix(matrix: Matrix) -> dict[str, str]:
    """The best cell of a matrix, and how far it is from the others."""
    ranked = [_named(row) for row in matrix.counted.reset_index().to_dict("records")]
    best, finite = ranked[0], [row for row in ranked if math.isfinite(row["fid"])]
    numbers = {
        "cells": count(len(ranked)),
        "losses": count(len(set(matrix.losses) - matrix.checks)),
        "tricks": count(len(set(matrix.tricks) - {PLAIN})),
        "best": best["name"],
        "best-fid": formatting.estimate(best, "fid"),
        "tied": count(leaders.near(matrix)),
    }
    if finite:
        worst = max(finite, key=lambda row: row["fid"])
        numbers |= {"worst": worst["name"], "worst-fid": formatting.estimate(worst, "fid")}
    costs = matrices.costs_of_tricks(matrix)
    if len(costs):
        numbers |= {
            "dearest": str(costs.index[0]),
            "dearest-time": formatting.number(float(costs["step_ms_relative"].iloc[0])),
        }
    return {f"{prefix(matrix)}-{name}": text for name, text in numbers.items()}


def _named(row: dict[Any, Any]) -> dict[str, Any]:
    trick = "" if row["trick"] == PLAIN else f" + {row['trick']}"
    return {**row, "name": f"{row['loss']}{trick}"}
