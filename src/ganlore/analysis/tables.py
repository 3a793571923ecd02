"""From the tidy tables to the tables that are shown: one row for each run, one for each cell.

Nothing is dropped silently: a diverged run has no value, so a mean is over the seeds that are left,
and how many diverged stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ganlore import frames
from ganlore.analysis import estimators
from ganlore.errors import GanloreError
from ganlore.execution import records
from ganlore.formatting import RATIOS
from ganlore.study.run import CONTROLS, COSTS, TIMED, Plan

CELL = ["dataset", "network", "loss", "trick", "variant"]
"""The columns that name a cell; with `train_seed` they name a run."""

ROUND = [*CELL, "round"]
"""The columns that name a cell's round in the table of costs."""

NAMES = ("metrics", "history", "runs", "floor")
"""The tidy tables of every study."""

LATER = ("controls", "costs")
"""Those that a study of an earlier version has not."""

RUN = [*CELL, "train_seed", "extractor"]
"""The columns that name a run as one extractor sees it."""

PROTOCOL = ["split", "n_real", "n_fake", "resize"]
COST = list(COSTS)
RELATIVE = {"step_ms": "step_ms_relative", "step_memory_mb": "step_memory_relative"}
"""Costs that are also given as multiples of the same loss's without a trick."""
PLAIN = "none"
"""The trick that is no trick: the first row of every matrix."""


# -- reading ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tables:
    """The tidy tables of a study, as `collect` writes them; those `LATER` may have no row."""

    metrics: pd.DataFrame
    history: pd.DataFrame
    runs: pd.DataFrame
    floor: pd.DataFrame
    controls: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(CONTROLS)))
    costs: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=[*ROUND, *TIMED]))
    search: pd.DataFrame | None = None
    """The trials of a search, of the policy `searched` alone."""

    @cached_property
    def names(self) -> list[str]:
        """The metrics, in the order in which they were measured."""
        return list(dict.fromkeys(self.metrics["metric"]))


def read(plan: Plan) -> Tables:
    """The tables of a plan, its runs' rows only.

    Raises:
        GanloreError: if a table is missing, altered or of other runs than there are now, lacks a
            run of the plan, or mixes protocols.
    """
    folder = Path(plan.study.results)
    records.tables(plan)
    needed = {
        "metrics": [*CELL, "train_seed", "step", "images", "extractor", *PROTOCOL, "metric",
                    "value", "status"],
        "history": [*CELL, "train_seed", "step"],
        "runs": [*CELL, "train_seed", "status", "steps", *COST],
    }  # fmt: skip
    frames = {
        name: _planned(plan, _read(folder / f"{name}.parquet", columns), folder / f"{name}.parquet")
        for name, columns in needed.items()
    }
    floor = _read(folder / "floor.csv", ["dataset", "extractor", *PROTOCOL, "metric", "value"])
    controls = _read(folder / "controls.csv", CONTROLS)
    costs = _read(folder / "costs.csv", [*ROUND, *TIMED])
    check_protocols(frames["metrics"], folder / "metrics.parquet")
    wanted = [*CELL[:-1], "rung", "draw", "fid", "kept"]
    search = _read(folder / "search.csv", wanted) if plan.study.search else None
    return Tables(**frames, floor=floor, controls=controls, costs=costs, search=search)


REMEDY = "run snakemake"


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    table = frames.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    if lacking := [name for name in columns if name not in table]:
        raise GanloreError(
            f"{path}: of another version: no column {', '.join(lacking)}\n"
            f"  to make it again: delete it and {REMEDY}"
        )
    return table


