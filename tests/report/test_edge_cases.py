"""The whole report (every figure and table, found by listing) of studies at the edges."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import synthetic_study
from matplotlib import pyplot
from test_report import Page

from ganlore import frames
from ganlore.analysis import tables
from ganlore.analysis.results import Results
from ganlore.report import figures, files, robustness
from ganlore.report.page import build
from ganlore.study.run import Run

ALL_LOSSES, ALL_TRICKS = ["lsgan", "minimax", "wgan"], ["none", "packing", "relativistic"]
SHAPES: dict[str, dict[str, list[str]]] = {
    "matrix": {"losses": ALL_LOSSES, "tricks": ALL_TRICKS},
    "one loss": {"losses": ["lsgan"], "tricks": ALL_TRICKS},
    "one trick": {"losses": ALL_LOSSES, "tricks": ["none"]},
    "no plain loss": {"losses": ALL_LOSSES, "tricks": ["packing", "relativistic"]},
    "one cell": {"losses": ["lsgan"], "tricks": ["none"]},
}
DIVERGED: dict[str, Any] = {
    "none": lambda run: False,
    "one run": lambda run: run.loss.name == "lsgan" and run.seed == 0,
    "one loss": lambda run: run.loss.name == "lsgan",
    "one trick": lambda run: run.trick in ("packing", "none"),
    "all but one": lambda run: (run.loss.name, run.trick) != ("minimax", "none"),
    "all": lambda run: True,
}


def study(folder: Path, shape: str, diverged: str, seeds: int, last: float, **more: Any) -> Any:
    """A study of digits at an edge, beside a data set whose runs are all as they should be."""
    grids = [
        {"datasets": ["digits"], "networks": ["dcgan"], **SHAPES[shape]},
        {"datasets": ["ring"], "networks": ["mlp"], "losses": ["lsgan", "minimax"],
         "tricks": ["none"], "protocol": {"n_real": 2500, "n_fake": 2500}},
    ]  # fmt: skip

    def diverges(run: Run) -> bool:
        return run.dataset.name == "digits" and bool(DIVERGED[diverged](run))

    plan = synthetic_study.small(folder, seeds=list(range(seeds)), grids=grids, **more)
    return synthetic_study.make(plan, diverges, last)


def drawn(plan: Any) -> set[str]:
    """Draw every figure and write every table, without a page; gives the figures' names."""
    results = Results(plan, tables.read(plan))
    for name, text in files.texts(results).items():
        assert (
            not name.endswith(".csv")
            or text == "\n"
            or len(frames.read_csv(io.StringIO(text)).columns)
        )
    drawings = [
        drawing
        for matrix in results.matrices
        for module in figures.of_matrices()
        for drawing in module.of_matrix(matrix, results.tidy.runs)
    ]
    drawings += [
        drawing for checks in results.robustness for drawing in robustness._of_matrix(checks)
    ]
    for drawing in drawings:
        drawing.figure.draw_without_rendering()
        pyplot.close(drawing.figure)
    lost = results.cells.loc[results.cells["dataset"] == "digits", "n_diverged"].sum()
    of_digits = [run for run in plan.runs if run.dataset.name == "digits"]
    assert lost <= len(of_digits) and {run.cell for run in of_digits} <= set(
        results.cells[tables.CELL].itertuples(index=False, name=None)
    )
    names = {drawing.name for drawing in drawings}
    assert {"cost-ring-mlp-base", "curves-ring-mlp-base", "dots-ring-mlp-base"} <= names
    return names


def page_of(plan: Any) -> str:
    """Build the whole report; gives its page."""
    page = build(plan).read_text(encoding="utf-8")
    Page(page)
    for path in (Path(plan.study.reports) / "figures").glob("*.svg"):
        shown = f'id="{path.stem}"' in page or f'href="figures/{path.name}"' in page
        assert shown and path.with_suffix(".pdf").stat().st_size > 1000
    return page


@pytest.mark.parametrize(
    ("diverged", "last"), [*((name, 0.25) for name in DIVERGED), ("one loss", 0.0), ("all", 0.0)]
)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_figure_and_table_is_made_at_an_edge(
    tmp_path: Path, shape: str, diverged: str, last: float
) -> None:
    """`last` is 0 where runs diverge before their first snapshot."""
    drawn(study(tmp_path, shape, diverged, 3, last))


