"""The best cells of each data set, with all that a number depends on beside them."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from ganlore.analysis import estimators, matrices
from ganlore.analysis.results import Results
from ganlore.analysis.tables import PLAIN, PROTOCOL
from ganlore.formatting import number
from ganlore.report import latex

REAL = "real data"
"""The name of the row of real data against real data, which has rank 0."""

SHOWN = 10
"""Ranks that a page shows of each data set; the file has them all."""

SHARES = ["precision", "recall"]
COLUMNS = [
    "dataset",
    "rank",
    "loss",
    "trick",
    "network",
    "variant",
    "n_seeds",
    "n_diverged",
    "fid",
    "fid_low",
    "fid_high",
    *SHARES,
    "images",
    "extractor",
    *PROTOCOL,
]


def board(cells: pd.DataFrame, ends: pd.DataFrame, floor: pd.DataFrame) -> pd.DataFrame:
    """All cells by data set and rank, under the FID of real data.

    Cells are ranked over all networks and variants of their data set by `estimators.order`: fewer
    diverged runs first, then the lower mean FID. Two extractors of one data set have a ranking
    each, since their numbers cannot be compared.

    Args:
        cells: `tables.cells`.
        ends: `tables.finals`.
        floor: the tidy table of real data against real data.

    Returns:
        Columns `COLUMNS`; `fid_low` and `fid_high` are the ends of the 95 % t interval over seeds,
        `images` the real images that a run showed to the discriminator.
    """
    key = ["dataset", "network", "loss", "trick", "variant", "extractor"]
    images = ends.groupby(key)["images"].max().rename("images")
    table = cells.join(images, on=key)
    ranked = []
    for (dataset, extractor), rows in table.groupby(["dataset", "extractor"], sort=False):
        real = floor[(floor["dataset"] == dataset) & (floor["extractor"] == extractor)]
        if len(real):
            ranked.append(pd.DataFrame([_real(real)]))
        ranks = estimators.order(rows["fid"], rows["n_diverged"])
        ranked.append(rows.assign(rank=ranks).sort_values("rank"))
    return pd.concat(ranked, ignore_index=True).reindex(columns=COLUMNS)


def of(results: Results) -> pd.DataFrame:
    """The leaderboard of a study."""
    return board(results.cells, results.ends, results.tidy.floor)


def _real(rows: pd.DataFrame) -> dict[str, Any]:
    """The row of real data, which was neither trained nor has seeds."""
    values = dict(zip(rows["metric"], rows["value"], strict=True))
    first = rows.iloc[0]
    named = {name: first[name] for name in ("dataset", "extractor", *PROTOCOL)}
    shown = {name: values.get(name, math.nan) for name in ("fid", *SHARES)}
    return {**named, **shown, "rank": 0, "loss": REAL, "trick": "", "network": "", "variant": ""}


def groups(table: pd.DataFrame, shown: int = SHOWN) -> list[dict[str, Any]]:
    """The first ranks of each data set for a page.

    Args:
        table: `board`.
        shown: how many ranks.

    Returns:
        For each data set and extractor `dataset`, `extractor`, `protocol` as words, `n_seeds` of a
        cell at most, `n` ranks in all, `shown` of them, `n_floor` samples in place of generated
        ones in the row of real data, and `rows`, with that row first where there is one.
    """
    found = []
    for (dataset, extractor), rows in table.groupby(["dataset", "extractor"], sort=False):
        n = int(rows["rank"].max())
        ranked, real = rows[rows["rank"] > 0], rows[rows["rank"] == 0]
        found.append(
            {
                "dataset": dataset,
                "extractor": extractor,
                "protocol": matrices.protocol(ranked.iloc[0].to_dict()),
                "n_seeds": int(ranked["n_seeds"].max()),
                "n": n,
                "shown": min(n, shown),
                "n_floor": f"{real['n_fake'].iloc[0]:,}" if len(real) else "",
                "rows": rows[rows["rank"] <= shown].to_dict("records"),
            }
        )
    return found


def name(row: dict[str, Any]) -> str:
    """A cell's loss and trick for a reader, with the variant where it is not the ordinary one."""
    if row["rank"] == 0:
        return REAL
    trick = "" if row["trick"] == PLAIN else f" + {row['trick']}"
    return f"{row['loss']}{trick}" + ("" if row["variant"] == "base" else f", {row['variant']}")


def as_latex(table: pd.DataFrame, shown: int = SHOWN) -> str:
    """The first ranks of each data set as a booktabs table."""
    best = groups(table, shown)
    head = ["rank", "cell", "network", "seeds", "FID", "precision", "recall"]
    told = "; ".join(f"{group['dataset']}: {group['protocol']}" for group in best)
    caption = (
        f"The first {shown} ranks by FID on each data set, with the half-width of the 95 % t "
        "interval over seeds; a superscript d counts diverged runs, which are in no mean and put "
        f"a cell behind those with fewer. {told}."
    )
    rows = [[_latex_row(row) for row in group["rows"]] for group in best]
    titled = [
        [rf"\multicolumn{{{len(head)}}}{{l}}{{{latex.escape(group['dataset'])}}}", *body]
        for group, body in zip(best, rows, strict=True)
    ]
    return latex.table(caption, "leaderboard", "rllrrrr", head, titled)


def _latex_row(row: dict[str, Any]) -> str:
    real = row["rank"] == 0
    failed = 0 if real else int(row["n_diverged"])
    fid = latex.estimate(row["fid"], row["fid_low"], row["fid_high"], failed)
    shares = (latex.escape(number(row[share])) for share in SHARES)
    seeds = "--" if real else str(int(row["n_seeds"]))
    parts = ["--" if real else str(int(row["rank"])), latex.escape(name(row)),
             latex.escape(row["network"]), seeds, fid, *shares]  # fmt: skip
    return " & ".join(parts)
