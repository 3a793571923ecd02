"""A number that changes in the tidy table changes wherever it is shown, and nothing else does.

The study is built, one FID at the end of one run is changed, and it is built again. Every file of
the report is compared: what changed in it must derive from that number, and the old number may not
be left anywhere.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import claimed
import pandas as pd
import pypdf
import pytest
import synthetic_study

from ganlore import formatting, frames
from ganlore.report import paper
from ganlore.report.page import TEMPLATES, build
from ganlore.study.run import Plan

CELL = {"dataset": "digits", "network": "dcgan", "loss": "cgan", "trick": "none", "variant": "base"}
SEED, FACTOR = 1, 0.9
"""The run whose FID is changed, of the best cell, and how: its cell stays the best."""

Files = dict[str, bytes]
NUMERAL = re.compile(r"\d[\d,]*(?:\.\d+)?")


def files(plan: Plan) -> Files:
    """A report's files but for their record, whose hashes change with any of them."""
    folder = Path(plan.study.reports)
    actual = (path for path in sorted(folder.rglob("*")) if path.is_file())
    texts = {str(path.relative_to(folder)): path.read_bytes() for path in actual}
    del texts["report.json"]
    return texts


def change(plan: Plan) -> tuple[float, float]:
    """Change one number of the tidy table; gives it before and after."""
    path = Path(plan.study.results) / "metrics.parquet"
    rows = pd.read_parquet(path)
    here = (rows["metric"] == "fid") & (rows["train_seed"] == SEED)
    for column, value in CELL.items():
        here &= rows[column] == value
    here &= rows["step"] == rows.loc[here, "step"].max()
    assert here.sum() == 1
    old = float(rows.loc[here, "value"].item())
    rows.loc[here, "value"] = FACTOR * old
    synthetic_study.change_table(plan, "metrics", rows)
    return old, FACTOR * old


def pdf_text(data: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages)


def paper_text(actual: Files) -> str:
    """The paper without its figures, whose ticks are coordinates."""
    figures = [name for name in actual if name.startswith("figures/") and name.endswith(".pdf")]
    drawn = " ".join(pdf_text(actual[name]) for name in figures).split()
    lines = pdf_text(actual["paper.pdf"]).splitlines()
    return "\n".join(line for line in lines if not set(line.split()) <= set(drawn))


def page_text(data: bytes) -> str:
    """The page without the drawings inlined in it: their numbers are coordinates."""
    return re.sub(r"<svg.*?</svg>", "", data.decode(), flags=re.DOTALL)


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Files, Files]:
    """All files of the report before and after the change."""
    plan = claimed.make(tmp_path_factory.mktemp("propagation"))
    build(plan)
    before = files(plan)
    change(plan)
    build(plan)
    return before, files(plan)


def table(actual: Files, name: str) -> pd.DataFrame:
    return frames.read_csv(io.BytesIO(actual[name]), dtype=str, keep_default_na=False)


def changed_cells(builds: tuple[Files, Files], name: str) -> tuple[pd.DataFrame, set[str]]:
    """The rows of a CSV that changed, as they are now, and the columns in which they did."""
    before, after = (table(actual, name) for actual in builds)
    assert list(before) == list(after) and len(before) == len(after), name
    differs = before.ne(after)
    return after[differs.any(axis=1)], set(differs.columns[differs.any()])


FIGURES = ("aggregates", "cost", "curves", "heat-fid", "interaction", "profiles")
"""Kinds of figures that show FID,"""

OTHERS = ("dots", "heat-recall", "heat-step-ms", "precision-recall")
"""and kinds that show none of it here. A figure that is neither may change."""


def test_only_these_files_change(builds: tuple[Files, Files]) -> None:
    before, after = builds
    assert before.keys() == after.keys()
    kinds = tuple(f"figures/{kind}-" for kind in (*FIGURES, *OTHERS, "verdict", "budget"))
    kinds += ("figures/forest.",)
    changed = {name for name in before if before[name] != after[name]}
    assert {n for n in changed if not n.startswith("figures/") or n.startswith(kinds)} == {
        "index.html", "leaderboard.csv", "numbers.json", "numbers.tex", "paper.pdf",
        "tables/cells.csv", "tables/claims-budget.csv", "tables/claims-seeds.csv",
        "tables/fid-digits-dcgan-base.tex",
        "tables/leaderboard.tex", "tables/snapshots.csv", "tables/runs.csv", "tables/verdicts.csv",
        "tables/verdicts.tex",
        *(f"tables/{kind}-digits-dcgan-base.csv"
          for kind in ("aggregates", "improvements", "model", "tricks", "variance")),
        *(f"figures/{name}.{ending}" for ending in ("svg", "pdf") for name in
          ("verdict-C01", "budget-C01", "forest", *(f"{kind}-digits-dcgan-base" for kind in FIGURES))),
    }  # fmt: skip


