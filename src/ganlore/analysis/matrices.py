"""The cells of one data set, network and variant: losses against tricks."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from ganlore.analysis import estimators
from ganlore.analysis.tables import PLAIN, RELATIVE, Tables
from ganlore.study import registry
from ganlore.study.compatibility import applied
from ganlore.study.run import Cell, Plan

UNCONVERGED, LABELLED = "†", "‡"
MARKS = {
    UNCONVERGED: "not converged: FID still changed by more than the gate allows over the last "
    "doubling of the budget",
    LABELLED: "it uses class labels, which the others do not see",
}
"""The signs of cells that are ranked, and what they say."""

POINTS = "coordinates"
"""The features of points, whose FID sees their mean and covariance and no more."""

SPARSE = 0.6
"""Where at most this share of the losses go with tricks, the plain losses are shown apart."""


def uses_labels(loss: str, trick: str = PLAIN) -> bool:
    """Whether a loss, or a trick with its parts, needs the data's class labels."""
    tricks = trick.split("+")
    parts = [("loss", loss), *(("trick", name) for name in (*applied(tricks), *tricks))]
    needs = (registry.declaration(*part).fact("requires", {}) for part in parts)
    return any("labels" in need for need in needs)


@dataclass(frozen=True)
class Matrix:
    """The cells of one data set, network and variant: losses as columns, tricks as rows.

    Attributes:
        dataset: its name; likewise `network`, `variant`, `extractor`.
        losses: best first, by the median of the FID over tricks.
        tricks: the plain loss, then best first likewise.
        cells: rows of `cells`, by (loss, trick), with their rank by FID as `rank`; those of
            `checks` come last and have no rank of their own.
        finals: rows of `finals`.
        metrics: rows of the tidy table.
        missing: reason for each (loss, trick) that has no meaning.
        floor: value of each metric for real data.
        n_neighbours: the protocol's: samples of a side for metrics over all pairs, None for all.
        search: rows of the table of trials; None without a search.
        unconverged: each (loss, trick) whose runs were still on the way at their end.
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
    search: pd.DataFrame | None = None
    unconverged: frozenset[tuple[str, str]] = frozenset()

    @property
    def checks(self) -> set[str]:
        """Losses that are another one under another name, and do not count."""
        return registry.checks(self.losses)

    def marks(self, loss: str, trick: str) -> str:
        """The signs of `MARKS` that a cell has."""
        signs = UNCONVERGED if (loss, trick) in self.unconverged else ""
        return signs + (LABELLED if uses_labels(loss, trick) else "")

    @property
    def dense(self) -> Matrix:
        """The losses that go with a trick here; all of them where most do."""
        tried = {loss for loss, trick in (*self.cells.index, *self.missing) if trick != PLAIN}
        few = bool(tried) and len(tried) <= SPARSE * len(self.losses)
        return replace(self, losses=[x for x in self.losses if x in tried]) if few else self

    @property
    def plain(self) -> Matrix:
        """The losses without a trick, where `dense` leaves some of them out; else all of it."""
        if self.dense is self:
            return self
        alone = [index for index in self.cells.index if index[1] == PLAIN]
        finals, metrics = (t[t["trick"] == PLAIN] for t in (self.finals, self.metrics))
        cells = self.cells.loc[alone].sort_values("rank")
        losses = [str(loss) for loss, _ in cells.index]
        return replace(
            self, losses=losses, tricks=[PLAIN], cells=cells, finals=finals, metrics=metrics
        )

    @property
    def counted(self) -> pd.DataFrame:
        """The cells that count, without those of `checks`, best first."""
        out = ~self.cells.index.get_level_values("loss").isin(self.checks)
        return self.cells[out].sort_values("rank")

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


def matrices(
    plan: Plan,
    tables: Tables,
    ends: pd.DataFrame,
    table: pd.DataFrame,
    unconverged: Collection[Cell] = (),
) -> list[Matrix]:
    """The matrices of a plan in its order, each with its data set's first extractor.

    Args:
        plan: the study's plan.
        tables: the tidy tables.
        ends: `finals(tables.metrics)`.
        table: `cells(tables, ends)`.
        unconverged: cells whose runs were still on the way.
    """
    groups = dict.fromkeys(
        (run.cell.dataset, run.cell.network, run.cell.variant) for run in plan.runs
    )
    made = [_matrix(plan, tables, table, ends, group) for group in groups]
    return [replace(matrix, unconverged=_still(matrix, unconverged)) for matrix in made]


def _still(matrix: Matrix, unconverged: Collection[Cell]) -> frozenset[tuple[str, str]]:
    place = (matrix.dataset, matrix.network, matrix.variant)
    return frozenset(
        (cell.loss, cell.trick)
        for cell in unconverged
        if (cell.dataset, cell.network, cell.variant) == place
    )


def _matrix(
    plan: Plan, tables: Tables, table: pd.DataFrame, ends: pd.DataFrame, group: tuple[str, str, str]
) -> Matrix:
    dataset, network, variant = group
    extractor = plan.protocols[dataset][1][0]
    wanted: dict[str, Any] = dict(zip(NAMED, (*group, extractor), strict=True))
    mine = _where(table, wanted)
    out = mine["loss"].isin(registry.checks(mine["loss"]))
    parts = [estimators.order(p["fid"], p["n_diverged"]) for p in (mine[~out], mine[out])]
    mine.loc[~out, "rank"], mine.loc[out, "rank"] = parts[0], (~out).sum() + parts[1]
    mine["rank"] = mine["rank"].astype(int)
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
        search=None
        if tables.search is None
        else _where(tables.search, {"dataset": dataset, "network": network}),
    )


NAMED = ("dataset", "network", "variant", "extractor")
"""What a matrix is of."""


def _where(table: pd.DataFrame, wanted: dict[str, str]) -> pd.DataFrame:
    keep = pd.Series(True, index=table.index)
    for column, value in wanted.items():
        keep &= table[column] == value
    return table[keep].reset_index(drop=True)


def _best_first(table: pd.DataFrame, column: str, names: Iterable[str]) -> list[str]:
    """Names by their median FID, in which a cell without one counts as infinite."""
    median = table["fid"].fillna(math.inf).groupby(table[column]).median()
    return sorted(dict.fromkeys(names), key=lambda name: (median.get(name, math.inf), name))


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
    costs = groups.median().join(extra).join(groups.min().add_suffix("_min"))
    costs = costs.join(groups.max().add_suffix("_max")).assign(losses=groups.size())
    return costs.sort_values("step_ms_relative", ascending=False)


def improvements(matrix: Matrix) -> pd.DataFrame:
    """The change of FID that a trick makes to a loss, seed by seed.

    For each seed the logarithm of FID with the trick over FID without it; their mean over seeds
    with its 95 % t interval. Below 0 the trick helps. A pair of which a run diverged has no ratio:
    it is in no mean, and is counted.

    Args:
        matrix: the cells of one data set, network and variant.

    Returns:
        A row for each loss and trick that ran with the loss's plain form: `loss`, `trick`,
        `log_ratio`, `low`, `high` (natural logarithms), `n` pairs, `n_lost` pairs without a ratio.
    """
    ends = matrix.finals.set_index(["loss", "trick", "train_seed"])["fid"].sort_index()
    logs = np.log(ends.where(ends > 0))
    rows = []
    for loss in matrix.losses:
        for trick in matrix.tricks:
            if trick == PLAIN or matrix.cell(loss, trick) is None:
                continue
            if matrix.cell(loss, PLAIN) is None:
                continue
            pairs = (logs.loc[loss, trick] - logs.loc[loss, PLAIN]).dropna()
            mean, low, high = estimators.mean_interval(pairs.to_numpy())
            lost = len(logs.loc[loss, trick]) - len(pairs)
            rows.append((loss, trick, mean, low, high, len(pairs), lost))
    columns = ["loss", "trick", "log_ratio", "low", "high", "n", "n_lost"]
    return pd.DataFrame(rows, columns=columns)


def decided(low: float, high: float) -> bool:
    """Whether an interval excludes 0."""
    return low > 0 or high < 0
