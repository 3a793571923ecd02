"""From the tables to figures. Every figure takes a `Matrix` and gives a matplotlib `Figure`.

Figures carry no date and no random name: the same table gives the same bytes.
"""

from ganlore import formatting
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.report.figures.costs import cost
from ganlore.report.figures.critical import Ranking, critical_difference
from ganlore.report.figures.dots import dot_plot
from ganlore.report.figures.drawing import INK, inline, save
from ganlore.report.figures.heat import grid_of, heat_map
from ganlore.report.figures.interaction import interaction
from ganlore.report.figures.multiples import learning_curves, look_of, looks, precision_recall
from ganlore.report.figures.profiles import aggregates, profiles, reaching
from ganlore.report.figures.verdicts import differences

__all__ = [
    "INK",
    "Ranking",
    "aggregates",
    "cell_name",
    "cost",
    "critical_difference",
    "describe",
    "differences",
    "dot_plot",
    "grid_of",
    "heat_map",
    "inline",
    "interaction",
    "learning_curves",
    "look_of",
    "looks",
    "precision_recall",
    "profiles",
    "reaching",
    "save",
]


def describe(matrix: Matrix, kind: str) -> str:
    """What a figure shows, in words, with the two ends of its range."""
    what = {
        "dots": "Dot plot with one row for each cell",
        "aggregates": "Dot plot of the gain in FID by each trick over losses",
        "precision-recall": "Scatter plots of precision against recall",
        "curves": "Line plots of FID over images shown",
        "cost": "Scatter plot of the time of a step against FID",
    }.get(kind, f"Heat map of {kind.removeprefix('heat-').replace('-', ' ')}")
    text = f"{what}: {len(matrix.losses)} losses, {len(matrix.tricks)} tricks on {matrix.title}."
    ranked = matrix.cells.sort_values("rank")
    for word, (key, row) in zip(
        ("Lowest", "Highest"), (next(ranked.iterrows()), next(ranked[::-1].iterrows())), strict=True
    ):
        cell = {str(name): value for name, value in row.items()}
        text += f" {word} FID: {key[0]}, {key[1]}: {formatting.estimate(cell, 'fid')}."
    return text


def cell_name(loss: str, trick: str) -> str:
    """A cell's name for a reader: the plain loss, or loss + trick."""
    return loss if trick == PLAIN else f"{loss} + {trick}"
