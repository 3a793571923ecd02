"""The figures of a report as a page shows them, with their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ganlore.analysis.matrices import Matrix
from ganlore.report import figures
from ganlore.report.figures._drawing import Drawing, inline, save

INLINE = 40_000
"""A figure of more characters is not in the page itself, which would take megabytes."""


@dataclass(frozen=True)
class RenderedFigure(Drawing):
    """A figure as a page shows it.

    Attributes:
        made: the module that drew it.
        svg: the element; empty for a large figure, which a page loads from its file.
        width: in CSS pixels.
        height: likewise.
    """

    made: str
    svg: str
    width: int
    height: int


def render(drawing: Drawing, folder: Path, made: str) -> RenderedFigure:
    """Save a figure as SVG and PDF and make it an element of the page.

    Args:
        drawing: the figure with its words.
        folder: where files go.
        made: the module that drew it.
    """
    text = save(drawing.figure, folder, drawing.name)
    svg, width, height = inline(text, drawing.name, drawing.alt)
    svg = svg if len(svg) <= INLINE else ""
    return RenderedFigure(**vars(drawing), made=made, svg=svg, width=width, height=height)


def of_matrix(matrix: Matrix, runs: pd.DataFrame, folder: Path) -> list[RenderedFigure]:
    """Draw and save the figures of a matrix.

    Args:
        matrix: the cells.
        runs: the tidy table of runs, for the spread of costs.
        folder: where files go.
    """
    return [
        render(drawing, folder, module.__name__)
        for module in figures.of_matrices()
        for drawing in module.of_matrix(matrix, runs)
    ]
