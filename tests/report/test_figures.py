"""Figures show what the table says."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest
import synthetic_study
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ganlore import formatting
from ganlore.analysis.matrices import Matrix
from ganlore.report import figures
from ganlore.report.figures import _drawing, _multiples, cost, curves, dots, heat
from ganlore.report.figures import precision_recall as quality
from ganlore.report.page import build
from ganlore.study import declarations


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for ax in figure.axes for text in ax.texts]


def test_the_heat_map_has_the_numbers_of_the_table(actual: list[Matrix]) -> None:
    matrix = actual[0]
    figure = heat.heat_map(matrix)
    ax = figure.axes[0]
    columns, rows = matrix.losses, matrix.tricks
    if matrix.losses_down:
        columns, rows = rows, columns
    names = [label.get_text().replace("\n", "") for label in ax.get_xticklabels()]
    assert names == columns
    assert [label.get_text() for label in ax.get_yticklabels()] == rows
    displayed = texts(figure)
    for _, row in matrix.cells.iterrows():
        if math.isfinite(row["fid"]):
            mean, reach = formatting.interval(row, "fid")
            mean += matrix.marks(row.name[0], row.name[1])
            assert mean in displayed and (not reach or reach in displayed)
    assert displayed.count("n/a") == len(matrix.missing)
    assert "3 of 3\ndiverged" in displayed and "2 of 3 diverged" in displayed
    assert formatting.number(matrix.floor["fid"]) in ax.get_title("left")


def test_the_heat_map_is_coloured_by_the_table(actual: list[Matrix]) -> None:
    matrix = actual[0]
    mesh = heat.heat_map(matrix).axes[0].collections[0]
    drawn = np.ma.filled(mesh.get_array(), math.nan)
    wanted = heat.grid_of(matrix, "fid")
    wanted = wanted.T if matrix.losses_down else wanted
    assert np.array_equal(drawn, wanted, equal_nan=True)


def test_long_names_are_broken_and_lose_nothing() -> None:
    names = ["lsgan", "improved-gan", "fgan-squared-hellinger", "r1+spectral-norm", "nonsaturating"]
    broken = heat._breakable(names)
    assert [name.replace("\n", "") for name in broken] == names
    assert broken[1:4] == ["improved-\ngan", "fgan-\nsquared-\nhellinger", "r1+\nspectral-\nnorm"]
    assert broken[0] == "lsgan"


def test_the_longer_axis_goes_down_the_page(actual: list[Matrix]) -> None:
    matrix = actual[0]
    few = dataclasses.replace(matrix, losses=matrix.losses[:3])
    assert few.losses_down == (len(matrix.tricks) < 3)
    many = dataclasses.replace(matrix, tricks=matrix.tricks[:2])
    assert many.losses_down == (len(matrix.losses) > 2)
    figure = heat.heat_map(many)
    assert figure.get_figheight() > 0.5 * len(many.losses)


@pytest.mark.parametrize(("factor", "logarithmic"), [(1.0, False), (100.0, True)])
def test_the_scale_is_logarithmic_beyond_a_decade(
    actual: list[Matrix], factor: float, logarithmic: bool
) -> None:
    cells = actual[0].cells.copy()
    cells["fid"] = np.linspace(10, 10 + 5 * factor, len(cells))
    matrix = dataclasses.replace(actual[0], cells=cells)
    norm = heat.heat_map(matrix).axes[0].collections[0].norm
    assert isinstance(norm, LogNorm) == logarithmic


def test_the_dot_plot_has_every_seed(actual: list[Matrix]) -> None:
    matrix = actual[1]
    figure = dots.dot_plot(matrix, [("fid", "FID", True), ("modes", "Modes", False)])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [name.split("\n")[0] for name in names] == matrix.losses
    assert "wgan\n(1 of 3 diverged)" in names
    circles = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    drawn = sorted(float(x) for line in circles for x in line.get_xdata())
    assert drawn == sorted(matrix.finals["fid"].dropna())


def test_there_is_one_panel_for_each_trick(actual: list[Matrix]) -> None:
    for draw in (quality.precision_recall, curves.learning_curves):
        assert len(draw(actual[0]).axes) == len(actual[0].tricks)
        assert len(draw(actual[1]).axes) == 1


def test_curves_are_the_means_of_the_snapshots(actual: list[Matrix]) -> None:
    matrix = actual[1]
    fid = matrix.metrics[(matrix.metrics["metric"] == "fid") & (matrix.metrics["loss"] == "lsgan")]
    line = curves.learning_curves(matrix).axes[0].lines[matrix.losses.index("lsgan")]
    assert np.allclose(line.get_ydata(), np.exp(np.log(fid["value"]).groupby(fid["images"]).mean()))


def test_forty_names_look_different() -> None:
    looks = [tuple(_multiples.look_of(index).values()) for index in range(40)]
    assert len({str(look) for look in looks}) == 40


def test_the_same_figure_has_the_same_bytes(tmp_path: Path, actual: list[Matrix]) -> None:
    for name in ("a", "b"):
        _drawing.save(cost.cost(actual[0]), tmp_path / name, "cost")
    for kind in ("svg", "pdf"):
        first, second = ((tmp_path / n / f"cost.{kind}").read_bytes() for n in ("a", "b"))
        assert first == second


def test_a_label_of_a_small_number_is_whole_in_the_page() -> None:
    """Places are shortened to hundredths of a point, and labels are not."""
    svg = '<svg width="72pt" height="36pt"><g><path d="M 1.23456 7"/><text x="3.14159">0.00125</text></g></svg>'
    element, *_ = _drawing.inline(svg, "small", "")
    assert ">0.00125</text>" in element and "1.23 7" in element and 'x="3.14"' in element


def test_the_strokes_of_samples_are_no_strokes_of_figures() -> None:
    """Figures have the class of their kind, of which one is called `dots` as well."""
    folder = declarations.PACKAGE / "report/templates"
    rules = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.css"))
    assert "svg.dots path" in rules and not re.search(r"(?<![\w])\.dots path", rules)


def test_inline_names_are_unique_and_colours_follow_the_page(
    tmp_path: Path, actual: list[Matrix]
) -> None:
    svg = _drawing.save(heat.heat_map(actual[0]), tmp_path, "heat")
    element, width, height = _drawing.inline(svg, "heat", 'a "map"')
    assert 'id="heat-figure_1"' in element and 'aria-label="a &quot;map&quot;"' in element
    assert "var(--ink)" in element and _drawing.INK not in element and min(width, height) > 200
    assert "http" not in element


THROW_AWAY = """
from ganlore.report.figures._drawing import Drawing, style, subplots