@pytest.mark.parametrize("diverged", ["none", "one loss", "all"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_figure_and_table_is_made_of_one_seed(
    tmp_path: Path, shape: str, diverged: str
) -> None:
    drawn(study(tmp_path, shape, diverged, 1, 0.25))


def test_what_was_measured_once_has_no_curve(tmp_path: Path) -> None:
    plan = synthetic_study.small(tmp_path, training={"budget": 6400, "snapshots": 1})
    text = page_of(synthetic_study.make(plan, DIVERGED["none"], 0.25))
    assert "Learning curves" not in text and "cost-" in text


@pytest.mark.parametrize("shape", ["matrix", "one trick"])
def test_a_data_set_whose_runs_all_diverge_leaves_the_page_of_the_others(
    tmp_path: Path, shape: str
) -> None:
    text = page_of(study(tmp_path, shape, "all", 2, 0.25))
    assert "2 of 2 diverged" in text and 'id="cost-ring-mlp-base"' in text


@pytest.mark.parametrize("diverged", ["none", "all"])
def test_a_replication_has_the_paper_s_numbers_beside_its_own(
    tmp_path: Path, diverged: str
) -> None:
    rows = [{"loss": "lsgan", "metric": "fid", "above": 0.0},
            {"loss": "minimax", "metric": "fid", "value": -9.0, "within": 0.5}]  # fmt: skip
    paper = {"paper": "arXiv:1234.56789", "table": "table 7", "protocol": "as it is", "n": 5,
             "checked": "not at all", "spread": "standard error", "rows": rows}  # fmt: skip
    plan = synthetic_study.small(
        tmp_path, replicates=paper, deviations=["It is <made up>."],
        grids=[{"datasets": ["ring"], "networks": ["mlp"], "losses": ["lsgan", "minimax"],
                "tricks": ["none"], "protocol": {"n_real": 2500, "n_fake": 2500}}],
    )  # fmt: skip
    text = page_of(synthetic_study.make(plan, DIVERGED[diverged], 0.25))
    assert "table 7" in text and "-9 ± 0.5" in text and "above 0" in text
    assert "It is &lt;made up&gt;." in text
    agree = {"none": "1 of 2 numbers agree", "all": "0 of 2 numbers agree"}
    assert agree[diverged] in text


@pytest.mark.parametrize("last", [0.25, 0.0])
def test_a_study_of_which_nothing_is_left_has_a_page(tmp_path: Path, last: float) -> None:
    plan = synthetic_study.small(tmp_path)
    page_of(synthetic_study.make(plan, lambda run: True, last))


@pytest.mark.parametrize("diverged", ["one loss", "all"])
def test_claims_of_diverged_runs_have_a_verdict(tmp_path: Path, diverged: str) -> None:
    plan = synthetic_study.make(synthetic_study.claiming(tmp_path), DIVERGED[diverged])
    page_of(plan)
    verdicts = frames.read_csv(Path(plan.study.reports) / "tables/verdicts.csv")
    assert set(verdicts["claim"]) == set(synthetic_study.CLAIMS["claims"])


def test_controls_units_and_settings_are_on_the_page(tmp_path: Path) -> None:
    """A control that fails comes first, and shuts the gate of its data set alone."""
    every = {"networks": ["dcgan"], "losses": ["lsgan", "minimax", "wgan"]}
    test = {"take": "end", "of": "fid", "scale": "log", "claimed": "lower", "margin": 0.05,
            "converged": False}  # fmt: skip
    alone = {"datasets": ["ring"], "networks": ["mlp"]}
    claims = {
        "articles": synthetic_study.CLAIMS["articles"],
        "controls": {
            "P01": {"statement": "The logarithm wins.", "tests": [
                {**test, "treatment": {**every, "losses": ["minimax"]},
                 "control": {**every, "losses": ["lsgan"]}}]},
        },
        "claims": {
            "C01": {"statement": "Packing helps.", "articles": ["000"], "unit": "loss", "tests": [
                {**test, "match": ["loss"], "treatment": {**every, "tricks": ["packing"]},
                 "control": every}]},
            "C02": {"statement": "Least squares win.", "articles": ["004"], "tests": [
                {**test, "treatment": {**alone, "losses": ["lsgan"]},
                 "control": {**alone, "losses": ["minimax"]}}]},
        },
    }  # fmt: skip
    grids = [
        {"datasets": ["digits"], **every, "tricks": ["none", "packing"]},
        {**alone, "losses": ["lsgan", "minimax"], "tricks": ["none"]},
    ]
    asked = synthetic_study.claiming(tmp_path, claims=claims, exclude=[], grids=grids)
    plan = synthetic_study.make(asked, lambda run: False)
    page_of(plan)
    table = frames.read_csv(Path(plan.study.reports) / "tables/verdicts.csv")
    assert list(table["claim"]) == ["P01", "C01", "C02"]
    assert list(table["verdict"]) == ["contradicted", "not testable here", "holds"]
    assert list(table["unit"]) == ["seed", "loss", "seed"]
    assert table["scope"][2].startswith("ring, mlp, one optimiser for all, ")
    assert "FID" in table["in_words"][2] and " % lower, " in table["in_words"][2]
    text = (Path(plan.study.reports) / "index.html").read_text(encoding="utf-8")
    assert "not as it must be" in text and "must hold and is: contradicted" in text
    assert "Of 2 claims" in text and "3 losses" in " ".join(text.split())
