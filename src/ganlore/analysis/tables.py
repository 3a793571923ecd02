"""From the tidy tables to the tables that are shown: one row for each run, one for each cell.

Nothing is dropped silently: a diverged run has no value, so a mean is over the seeds that are left,
and how many diverged stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ganlore.analysis import estimators
from ganlore.errors import GanloreError
from ganlore.study.run import COSTS, Plan

# where numbers were told as text before; `numerals` is the place to ask

CELL = ["dataset", "network", "loss", "trick", "variant"]
"""The columns that name a cell; with `train_seed` they name a run."""

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
    """The tidy tables of a study, as `collect` writes them."""

    metrics: pd.DataFrame
    history: pd.DataFrame
    runs: pd.DataFrame
    floor: pd.DataFrame

    @cached_property
    def names(self) -> list[str]:
        """The metrics, in the order in which they were measured."""
        return list(dict.fromkeys(self.metrics["metric"]))


def read(plan: Plan) -> Tables:
    """The tables of a plan, its runs' rows only.

    Raises:
        GanloreError: if a table is missing or damaged, lacks a run of the plan, or mixes protocols.
    """
    folder = Path(plan.study.results)
    needed = {
        "metrics": [*CELL, "train_seed", "step", "images", "extractor", *PROTOCOL, "metric",
                    "value", "status"],
        "history": [*CELL, "train_seed", "step"],
        "runs": [*CELL, "train_seed", "status", "steps", *COST],
    }  # fmt: skip
    found = {
        name: _planned(plan, _read(folder / f"{name}.parquet", columns), folder / f"{name}.parquet")
        for name, columns in needed.items()
    }
    floor = _read(folder / "floor.csv", ["dataset", "extractor", *PROTOCOL, "metric", "value"])
    _check_protocols(found["metrics"], folder / "metrics.parquet")
    return Tables(**found, floor=floor)


REMEDY = "run snakemake"


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    if not path.exists():
        raise GanloreError(f"{path}: missing\n  to make it: {REMEDY}")
    try:
        table = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise GanloreError(
            f"{path}: damaged ({error})\n  to make it again: delete it and {REMEDY}"
        ) from None
    if lacking := [name for name in columns if name not in table]:
        raise GanloreError(
            f"{path}: damaged or of another version: no column {', '.join(lacking)}\n"
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


def _check_protocols(metrics: pd.DataFrame, path: Path) -> None:
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
        the seeds in it; the same with `_best` after the metric's name at each seed's snapshot
        of lowest FID; the mean cost of a run: `step_ms` (a discriminator step, with its share
        of the generator's), `seconds`, `peak_memory_mb` (of the process), `step_memory_mb` (what
        a step keeps for its backward pass, at most), and of the first and the last the ratio to
        the plain loss, `step_ms_relative` and `step_memory_relative`.
    """
    protocols = _protocols(tables)
    cost = tables.runs.groupby(CELL)[COST].mean()
    rows = []
    for key, found in ends.groupby([*CELL, "extractor"], sort=False):
        *cell, extractor = key
        row: dict[str, Any] = dict(zip([*CELL, "extractor"], key, strict=True))
        row |= protocols[cell[0], extractor]
        row["n_seeds"] = len(found)
        row["n_diverged"] = int((found["status"] == "diverged").sum())
        for name in (n + suffix for n in tables.names for suffix in ("", "_best")):
            row |= _summary(name, found[name])
        row |= cost.loc[tuple(cell)].to_dict()
        rows.append(row)
    return _relative(pd.DataFrame(rows))


def _summary(name: str, values: pd.Series[Any]) -> dict[str, float]:
    known = values.dropna().to_numpy()
    mean, low, high = estimators.mean_interval(known)
    return {name: mean, f"{name}_low": low, f"{name}_high": high, f"{name}_n": len(known)}