def _planned(plan: Plan, table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The rows of the plan's runs, with all of its runs in them."""
    key = [*CELL, "train_seed"]
    runs = pd.MultiIndex.from_tuples([(*run.cell, run.seed) for run in plan.runs], names=key)
    present = pd.MultiIndex.from_frame(table[key])
    # A run that failed before its first recorded step has no history.
    lacking = runs.difference(present)
    if len(lacking) and path.stem != "history":
        first = "/".join(str(part) for part in lacking[0])
        raise GanloreError(
            f"{path}: {len(lacking)} of {len(runs)} runs of the study {plan.study.name} are not in "
            f"it, for example {first}\n  to add them: {REMEDY}"
        )
    return table[present.isin(runs)].reset_index(drop=True)


def check_protocols(metrics: pd.DataFrame, path: Path) -> None:
    """Raise a GanloreError where numbers of two protocols are in one table."""
    measured = metrics[metrics["status"] == "done"]
    # metrics over all pairs may have a size of their own
    for key, rows in measured.groupby(["dataset", "extractor", "metric"]):
        protocols = rows[PROTOCOL].drop_duplicates()
        if len(protocols) > 1:
            raise GanloreError(
                f"{path}: {' '.join(map(str, key))}: numbers of {len(protocols)} protocols in one "
                f"table: {protocols.to_dict('records')}\n  to mend it: {REMEDY}"
            )


# -- runs and cells --------------------------------------------------------------------------------


def finals(metrics: pd.DataFrame) -> pd.DataFrame:
    """One row for each run and extractor.

    Columns: those of the run, `extractor`, `status`, `step` and `images` of its last snapshot, each
    metric there, and each metric as `<metric>_best` at `step_best`, the snapshot of its lowest FID.
    A diverged run has no values at its end; its best is that of the snapshots before.
    """
    names = list(dict.fromkeys(metrics["metric"]))
    runs = metrics.groupby(RUN, sort=False)
    rows = pd.DataFrame({"status": "done", "step": runs["step"].max()})
    failed = metrics[metrics["status"] == "diverged"].groupby(RUN).size().index
    rows.loc[rows.index.isin(failed), "status"] = "diverged"
    rows["images"] = runs["images"].max()
    done = metrics[metrics["status"] == "done"]
    values = done.set_index([*RUN, "step", "metric"])["value"].unstack("metric")
    values = values.reindex(columns=names).reset_index("step")
    last = values[values["step"] == rows["step"].reindex(values.index)]
    rows = rows.join(last.loc[~last.index.isin(failed), names])
    best = values.dropna(subset="fid").sort_values("fid", kind="stable")
    best = best[~best.index.duplicated()]
    return rows.join(best.add_suffix("_best")).reset_index()


def cells(tables: Tables, ends: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell and extractor: the study in one table.

    Args:
        tables: the tidy tables.
        ends: `finals(tables.metrics)`.

    Returns:
        Columns: those of the cell, the protocol (`extractor`, `split`, `n_real`, `n_fake`,
        `resize`), `n_seeds`, `n_diverged`, and for each metric its mean over the seeds that did not
        diverge as `<metric>`, with `_low` and `_high` the ends of the 95 % t interval and `_n`
        the seeds in it (of FID the geometric mean, and the t interval of the logarithms); the same
        with `_best` after the metric's name at each seed's snapshot
        of lowest FID; the mean cost of a run: `step_ms` (a discriminator step, with its share
        of the generator's), `seconds`, `peak_memory_mb` (of the process), `step_memory_mb` (what
        a step keeps for its backward pass, at most), and of the first and the last the ratio to
        the plain loss, `step_ms_relative` and `step_memory_relative`.
    """
    protocols = _protocols(tables)
    cost = tables.runs.groupby(CELL)[COST].mean()
    rows = []
    for key, group in ends.groupby([*CELL, "extractor"], sort=False):
        *cell, extractor = key
        row: dict[str, Any] = dict(zip([*CELL, "extractor"], key, strict=True))
        row |= protocols[cell[0], extractor]
        row["n_seeds"] = len(group)
        row["n_diverged"] = int((group["status"] == "diverged").sum())
        for name in (n + suffix for n in tables.names for suffix in ("", "_best")):
            row |= _summary(name, group[name])
        row |= cost.loc[tuple(cell)].to_dict()
        rows.append(row)
    return _relative(pd.DataFrame(rows))


def _summary(name: str, values: pd.Series[Any]) -> dict[str, float]:
    numbers = values.dropna().to_numpy()
    interval = estimators.geometric_interval if name in RATIOS else estimators.mean_interval
    mean, low, high = interval(numbers)
    return {name: mean, f"{name}_low": low, f"{name}_high": high, f"{name}_n": len(numbers)}


def _protocols(tables: Tables) -> dict[tuple[str, str], dict[str, Any]]:
    """Split, n_real, n_fake and resize by data set and extractor.

    A diverged run was never compared with anything, so that its row has no n_real; where all
    diverged, the floor's row says it.
    """
    protocols: dict[tuple[str, str], dict[str, Any]] = {}
    floor = tables.floor.drop(columns="n_fake").merge(
        tables.metrics[["dataset", "extractor", "n_fake"]].drop_duplicates()
    )
    measured = tables.metrics[tables.metrics["status"] == "done"]
    for source in (floor, measured):
        for row in source.drop_duplicates(["dataset", "extractor"]).to_dict("records"):
            protocols[row["dataset"], row["extractor"]] = {name: row[name] for name in PROTOCOL}
    return protocols


def _relative(table: pd.DataFrame) -> pd.DataFrame:
    """Adds time and memory of a step as multiples of those of the same loss without a trick."""
    key = [name for name in CELL if name != "trick"] + ["extractor"]
    plain = table[table["trick"] == PLAIN].set_index(key)[list(RELATIVE)]
    base = plain.reindex(pd.MultiIndex.from_frame(table[key]))
    ratios = {
        name: table[cost].to_numpy() / base[cost].to_numpy() for cost, name in RELATIVE.items()
    }
    return table.assign(**ratios)
