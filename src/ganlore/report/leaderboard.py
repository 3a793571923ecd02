"""The best cells of each data set, with all that a number depends on beside them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ganlore.analysis import estimators, matrices
from ganlore.analysis.results import Results
from ganlore.analysis.tables import CELL, PLAIN, PROTOCOL
from ganlore.formatting import number
from ganlore.report import latex
from ganlore.study import registry
from ganlore.study.run import Cell

REAL = "real data (floor)"
"""The name of the row of real data against real data, which has rank 0."""

SHOWN = 10
"""Ranks that a page shows of each data set; the file has them all."""

SHARES = ["precision", "recall"]
COLUMNS = [
    *("dataset", "rank", "loss", "trick", "network", "variant", "n_seeds", "n_diverged"),
    *("fid", "fid_low", "fid_high", *SHARES, "images", "extractor", *PROTOCOL),
    *("converged", "labels"),
]


def of(results: Results) -> pd.DataFrame:
    """All cells by data set and rank, under the FID of real data.

    Cells are ranked over all networks and variants of their data set by `estimators.order`: fewer
    diverged runs first, then the lower mean FID. Two extractors of one data set have a ranking
    each, since their numbers cannot be compared. A loss that is another one under another name is
    left out beside it (`Loss.equal_to`).

    Returns:
        Columns `COLUMNS`; `fid_low` and `fid_high` are the ends of the 95 % t interval over seeds,
        `images` the real images that a run showed to the discriminator, `converged` whether it has
        by FID, `labels` whether it uses class labels.
    """
    key = ["dataset", "network", "loss", "trick", "variant", "extractor"]
    images = results.ends.groupby(key)["images"].max().rename("images")
    still = {cell for cell, one in results.convergence.items() if not one.passed}
    counted = results.cells[~results.cells["loss"].isin(registry.checks(results.cells["loss"]))]
    table, floor = counted.join(images, on=key), results.tidy.floor
    cells = [Cell(*names) for names in table[CELL].itertuples(index=False)]
    table = table.assign(
        converged=[cell not in still for cell in cells],
        labels=[matrices.uses_labels(cell.loss, cell.trick) for cell in cells],
    )
    ranked = []
    for (dataset, extractor), rows in table.groupby(["dataset", "extractor"], sort=False):
        real = floor[(floor["dataset"] == dataset) & (floor["extractor"] == extractor)]
        if len(real):
            ranked.append(pd.DataFrame([_real(real)]))
        ranks = estimators.order(rows["fid"], rows["n_diverged"])
        ranked.append(rows.assign(rank=ranks).sort_values("rank"))
    return pd.concat(ranked, ignore_index=True).reindex(columns=COLUMNS)


def _real(rows: pd.DataFrame) -> dict[str, Any]:
    """The row of real data, which was neither trained nor has seeds."""
    names = {"rank": 0, "loss": REAL, "trick": "", "network": "", "variant": ""}
    first: dict[str, Any] = rows.iloc[0].to_dict()
    return first | dict(zip(rows["metric"], rows["value"], strict=True)) | names


def groups(table: pd.DataFrame, ranks: int = SHOWN) -> list[dict[str, Any]]:
    """The first ranks of each data set for a page.

    Args:
        table: `board`.
        ranks: how many ranks.

    Returns:
        For each data set and extractor `dataset`, `extractor`, `protocol` as words, `n_seeds` of a
        cell at most, `n` ranks in all, `listed` of them, `n_floor` samples in place of generated
        ones in the row of real data, and `rows`, with that row first where there is one.
    """
    parts = []
    for (dataset, extractor), rows in table.groupby(["dataset", "extractor"], sort=False):
        n = int(rows["rank"].max())
        ranked, real = rows[rows["rank"] > 0], rows[rows["rank"] == 0]
        parts.append(
            {
                "dataset": dataset,
                "extractor": extractor,
                "protocol": matrices.protocol(ranked.iloc[0].to_dict()),
                "n_seeds": int(ranked["n_seeds"].max()),
                "n": n,
                "listed": min(n, ranks),
                "n_floor": f"{real['n_fake'].iloc[0]:,}" if len(real) else "",
                "rows": rows[rows["rank"] <= ranks].to_dict("records"),
            }
        )
    return parts


def name(row: dict[str, Any]) -> str:
    """A cell's loss and trick for a reader, with the variant where it is not the ordinary one.

    Behind them stand the signs of `matrices.MARKS`.
    """
    if row["rank"] == 0:
        return REAL
    trick = "" if row["trick"] == PLAIN else f" + {row['trick']}"
    variant = "" if row["variant"] == "base" else f", {row['variant']}"
    return f"{row['loss']}{trick}{variant}{marks(row)}"


def marks(row: dict[str, Any]) -> str:
    """The signs of `matrices.MARKS` that a ranked cell has."""
    if row["rank"] == 0:
        return ""
    signs = "" if row["converged"] else matrices.UNCONVERGED
    return signs + (matrices.LABELLED if row["labels"] else "")


def as_latex(table: pd.DataFrame, ranks: int = SHOWN) -> str:
    """The first ranks of each data set as a booktabs table."""
    best = groups(table, ranks)
    head = ["rank", "cell", "network", "seeds", "FID", "precision", "recall"]
    protocols = "; ".join(f"{group['dataset']}: {group['protocol']}" for group in best)
    caption = (
        f"The first {ranks} ranks by FID on each data set, geometric means with the factor "
        "to either end of the 95 % interval over seeds; a superscript d counts "
        f"diverged runs, which are in no mean and put a cell behind those with fewer. {protocols}."
    )
    rows = [
        [rf"\multicolumn{{{len(head)}}}{{l}}{{{latex.escape(group['dataset'])}}}"]
        + [_latex_row(row) for row in group["rows"]]
        for group in best
    ]
    return latex.table(caption, "leaderboard", "rllrrrr", head, rows)


def _latex_row(row: dict[str, Any]) -> str:
    rank, seeds, failed = "--", "--", 0
    if row["rank"]:
        rank, seeds, failed = (str(row["rank"]), str(int(row["n_seeds"])), int(row["n_diverged"]))
    fid = latex.estimate(row["fid"], row["fid_low"], row["fid_high"], failed)
    named = [latex.escape(name(row)), latex.escape(row["network"])]
    shares = [latex.escape(number(row[share])) for share in SHARES]
    return " & ".join([rank, *named, seeds, fid, *shares])
