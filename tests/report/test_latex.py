"""LaTeX that a compiler takes, with the numbers of the tables."""

from __future__ import annotations

import dataclasses

import pytest
import texsyntax

from ganlore import formatting
from ganlore.analysis import matrices, tables
from ganlore.analysis.results import Results
from ganlore.errors import GanloreError
from ganlore.report import files, latex, leaderboard
from ganlore.study.run import Plan


def test_the_reader_finds_what_stops_a_compiler() -> None:
    """Each of these is an error of LaTeX or a wrong page."""
    row = "\\begin{tabular}{lr}\na & b & c \\\\\n\\end{tabular}"
    for wrong in (
        "a_b", "50 #1", "x } {", "{", "$x", r"\unknowncommand", "−6", row,
        r"\begin{table}", r"\end{table}", "half \\% of % it",
    ):  # fmt: skip
        assert texsyntax.problems(wrong), wrong
    for right in (r"a\_b 50 \% \& \#1", r"$-6 \pm 2^{3}$", "% comment_with $signs"):
        assert texsyntax.problems(right) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("r1+r2_x & 5 % #3", r"r1+r2\_x \& 5 \% \#3"),
        ("−12 % (−20 % to −4 %)", r"$-$12 \% ($-$20 \% to $-$4 \%)"),
        (r"\{a}~^$", r"\textbackslash{}\{a\}\textasciitilde{}\textasciicircum{}\$"),
        ("12.3 ± 2.1, 3×, – and ≤ 1", r"12.3 $\pm$ 2.1, 3$\times$, -- and $\leq$ 1"),
    ],
)
def test_signs_are_escaped(text: str, expected: str) -> None:
    assert latex.escape(text) == expected
    assert texsyntax.problems(latex.escape(text)) == []


def test_every_piece_of_a_study_is_sound(plan: Plan, tidy: tables.Tables) -> None:
    actual = files.texts(Results(plan, tidy))
    pieces = {name: text for name, text in actual.items() if name.endswith(".tex")}
    assert len(pieces) >= 3
    for name, text in pieces.items():
        assert texsyntax.problems(text) == [], name
        if name.startswith("tables/"):
            assert (
                text.count(r"\toprule") == text.count(r"\bottomrule") == 1 and r"\hline" not in text
            )


def test_cells_mark_what_is_missing(actual: list[matrices.Matrix]) -> None:
    text = latex.cells(actual[0])
    rows = {line.split(" & ")[0]: line for line in text.splitlines() if " & " in line}
    row = actual[0].cell("wgan", "none")
    assert row is not None
    mean, reach = formatting.interval(row, "fid")
    assert rf"${mean} \times/\div {reach.split()[1]}$" in rows["none"]
    assert "n/a" in rows["relativistic"]
    assert r"--$^{3\mathrm{d}}$" in rows["packing"]
    assert r"95 \% interval" in text and "1,438 real" in text


def test_names_that_latex_would_read_are_escaped(actual: list[matrices.Matrix]) -> None:
    matrix = dataclasses.replace(actual[0], dataset="my_data & 50%")
    assert texsyntax.problems(latex.cells(matrix).replace(r"\label", "%")) == []


def test_a_large_negative_number_is_mathematics() -> None:
    text = latex.estimate(-1234.4, -1300.4, -1168.4, failed=2)
    assert text == r"$-1{,}234 \pm 66^{2\mathrm{d}}$"
    assert latex.estimate(float("nan"), float("nan"), float("nan")) == "--"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("runs", r"\ganloreRuns"),
        ("c05-effect-1", r"\ganloreCZeroFiveEffectOne"),
        ("digits-mlp-best-fid", r"\ganloreDigitsMlpBestFid"),
        ("stacked_mnist-n10", r"\ganloreStackedMnistNOneZero"),
    ],
)
def test_a_macro_has_letters_only(name: str, expected: str) -> None:
    assert latex.macro(name) == expected


def test_macros_are_read_back() -> None:
    text = latex.macros({"runs": "4,078", "effect": "−12 %"})
    assert texsyntax.macros(text) == {"ganloreRuns": "4,078", "ganloreEffect": r"$-$12 \%"}
    assert texsyntax.problems(text) == []


def test_two_names_never_share_a_macro() -> None:
    with pytest.raises(GanloreError, match=r"'a-b' and 'a_b': one LaTeX macro \\ganloreAB"):
        latex.macros({"a-b": "1", "a_b": "2"})


def test_the_leaderboard_has_its_rows_in_latex(plan: Plan, tidy: tables.Tables) -> None:
    board = leaderboard.of(Results(plan, tidy))
    lines = leaderboard.as_latex(board, ranks=2).splitlines()
    rows = [line for line in lines if line.startswith(("1 &", "2 &", "-- &"))]
    assert len(rows) == 6  # of two data sets, each with real data on top
    first = board[board["rank"] == 1].iloc[0]
    mean, reach = formatting.interval(first, "fid")
    assert rf"${mean} \times/\div {reach.split()[1]}$" in rows[1] and first["loss"] in rows[1]
