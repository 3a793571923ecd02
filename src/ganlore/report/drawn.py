"""The figures of a report: drawn, saved, and with all that a page says beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ganlore import formatting
from ganlore.analysis import estimators, matrices
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import CELL, PLAIN
from ganlore.metrics import metrics as all_metrics
from ganlore.report import figures


@dataclass(frozen=True)
class Drawn:
    """A figure as a page shows it.

    Attributes:
        kind: dots, heat, ranking, interaction, curves, precision-recall, cost or differences.
        name: of its files and its anchor.
        title: the first words of its caption.
        caption: how to read it.
        svg: the element.
        width: in CSS pixels.
        made: the function that drew it.
        data: the file in `tables/` that it is a function of.
    """

    kind: str
    name: str
    title: str
    caption: str
    svg: str
    width: int
    made: str
    data: str


def keep(
    figure: Any, folder: Path, kind: str, name: str, alt: str, title: str, caption: str, made: str,
    data: str,
) -> Drawn:  # fmt: skip
    """Save a figure as SVG and PDF and make it an element of the page."""
    svg, width = figures.inline(figures.save(figure, folder, name), name, alt)
    return Drawn(kind, name, title, caption, svg, width, made, data)


INTERVAL = "half-width of its 95 % t interval"
ORDER = (
    "Losses and tricks are ordered by their median FID, best first; the plain loss stands first."
)


def of_matrix(
    matrix: Matrix, runs: pd.DataFrame, folder: Path, ranking: figures.Ranking | None
) -> list[Drawn]:
    """Draw and save the figures of a matrix.

    Args:
        matrix: the cells.
        runs: the tidy table of runs, for the spread of costs.
        folder: where files go.
        ranking: the average ranks along the axis that is compared, None where there are none.
    """
    made = [*_ranking(matrix, folder, ranking), *_levels(matrix, runs, folder)]
    if not matrix.single:
        made += _interaction(matrix, folder)
    return made + _relations(matrix, folder)


def _ranking(matrix: Matrix, folder: Path, ranking: figures.Ranking | None) -> list[Drawn]:
    if ranking is None or len(ranking.names) < 2:
        return []
    what = "tricks" if matrix.single == "trick" else "losses"
    blocks = "seeds" if matrix.single else "trick and seed together"
    ranks = "; ".join(f"{n} {r:.2f}" for n, r in zip(ranking.names, ranking.ranks, strict=True))
    alt = (
        f"Critical-difference diagram of {what} on {matrix.title}; average ranks: {ranks}. "
        f"Critical difference {ranking.cd:.2f}."
    )
    p = "< 0.001" if ranking.p < 0.001 else f"= {ranking.p:.3f}"
    caption = (
        f"Average ranks by FID, 1 is best, over {ranking.n_blocks} blocks ({blocks}). A bar joins "
        "what Nemenyi's test does not tell apart at 5 %: averages no further apart than the "
        f"critical difference. Friedman's test that all are alike: p {p} (Demsar 2006). Blocks "
        "that share a seed are not independent, which makes the bars too short rather than too "
        "long."
    )
    if ranking.left_out:
        caption += f" Without {formatting.listed(ranking.left_out)}: not all {what} ran with them."
    figure = figures.critical_difference(ranking, what)
    return [
        keep(figure, folder, "ranking", f"ranking-{matrix.slug}", alt, "Average ranks", caption,
             "figures.critical_difference", "runs.csv")
    ]  # fmt: skip


def _levels(matrix: Matrix, runs: pd.DataFrame, folder: Path) -> list[Drawn]:
    """FID, recall, modes and cost: a heat map of each, or dots along the one axis there is."""
    known = all_metrics()
    names = ("fid", "recall", "high_quality", "modes")
    if matrix.single:
        names = ("fid", "modes", "high_quality", "recall")
    shown = [
        (name, known[name].label, not known[name].higher_is_better)
        for name in names
        if matrix.has(name)
    ][:3]
    if matrix.single:
        caption = (
            "One circle is one seed; the tick is their mean, the bar its 95 % t interval, cut "
            "where the axis ends. The dashed line is what real data gets, where it is near."
        )
        figure, alt = figures.dot_plot(matrix, shown), figures.describe(matrix, "dots")
        name = f"dots-{matrix.slug}"
        return [keep(figure, folder, "dots", name, alt, "Every seed", caption, "figures.dot_plot",
                     "runs.csv")]  # fmt: skip
    costly = with_spread(matrix, runs, "step_ms")
    drawn = []
    for name, label, lower in (*shown, ("step_ms", "Milliseconds of a step", True)):
        kind = f"heat-{name.replace('_', '-')}"
        figure = figures.heat_map(costly, name, label, lower)
        caption = f"Mean over seeds and {INTERVAL}. {ORDER}"
        if name == "step_ms":
            caption += (
                " The time of a discriminator step, with its share of the generator's and the "
                "machine's noise."
            )
        drawn.append(
            keep(figure, folder, "heat", f"{kind}-{matrix.slug}", figures.describe(costly, kind),
                 label, caption, "figures.heat_map", "cells.csv")
        )  # fmt: skip
    return drawn


def with_spread(matrix: Matrix, runs: pd.DataFrame, cost: str) -> Matrix:
    """The matrix with the interval over seeds of a cost, as metrics have one."""
    from dataclasses import replace

    wanted = runs[
        (runs["dataset"] == matrix.dataset)
        & (runs["network"] == matrix.network)
        & (runs["variant"] == matrix.variant)
    ]
    ends = {
        key: estimators.mean_interval(values[cost].to_numpy())[1:]
        for key, values in wanted.groupby(CELL[2:4])
    }
    cells = matrix.cells
    low, high = zip(*(ends[key] for key in cells.index), strict=True)
    return replace(matrix, cells=cells.assign(**{f"{cost}_low": low, f"{cost}_high": high}))


def _interaction(matrix: Matrix, folder: Path) -> list[Drawn]:
    table = matrices.improvements(matrix)
    if table.empty or PLAIN not in matrix.tricks:
        return []
    sure = table[[matrices.decided(*ends) for ends in zip(table.low, table.high, strict=True)]]
    helps, harms = (sure["log_ratio"] < 0).sum(), (sure["log_ratio"] > 0).sum()
    alt = (
        f"Heat map of the change of FID that each of {table['trick'].nunique()} tricks makes to "
        f"{table['loss'].nunique()} losses on {matrix.title}: {helps} help and {harms} harm beyond "
        f"their interval, of {len(table)} pairs."
    )
    caption = (
        "FID with the trick over FID without it, seed by seed: the geometric mean of the ratios. "
        "Blue: the trick helps this loss; red: it harms it. A dot and bold: the 95 % t interval "
        "over seeds of the log ratio excludes no change (each by itself, without correction for "
        "their number: of twenty that do nothing one is marked). “lost” counts seeds of which a "
        "run diverged. Colours end at a factor of 4."
    )
    name = f"interaction-{matrix.slug}"
    figure = figures.interaction(matrix, table)
    return [
        keep(figure, folder, "interaction", name, alt, "Who improves whom", caption,
             "figures.interaction", f"improvements-{matrix.slug}.csv")
    ]  # fmt: skip


CURVES = (
    "The line is the mean at each snapshot over the seeds that have not diverged; the band, where "
    "there are not too many lines, reaches from the lowest seed to the highest. A line ends where "
    "every seed has diverged; the dashed line is what real data gets, where it is near."
)
RELATION = (
    "Means over seeds; up and to the right is better. The star is real data against real data."
)
START = " A grey dot is the same loss without the trick, and the line is what the trick did to it."
COST = (
    "The line joins the cells that no other cell beats in both time and FID (the Pareto front). "
    "Time includes the generator's steps, which losses with several critic steps make less often, "
    "and the machine's noise."
)


def _relations(matrix: Matrix, folder: Path) -> list[Drawn]:
    """Learning curves, precision against recall, cost against quality."""
    todo = [("curves", "Learning curves", CURVES, figures.learning_curves, "snapshots.csv")]
    if matrix.has("precision") and matrix.has("recall"):
        text = RELATION + ("" if matrix.single else START)
        title = "Precision against recall"
        todo.append(("precision-recall", title, text, figures.precision_recall, "cells.csv"))
    todo.append(("cost", "Cost against quality", COST, figures.cost, "cells.csv"))
    return [
        keep(draw(matrix), folder, kind, f"{kind}-{matrix.slug}", figures.describe(matrix, kind),
             title, text, f"figures.{draw.__name__}", data)
        for kind, title, text, draw, data in todo
    ]  # fmt: skip


def command(study: str) -> str:
    """What makes all figures of a study again from its tables."""
    return f"ganlore report configs/{study}.yaml"