ENDS = {"", "_low", "_high"}


@pytest.mark.parametrize(
    ("name", "where", "columns"),
    [
        ("tables/snapshots.csv", {**CELL, "train_seed": "1"}, {"fid"}),
        ("tables/runs.csv", {**CELL, "train_seed": "1"}, {"fid", "fid_best"}),
        ("tables/cells.csv", CELL, {f"fid{best}{end}" for end in ENDS for best in ("", "_best")}),
        ("leaderboard.csv", CELL, {f"fid{end}" for end in ENDS}),
        ("tables/claims-seeds.csv", {"claim": "C01", "train_seed": "1"},
         {"treatment", "difference"}),
        ("tables/claims-budget.csv", {"claim": "C01", "share": "1.0"}, {"effect", "low", "high"}),
        ("tables/tricks-digits-dcgan-base.csv", {"trick": "packing"}, {"effect", "low", "high"}),
        ("tables/verdicts.csv", {"claim": "C01"},
         {"effect", "low", "high", "shown", "seeds_needed", "note", "gate_reason", "in_words"}),
        ("tables/aggregates-digits-dcgan-base.csv", {"trick": "packing"},
         {"iqm", "iqm_low", "iqm_high"}),
        ("tables/improvements-digits-dcgan-base.csv", {"loss": "cgan", "trick": "packing"},
         {"log_ratio", "low", "high"}),
        ("tables/model-digits-dcgan-base.csv", {"trick": "packing"},
         {"effect", "low", "high", "p"}),
    ],
)  # fmt: skip
def test_only_what_derives_from_it_changes_in_a_table(
    builds: tuple[Files, Files], name: str, where: dict[str, str], columns: set[str]
) -> None:
    """One row, of this cell or claim, and in it the columns that are computed from its FID."""
    rows, changed = changed_cells(builds, name)
    assert len(rows) == 1
    assert {key: rows.iloc[0][key] for key in where} == where
    assert changed <= columns
    assert {
        "value",
        "fid",
        "treatment",
        "effect",
        "iqm",
        "log_ratio",
    } & changed  # and the number itself is among them


def estimates(actual: Files) -> tuple[str, str]:
    """Mean and interval of the cell as a reader sees them."""
    cells = table(actual, "tables/cells.csv")
    for column, value in CELL.items():
        cells = cells[cells[column] == value]
    row = cells.iloc[0]
    return formatting.interval({f"fid{e}": float(row[f"fid{e}"]) for e in ENDS}, "fid")


def displayed(actual: Files) -> dict[str, str]:
    """The text of every place where readers meet numbers."""
    return {
        "index.html": page_text(actual["index.html"]),
        "paper.pdf": paper_text(actual),
        "heat": pdf_text(actual["figures/heat-fid-digits-dcgan-base.pdf"]),
        **{
            name: data.decode() for name, data in actual.items() if name.endswith((".tex", ".json"))
        },
    }


FORMS = (formatting.number, formatting.p_value, lambda share: f"{100 * max(share, 0):.0f}")
"""How a page writes a number: with three digits, as a p-value, or in percent."""

CHANGES = (formatting.change, formatting.short_change)
"""How it writes a difference of logarithms."""


def derived(builds: tuple[Files, Files]) -> set[tuple[str, str]]:
    """The pairs (before, after) of texts that a change of this number explains."""
    pairs: set[tuple[str, str]] = set()
    for name in (name for name in builds[0] if name.endswith(".csv")):
        before, after = (table(actual, name) for actual in builds)
        rows = before.ne(after).any(axis=1)
        for (_, old), (_, new) in zip(before[rows].iterrows(), after[rows].iterrows(), strict=True):
            for column in before:
                pairs |= set(_texts(old, new, column))
    return pairs