ORDER = 25

def of_matrix(matrix, runs):
    with style():
        figure, axes = subplots(1, 1, 3, 2)
        axes[0, 0].plot(range(matrix.n_seeds))
    yield Drawing(figure, "new", f"new-{matrix.slug}", "New", "A line.", "A line.", "cells.csv")
"""


def test_a_new_file_is_a_new_figure_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = synthetic_study.make(synthetic_study.small(tmp_path / "study"))
    (tmp_path / "throw_away.py").write_text(THROW_AWAY, encoding="utf-8")
    monkeypatch.setattr(figures, "__path__", [*figures.__path__, str(tmp_path)])
    page = build(plan).read_text(encoding="utf-8")
    levels = page[page.index('id="levels"') : page.index('id="interaction"')]
    for name in ("digits-dcgan-base", "ring-mlp-base"):
        assert page.count(f'<figure id="new-{name}"') == levels.count(f'<figure id="new-{name}"')
        assert (Path(plan.study.reports) / f"figures/new-{name}.pdf").stat().st_size > 1000
    assert levels.count("<code>ganlore.report.figures.throw_away</code>") == 2
    modules = figures.of_matrices()
    orders = [module.ORDER for module in modules]
    assert "throw_away" in [module.__name__.split(".")[-1] for module in modules]
    assert orders == sorted(orders)
