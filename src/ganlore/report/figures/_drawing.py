"""What all figures have in common: their look, their axes, their files."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlore import formatting, storage
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.metrics import metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


INK, MUTED, RULE, PAPER = "#1b1c1e", "#6a6e75", "#d6d8dc", "#fefefe"
"""Colours with a meaning; a page replaces them by its own (see `inline`)."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#948b00")
"""Okabe and Ito's palette for all kinds of colour vision, of middling lightness for dark pages."""

MARKERS = "osD^vPX*"

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "ganlore", "pdf.fonttype": 42,
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 8.5,
    "axes.titlesize": 9, "axes.labelsize": 8.5, "xtick.labelsize": 8, "ytick.labelsize": 8,
    "legend.fontsize": 8, "axes.linewidth": 0.6, "xtick.major.width": 0.6,
    "ytick.major.width": 0.6, "xtick.major.size": 3, "ytick.major.size": 3,
    "axes.edgecolor": MUTED, "axes.labelcolor": INK, "text.color": INK, "axes.titlecolor": INK,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK, "ytick.labelcolor": INK,
    "grid.color": RULE, "grid.linewidth": 0.6, "axes.facecolor": "none",
    "figure.facecolor": PAPER, "savefig.facecolor": PAPER, "axes.spines.top": False,
    "axes.spines.right": False, "axes.axisbelow": True, "legend.frameon": False,
    "hatch.linewidth": 0.6, "hatch.color": RULE, "figure.constrained_layout.use": True,
    "lines.solid_capstyle": "round",
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """A figure with the words that a page has beside it.

    Attributes:
        figure: as it was drawn.
        kind: by which a page's sections choose: heat, curves, cost and so on.
        name: of its files and its anchor.
        title: the first words of its caption.
        caption: how to read it.
        alt: what it shows, for those who do not see it.
        data: the file in `tables/` that it is a function of.
    """

    figure: Figure
    kind: str
    name: str
    title: str
    caption: str
    alt: str
    data: str


def describe(matrix: Matrix, what: str) -> str:
    """What a figure of a matrix shows, in words, with the lowest and the highest FID."""
    losses = len(set(matrix.losses) - matrix.checks)
    text = f"{what}: {losses} losses, {len(matrix.tricks)} tricks on {matrix.title}."
    ranked = matrix.counted.reset_index().to_dict("records")
    for word, row in (("Lowest", ranked[0]), ("Highest", ranked[-1])):
        text += f" {word} FID: {row['loss']}, {row['trick']}: {formatting.estimate(row, 'fid')}."
    return text


def levels(matrix: Matrix, names: Sequence[str]) -> list[tuple[str, str, bool]]:
    """Name, label and whether lower is better, of the first three metrics that have a meaning."""
    named = {name: metrics()[name] for name in names if matrix.has(name)}
    return [(name, m.label, not m.higher_is_better) for name, m in named.items()][:3]


def cell_name(loss: str, trick: str) -> str:
    """A cell's name for a reader: the plain loss, or loss + trick."""
    return loss if trick == PLAIN else f"{loss} + {trick}"


@contextmanager
def style() -> Iterator[None]:
    """The look of all figures; matplotlib's own settings are back afterwards."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        yield


def subplots(rows: int, columns: int, width: float, height: float, **kinds: Any) -> tuple[Any, Any]:
    """Axes in a figure that no window knows, so that hundreds can be made."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **kinds)


def panels(
    count: int, columns: int, panel: tuple[float, float], margin: tuple[float, float]
) -> tuple[Any, list[Any]]:
    """A figure with so many axes in rows, on common scales; unused places are left out.

    Args:
        count: of axes.
        columns: axes in a row.
        panel: width and height of each, in inches.
        margin: likewise, of what is around them.
    """
    rows = -(-count // columns)
    width, height = margin[0] + columns * panel[0], margin[1] + rows * panel[1]
    figure, axes = subplots(rows, columns, width, height, sharex=True, sharey=True)
    flat = list(axes.flat)
    for ax in flat[count:]:
        ax.remove()
    for ax in flat[max(count - columns, 0) : count]:
        # A panel above an empty place shows the horizontal axis in its stead.
        ax.tick_params(labelbottom=True)
    return figure, flat[:count]


def plain_log(axis: Any) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5, as ordinary numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    decades = math.log10(high / low) if low > 0 else 1
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 3 else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def near(floor: float, lowest: float) -> bool:
    """Whether a line at the floor leaves the data most of a logarithmic axis."""
    return floor > 0 and lowest / floor < 20


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write a figure as `<name>.svg` and `<name>.pdf`; gives the SVG's text."""
    texts: dict[str, bytes] = {}
    with style():
        # Once for both files, and not again at each drawing: it takes longer than all the rest.
        if engine := figure.get_layout_engine():
            # A colour bar has its place after the first pass, and its label after the second.
            for _ in range(2 if any(hasattr(ax, "_colorbar") for ax in figure.axes) else 1):
                engine.execute(figure)
            figure.set_layout_engine("none")
        for kind, dated in (("svg", "Date"), ("pdf", "CreationDate")):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, metadata={dated: None})
            texts[kind] = buffer.getvalue()
            storage.write_bytes(folder / f"{name}.{kind}", texts[kind])
    return texts["svg"].decode()


def _short(tag: re.Match[str]) -> str:
    """An element's opening with places to a hundredth of a point, which is enough of a place.

    Numbers between elements are labels, and stay.
    """
    return re.sub(r"(\.\d\d)\d+", r"\1", tag[0])


def inline(svg: str, name: str, alt: str) -> tuple[str, int, int]:
    """An SVG file's text as an element of a page.

    Its names get a prefix, because a page has many figures, and its colours with a meaning become
    the page's, so that it is legible in a dark one.

    Args:
        svg: the file's text.
        name: unique in the page.
        alt: what the figure shows, for those who do not see it.

    Returns:
        The element, and its width and height in CSS pixels.
    """
    from html import escape

    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"\s*<!--.*?-->", "", body, flags=re.DOTALL)  # every text once more
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # the page's own says it
    used = {"figure_1", *re.findall(r'(?:url\(|href=")#([\w-]+)', body)}

    def prefixed(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    body = re.sub(r'\s*\bid="([^"]+)"', prefixed, body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    body = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', body)
    for colour, variable in ((INK, "ink"), (MUTED, "muted"), (RULE, "rule"), (PAPER, "paper")):
        body = body.replace(colour, f"var(--{variable})")
    body = re.sub(r"'DejaVu Sans'[^;\"]*", "var(--sans)", body)
    opened = re.match(r"<svg[^>]*>", body)
    assert opened is not None
    width, height = (float(re.search(rf'\b{side}="([\d.]+)pt"', opened[0])[1])  # type: ignore[index]
                     for side in ("width", "height"))  # fmt: skip
    head = f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 0 {width:g} {height:g}">'
    body = re.sub(r"<[^>]+>", _short, body[opened.end() :])
    body = re.sub(r' transform="rotate\(-?0 [^)]*\)"', "", body)
    body = re.sub(r">\s+<", "><", body)
    return head + body.strip(), round(width * 4 / 3), round(height * 4 / 3)