def _texts(old: Any, new: Any, column: str) -> Iterator[tuple[str, str]]:
    pair = old[column], new[column]
    if pair[0] == pair[1]:
        return
    yield from zip(*(NUMERAL.findall(text) for text in pair), strict=True)
    try:
        values = float(pair[0]), float(pair[1])
    except ValueError:
        return
    yield repr(values[0]), repr(values[1])
    for form in FORMS:
        yield form(values[0]), form(values[1])
    if f"{column}_low" in old:
        ends = [
            [float(row[f"{column}{end}"]) for end in ("", "_low", "_high")] for row in (old, new)
        ]
        yield from zip(*(formatting.spread(*end) for end in ends), strict=True)
        if column.startswith("fid"):
            yield tuple(formatting.factor(high / mean) for mean, _, high in ends)
    if column in {"effect", "low", "high"} and max(map(abs, values)) < 5:
        for form in CHANGES:
            yield from zip(*(NUMERAL.findall(form(value)) for value in values), strict=True)


def test_every_text_changes_in_these_numbers_alone(builds: tuple[Files, Files]) -> None:
    """Number by number: a text is as before, but for numbers that derive from the changed one."""
    explained = derived(builds)
    before, after = (displayed(actual) for actual in builds)
    for name, old in before.items():
        words = NUMERAL.split(old), NUMERAL.split(after[name])
        assert words[0] == words[1], name
        pairs = zip(NUMERAL.findall(old), NUMERAL.findall(after[name]), strict=True)
        strange = {pair for pair in pairs if pair[0] != pair[1]} - explained
        assert not strange, f"{name}: {strange}"


def stale(builds: tuple[Files, Files]) -> list[str]:
    """The places in which the cell's mean stands as it was before the change."""
    old = estimates(builds[0])[0]
    assert old != estimates(builds[1])[0]
    return [name for name, text in displayed(builds[1]).items() if old in NUMERAL.findall(text)]


def test_the_old_number_is_left_nowhere(builds: tuple[Files, Files]) -> None:
    (old, _), (new, _) = (estimates(actual) for actual in builds)
    before, after = (displayed(actual) for actual in builds)
    places = {name: NUMERAL.findall(text).count(old) for name, text in before.items()}
    assert places == {name: NUMERAL.findall(text).count(new) for name, text in after.items()}
    assert stale(builds) == []
    # page, paper, its figure, the numbers of both kinds, and the tables of both kinds
    assert {name for name, n in places.items() if n} == {
        "index.html", "paper.pdf", "heat", "numbers.json", "numbers.tex",
        "tables/fid-digits-dcgan-base.tex", "tables/leaderboard.tex",
    }  # fmt: skip


def test_a_number_typed_by_hand_is_found(
    builds: tuple[Files, Files], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check above fails for a paper in which somebody wrote what the number was."""
    lookup = '#n(m.key + "-best-fid")'
    template = paper.TEMPLATE.read_text(encoding="utf-8")
    assert lookup in template
    typed = tmp_path / "paper.typ"
    typed.write_text(template.replace(lookup, estimates(builds[0])[0]), encoding="utf-8")
    monkeypatch.setattr(paper, "TEMPLATE", typed)
    reported = json.loads(json.dumps(_told(builds[1])))
    assert stale((builds[0], {**builds[1], "paper.pdf": paper.typeset(tmp_path, reported)})) == [
        "paper.pdf"
    ]


def _told(actual: Files) -> dict[str, Any]:
    """A paper without tables and figures, of the numbers of a build."""
    return {
        "title": "A study", "study": "small", "numbers": json.loads(actual["numbers.json"]),
        "losses": ["cgan"], "tricks": [], "datasets": [], "policy": "", "rule": [], "kinds": [],
        "first": {"best": [], "helps": [], "careful": []}, "convergence": "", "tally": [],
        "states": [], "controls": [], "literature": [], "forest": [], "marks": "",
        "matrices": [{"key": "digits-dcgan", "title": "digits"}], "board": [],
        "figures": [], "machines": ["one"], "references": [],
    }  # fmt: skip


def test_the_pages_templates_have_rules_numbers_alone() -> None:
    """What they write out is a bound of a rule or of a scale, never a result."""
    expected = {"-1", "1", "0.05", "2", "5", "95"}  # images in [-1, 1]; bounds, levels; 2/2^n
    for template in sorted(TEMPLATES.glob("*.html")):
        source = template.read_text(encoding="utf-8")
        prose = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", source, flags=re.DOTALL)
        prose = re.sub(r"<(style|script).*?</\1>|<[^>]*>", "", prose, flags=re.DOTALL)
        assert set(re.findall(r"-?\d+(?:\.\d+)?", prose)) <= expected, template.name