def _protocols(tables: Tables) -> dict[tuple[str, str], dict[str, Any]]:
    """Split, n_real, n_fake and resize by data set and extractor.

    A diverged run was never compared with anything, so that its row has no n_real; where all
    diverged, the floor's row says it.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    floor = tables.floor.drop(columns="n_fake").merge(
        tables.metrics[["dataset", "extractor", "n_fake"]].drop_duplicates()
    )
    measured = tables.metrics[tables.metrics["status"] == "done"]
    for source in (floor, measured):
        for row in source.drop_duplicates(["dataset", "extractor"]).to_dict("records"):
            found[row["dataset"], row["extractor"]] = {name: row[name] for name in PROTOCOL}
    return found


def _relative(table: pd.DataFrame) -> pd.DataFrame:
    """Adds time and memory of a step as multiples of those of the same loss without a trick."""
    key = [name for name in CELL if name != "trick"] + ["extractor"]
    plain = table[table["trick"] == PLAIN].set_index(key)[list(RELATIVE)]
    base = plain.reindex(pd.MultiIndex.from_frame(table[key]))
    ratios = {
        name: table[cost].to_numpy() / base[cost].to_numpy() for cost, name in RELATIVE.items()
    }
    return table.assign(**ratios)


def costs_of_tricks(matrix: Matrix) -> pd.DataFrame:
    """One row for each trick: what it adds to a step, over the losses that it goes with.

    Returns:
        Indexed by trick, the dearest first; columns `losses` (how many), the median and the range
        over losses of each column of `RELATIVE`, `<name>`, `<name>_min` and `<name>_max`, and the
        median of what is added, `step_ms_extra` in milliseconds and `step_memory_mb_extra` in MiB.
    """
    table = matrix.cells.reset_index()
    for cost, name in RELATIVE.items():
        table[f"{cost}_extra"] = table[cost] * (1 - 1 / table[name])
    table = table[(table["trick"] != PLAIN) & table["step_ms_relative"].notna()]
    groups = table.groupby("trick")[list(RELATIVE.values())]
    extra = table.groupby("trick")[[f"{cost}_extra" for cost in RELATIVE]].median()
    found = groups.median().join(extra).join(groups.min().add_suffix("_min"))
    found = found.join(groups.max().add_suffix("_max")).assign(losses=groups.size())
    return found.sort_values("step_ms_relative", ascending=False)


# -- matrices --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Matrix:
    """The cells of one data set, network and variant: losses as columns, tricks as rows.

    Attributes:
        dataset: its name; likewise `network`, `variant`, `extractor`.
        losses: best first, by the median of the FID over tricks.
        tricks: the plain loss, then best first likewise.
        cells: rows of `cells`, by (loss, trick), with their rank by FID as `rank`.
        finals: rows of `finals`.
        metrics: rows of the tidy table.
        missing: reason for each (loss, trick) that has no meaning.
        floor: value of each metric for real data.
        n_neighbours: the protocol's: samples of a side for metrics over all pairs, None for all.
    """

    dataset: str
    network: str
    variant: str
    extractor: str
    losses: list[str]
    tricks: list[str]
    cells: pd.DataFrame
    finals: pd.DataFrame
    metrics: pd.DataFrame
    missing: dict[tuple[str, str], str]
    floor: dict[str, float] = field(default_factory=dict)
    n_neighbours: int | None = None

    @property
    def slug(self) -> str:
        """Its name in files and anchors."""
        return "-".join((self.dataset, self.network, self.variant))

    @property
    def title(self) -> str:
        """Its name for a reader; the ordinary variant goes without saying."""
        parts = [self.dataset, self.network, *([self.variant] if self.variant != "base" else [])]
        return ", ".join(parts)

    @property
    def n_seeds(self) -> int:
        """Seeds of a cell."""
        return int(self.cells["n_seeds"].max())

    @property
    def single(self) -> str | None:
        """The axis along which there is something to compare, None if there are two."""
        if len(self.tricks) == 1:
            return "loss"
        return "trick" if len(self.losses) == 1 else None

    @property
    def losses_down(self) -> bool:
        """Whether a table of both axes has losses as rows: the longer axis goes down the page."""
        return self.single == "trick" or (not self.single and len(self.losses) > len(self.tricks))

    def cell(self, loss: str, trick: str) -> dict[str, Any] | None:
        """A row of `cells`; None where there are no runs."""
        if (loss, trick) not in self.cells.index:
            return None
        return {str(k): v for k, v in self.cells.loc[(loss, trick)].to_dict().items()}

    def has(self, metric: str) -> bool:
        """Whether the metric has a meaning for this data set."""
        return metric in self.cells and bool(self.cells[f"{metric}_best"].notna().any())

    @property
    def protocol(self) -> str:
        """What a number depends on beside the samples, for a caption."""
        return protocol(self.cells.iloc[0].to_dict(), self.n_neighbours)


def protocol(row: dict[str, Any], fewer: int | None = None) -> str:
    """What a number depends on beside the samples, for a caption.

    Args:
        row: of `cells`.
        fewer: samples of a side for metrics over all pairs; None for all.
    """
    resize = f" (resize: {row['resize']})" if row["resize"] != "none" else ""
    pairs = f" (the first {fewer:,} of each for metrics over all pairs)" if fewer else ""
    return (
        f"{row['extractor']} features{resize}, {row['n_real']:,} real ({row['split']} split) "
        f"against {row['n_fake']:,} generated{pairs}"
    )


def matrices(plan: Plan, tables: Tables, ends: pd.DataFrame, table: pd.DataFrame) -> list[Matrix]:
    """The matrices of a plan in its order, each with its data set's first extractor.

    Args:
        plan: the study's plan.
        tables: the tidy tables.
        ends: `finals(tables.metrics)`.
        table: `cells(tables, ends)`.
    """
    groups = dict.fromkeys(
        (run.cell.dataset, run.cell.network, run.cell.variant) for run in plan.runs
    )
    return [_matrix(plan, tables, table, ends, group) for group in groups]


def _matrix(
    plan: Plan, tables: Tables, table: pd.DataFrame, ends: pd.DataFrame, group: tuple[str, str, str]
) -> Matrix:
    dataset, network, variant = group
    extractor = plan.protocols[dataset][1][0]
    wanted = {"dataset": dataset, "network": network, "variant": variant, "extractor": extractor}
    mine = _where(table, wanted)
    mine = mine.assign(rank=estimators.order(mine["fid"], mine["n_diverged"]))
    missing = {
        (cell.loss, cell.trick): cell.reason
        for cell in plan.missing
        if (cell.dataset, cell.network, cell.variant) == (dataset, network, variant)
    }
    floor = _where(tables.floor, {"dataset": dataset, "extractor": extractor})
    named = [*zip(mine["loss"], mine["trick"], strict=True), *missing]
    tricks = _best_first(mine, "trick", [trick for _, trick in named])
    return Matrix(
        **wanted,
        losses=_best_first(mine, "loss", [loss for loss, _ in named]),
        tricks=sorted(tricks, key=lambda trick: trick != PLAIN),
        cells=mine.set_index(["loss", "trick"]),
        finals=_where(ends, wanted),
        metrics=_where(tables.metrics, wanted),
        missing=missing,
        floor=dict(zip(floor["metric"], floor["value"], strict=True)),
        n_neighbours=plan.protocols[dataset][0].n_neighbours,
    )


def _where(table: pd.DataFrame, wanted: dict[str, str]) -> pd.DataFrame:
    keep = pd.Series(True, index=table.index)
    for column, value in wanted.items():
        keep &= table[column] == value
    return table[keep].reset_index(drop=True)


def _best_first(table: pd.DataFrame, column: str, names: Iterable[str]) -> list[str]:
    """Names by their median FID, in which a cell without one counts as infinite."""
    median = table["fid"].fillna(math.inf).groupby(table[column]).median()
    return sorted(dict.fromkeys(names), key=lambda name: (median.get(name, math.inf), name))
