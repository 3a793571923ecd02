"""A panel for each trick: the axes, and the look of each loss."""

from __future__ import annotations

from typing import Any

from ganlore.analysis.matrices import LABELLED, Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.report.figures import _drawing
from ganlore.report.figures._drawing import COLOURS, MARKERS


def look_of(index: int) -> dict[str, Any]:
    """Colour, marker and dashes of the index-th name: 8 colours twice before one comes again."""
    rounds = index // len(COLOURS)
    return {
        "color": COLOURS[index % len(COLOURS)],
        "marker": MARKERS[(index + rounds) % len(MARKERS)],
        "linestyle": ("-", (0, (4, 1.5)), (0, (1, 1.2)))[rounds % 3],
    }


def looks(matrix: Matrix) -> dict[str, dict[str, Any]]:
    """The look of each loss, or of each trick if there is one loss; the same in all figures.

    Of more names than a reader can tell apart, the best ones have colours and the others are grey,
    drawn first.
    """
    names = matrix.tricks if matrix.single == "trick" else matrix.losses
    if len(names) <= len(COLOURS):
        return {name: look_of(index) for index, name in enumerate(sorted(names))}
    best = {name: look_of(index) for index, name in enumerate(sorted(names[:HIGHLIGHTED]))}
    return {name: dict(OTHERS) for name in names[HIGHLIGHTED:]} | best


HIGHLIGHTED = 6
"""So many of too many names have a colour."""

OTHERS: dict[str, Any] = {"color": "#a9adb3", "marker": ".", "linestyle": "-"}
"""The look of the others."""


def highlighted(matrix: Matrix) -> bool:
    """Whether only the best names have a colour."""
    return len(matrix.tricks if matrix.single == "trick" else matrix.losses) > len(COLOURS)


def marked(matrix: Matrix, name: str) -> str:
    """A name with the signs of its plain cell that hold for all of its cells (labels)."""
    if matrix.single == "trick":
        return name + matrix.marks(matrix.losses[0], name)
    return name + "".join(sign for sign in matrix.marks(name, PLAIN) if sign == LABELLED)


def panels(matrix: Matrix) -> list[tuple[str, list[tuple[str, tuple[str, str]]]]]:
    """Panels as (title, [(name, cell)]): one for each trick that ran, or one for a single axis."""
    if matrix.single == "trick":
        loss = matrix.losses[0]
        return [(loss, [(trick, (loss, trick)) for trick in matrix.tricks])]
    titles = {PLAIN: "none (the plain loss)"}
    return [
        (titles.get(trick, trick), [(loss, (loss, trick)) for loss in matrix.losses])
        for trick in matrix.tricks
        if any(matrix.cell(loss, trick) for loss in matrix.losses)
    ]


def multiples(matrix: Matrix, size: float, aspect: float) -> tuple[Any, list[Any]]:
    """A figure with a panel for each trick, on common axes."""
    count = len(panels(matrix))
    size *= 1.7 if count == 1 else 1.0
    columns = min(count, 4 if count <= 12 else 5)
    margin = (1.8 if count == 1 else 0.4, 0.7)
    return _drawing.panels(count, columns, (size, size * aspect), margin)


def legend(figure: Any, matrix: Matrix, line: bool, extra: list[Any]) -> None:
    """The looks by name, beside a single panel or above several; `extra` handles come last."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], label=marked(matrix, name), ms=5,
               **(look if line else look | {"linestyle": "none"}))
        for name, look in looks(matrix).items()
        if look["color"] != OTHERS["color"]
    ]  # fmt: skip
    if highlighted(matrix):
        n = len(looks(matrix)) - HIGHLIGHTED
        look = OTHERS if line else OTHERS | {"linestyle": "none"}
        handles.append(Line2D([], [], label=f"the other {n}", ms=5, **look))
    count = len(panels(matrix))
    if count == 1:
        figure.legend(handles=handles + extra, loc="outside right upper")
    else:
        columns = min(len(handles) + len(extra), 8)
        figure.legend(handles=handles + extra, loc="outside upper left", ncols=columns,
                      columnspacing=1.4, handletextpad=0.4)  # fmt: skip
