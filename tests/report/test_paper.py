"""The paper: two pages, the same bytes for the same tables, and no number of its own."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import claimed
import numpy as np
import pypdf
import pytest
import synthetic_study
import texsyntax

from ganlore.analysis import tables
from ganlore.analysis.claims import results as claim_results
from ganlore.analysis.claims.results import ClaimResult, TestResult
from ganlore.analysis.claims.verdicts import VERDICTS, Decision, Outcome
from ganlore.analysis.results import Results
from ganlore.errors import GanloreError
from ganlore.report import claims, files, latex, paper, values
from ganlore.study import claims as definitions
from ganlore.study.run import Plan

COUNTERS = re.compile(
    r"^\d (?=Question|Method|Controls|Results|Limits|Where)|(?<=Table\s)\d(?=:)|(?<=Figure\s)\d(?=:)|^\d$",
    re.MULTILINE,
)
"""Numbers that typst counts itself: of sections, tables, figures and pages."""

TOKEN = re.compile(r"\d[\d,.]*\d|\d")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    plan = claimed.make(tmp_path_factory.mktemp("paper"))
    return Results(plan, tables.read(plan))


@pytest.fixture(scope="module")
def reported(results: Results, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return paper.data(tmp_path_factory.mktemp("none"), results)


def text(data: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(data)).pages
    return COUNTERS.sub("", "\n".join(page.extract_text() for page in pages))


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [str(value)]


def test_every_number_in_it_is_of_the_tables(reported: dict[str, Any], tmp_path: Path) -> None:
    expected = {token for inputs in strings(reported) for token in TOKEN.findall(inputs)}
    displayed = set(TOKEN.findall(text(paper.typeset(tmp_path, reported)).replace("-\n", "")))
    assert displayed and displayed <= expected
    assert reported["numbers"]["digits-dcgan-best-fid"].split()[0] in displayed


def test_the_template_has_no_number_of_its_own(reported: dict[str, Any], tmp_path: Path) -> None:
    """With letters for all digits of what it is given, it shows no digit at all."""

    def blank(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: blank(item) for key, item in value.items()}
        if isinstance(value, list):
            return [blank(item) for item in value]
        return re.sub(r"\d", "x", value) if isinstance(value, str) else value

    displayed = text(paper.typeset(tmp_path, blank(reported)))
    assert "xx.x" in displayed and not re.findall(r".*\d.*", displayed)


def test_the_same_tables_give_the_same_bytes(
    results: Results, reported: dict[str, Any], tmp_path: Path
) -> None:
    """In another process, in another folder, at another time."""
    (tmp_path / "content.json").write_text(json.dumps(reported), encoding="utf-8")
    code = (
        "import json, pathlib, sys; from ganlore.report import paper; content = pathlib.Path('content.json'); "
        "sys.stdout.buffer.write(paper.typeset(pathlib.Path(), json.loads(content.read_text())))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=True
    )
    (tmp_path / "reports").mkdir()
    path = paper.write(tmp_path / "reports", results)
    assert other.stdout == path.read_bytes()
    again = Results(results.plan, tables.read(results.plan))
    assert paper.write(tmp_path, again).read_bytes() == path.read_bytes()
    assert not {"/CreationDate", "/ModDate"} & set(pypdf.PdfReader(path).metadata or {})


def test_it_depends_on_no_font_of_the_machine(reported: dict[str, Any], tmp_path: Path) -> None:
    page = pypdf.PdfReader(io.BytesIO(paper.typeset(tmp_path, reported))).pages[0]
    fonts = page["/Resources"]["/Font"].values()
    names = {str(font.get_object()["/BaseFont"]).split("+")[1] for font in fonts}
    assert names and all(name.startswith(("LibertinusSerif", "DejaVuSansMono", "NewCM"))
                         for name in names)  # fmt: skip


def test_thirty_two_claims_take_four_pages_and_none_is_half_empty(tmp_path: Path) -> None:
    """With a forest plot of a page, what literature found of each, and figures as they fit."""
    plan = synthetic_study.make(synthetic_study.small(tmp_path))
    reported = paper.data(tmp_path, Results(plan, tables.read(plan)))
    row = {"statement": "Something is better than something else when it is long", "effect":
           "FID 12 % lower, 8 to 15 %", "scope": "digits, mlp, 4,000 steps"}  # fmt: skip
    claims = [{"id": f"C{i:02}", **row} for i in range(1, 33)]
    reported["states"] = [{"title": "holds:", "claims": claims, "words": ""}]
    reported["literature"] = [
        {"id": one["id"], "here": f"holds: {one['effect']}", "literature": "1802.05957: lower"}
        for one in claims
    ]
    reported["rule"] = list(paper.rule.RULE)
    import typst

    (tmp_path / "figures").mkdir()
    for name, size in (("forest", "7.4in, height: 9.2in"), ("heat", "10in, height: 6in")):
        drawn = f"#set page(width: {size})\n#text([a {name}])"
        (tmp_path / "figures" / f"{name}.pdf").write_bytes(typst.compile(drawn.encode()))
    heat = {"file": "heat.pdf", "height": 5.0, "alt": "A heat map", "caption": "FID"}
    reported["figures"] = [heat] * 12
    reported["forest"] = [heat | {"file": "forest.pdf", "height": paper.FOREST_HEIGHT}]
    filled = paper.filled(tmp_path, reported)
    assert 1 <= len(filled["figures"]) < 12  # as many as the pages have room for
    made = pypdf.PdfReader(io.BytesIO(paper.typeset(tmp_path, filled)))
    assert len(made.pages) == paper.count_pages(tmp_path, reported | {"figures": [heat]}) <= 4
    displayed = [page.extract_text() for page in made.pages]
    assert "a forest" in displayed[1] and "References" in displayed[-1]
    assert "C32" in "".join(displayed) and "1802.05957" in "".join(displayed)


def test_the_abstract_states_a_finding(reported: dict[str, Any], tmp_path: Path) -> None:
    """Which loss has the lowest FID, the tally of claims, and how many cells have converged."""
    displayed = " ".join(text(paper.typeset(tmp_path, reported)).replace("-\n", "").split())
    abstract = displayed[: displayed.index("Question")]
    assert "has the lowest FID" in abstract and "converged" in abstract
    assert reported["first"]["best"][0] in displayed
    assert "Of 2 claims that articles make" in abstract


def test_references_are_there_without_claims(tmp_path: Path) -> None:
    plan = synthetic_study.make(synthetic_study.small(tmp_path, seeds=[0]))
    made = paper.write(tmp_path, Results(plan, tables.read(plan)))
    displayed = " ".join(text(made.read_bytes()).split())
    assert "Heusel" in displayed
    assert "wgan: 1701.07875" in displayed  # the losses' own papers


def test_one_seed_and_no_claims_make_a_paper(tmp_path: Path) -> None:
    grids = [{"datasets": ["ring"], "networks": ["mlp"], "losses": ["lsgan"], "tricks": ["none"]}]
    plan = synthetic_study.make(synthetic_study.small(tmp_path, seeds=[0], grids=grids))
    made = paper.write(tmp_path, Results(plan, tables.read(plan)))
    displayed = " ".join(text(made.read_bytes()).split())
    assert "1 network: 1 loss on ring, 1 seed for each of 1 cell" in displayed
    assert (
        "claims" not in displayed
        and "Controls" not in displayed
        and "Verdicts" not in displayed
        and "±" not in displayed
    )


def test_the_rate_is_that_of_the_ordinary_runs_and_not_of_a_variant(tmp_path: Path) -> None:
    grids = [{"datasets": ["ring"], "networks": ["mlp"], "losses": ["lsgan"], "tricks": ["none"],
              "variants": ["base", "slow"]}]  # fmt: skip
    plan = synthetic_study.make(synthetic_study.small(
        tmp_path, seeds=[0], grids=grids, variants={"slow": {"training": {"optimizer": {"lr": 7e-6}}}}
    ))  # fmt: skip
    policy = paper.data(tmp_path, Results(plan, tables.read(plan)))["policy"]
    assert "ring: adam, lr " in policy and "7e-6" not in policy


def test_what_typst_refuses_is_told(reported: dict[str, Any], tmp_path: Path) -> None:
    lacking = {**reported, "numbers": {}}
    with pytest.raises(GanloreError, match=r"paper\.typ: typst cannot make .*paper\.pdf"):
        paper.typeset(tmp_path, lacking)


# -- the numbers -----------------------------------------------------------------------------------


def test_numbers_are_the_same_in_json_and_latex(results: Results) -> None:
    actual = files.texts(results)
    reported = json.loads(actual["numbers.json"])
    assert texsyntax.problems(actual["numbers.tex"]) == []
    assert texsyntax.macros(actual["numbers.tex"]) == {
        latex.macro(name).removeprefix("\\"): latex.escape(text) for name, text in reported.items()
    }


def test_every_number_that_the_paper_names_is_a_macro(results: Results) -> None:
    """And what it looks up by a data set or a matrix is there for each of them."""
    reported, source = values.of(results), paper.TEMPLATE.read_text(encoding="utf-8")
    plain = re.findall(r'(?:\bn|many)\("([a-z0-9-]+)"', source)
    assert len(plain) > 15 and set(plain) <= reported.keys()
    for suffix in re.findall(r'd\.name \+ "(-[a-z-]+)"', source):
        assert {f"{name}{suffix}" for name in results.plan.datasets} <= reported.keys()
    always = set(re.findall(r'm\.key \+ "(-[a-z-]+)"', source)) - {"-dearest", "-dearest-time"}
    for suffix in always:
        assert {f"{values.prefix(m)}{suffix}" for m in results.matrices} <= reported.keys()


def test_numbers_are_those_of_the_runs(results: Results, plan: Plan) -> None:
    reported, runs = values.of(results), results.plan.runs
    assert reported["runs"] == str(len(runs)) == "18"
    assert (reported["cells"], reported["seeds"], reported["datasets"]) == ("6", "3", "2")
    assert (reported["losses"], reported["tricks"], reported["claims"]) == ("4", "1", "2")
    shown = sum(len(matrix.unconverged) for matrix in results.matrices)  # by their mark
    assert reported["asked"] == reported["cells"] and shown > 0
    assert reported["converged"] == str(int(reported["cells"]) - shown)
    lost = sum(len(seeds) for cell, seeds in synthetic_study.DIVERGED.items()
               if cell in {(r.dataset.name, r.loss.name, r.trick) for r in runs})  # fmt: skip
    assert reported["diverged"] == str(lost) and lost > 0
    assert reported["smallest-p"] == "0.250" and reported["level"] == "95"
    counted = [int(reported[f"claims-{v.replace(' ', '-')}"]) for v in VERDICTS]
    assert sum(counted) == 2
    fid = results.tidy.metrics.query("metric == 'fid' and dataset == 'digits' and step == 100")
    logs = np.log(fid["value"]).groupby([fid["loss"], fid["trick"]]).mean()
    means = np.exp(logs).drop(("minimax", "packing"))
    assert reported["digits-dcgan-best"] == means.idxmin()[0]
    assert reported["digits-dcgan-best-fid"].startswith(f"{means.min():.1f} ×/÷ ")


# -- the verdicts ----------------------------------------------------------------------------------


def claim_results_of(verdict: str = "contradicted") -> list[ClaimResult]:
    """Three tests of one claim, of which the second decides, and a claim without runs."""
    cells = {"losses": ["lsgan"]}
    definition = definitions.Test(
        take="end", of="fid", claimed="lower", margin=0, treatment=cells, control=cells
    )
    first, second = (
        definitions.Claim(statement=statement, articles=articles, tests=[definition])
        for statement, articles in (
            ("50 % of `a_b` & more.", ["000", "001"]),
            ("Nobody ran it.", ["002"]),
        )
    )
    tests = tuple(
        TestResult(definition, f"{name}: a against b", outcome=outcome)
        for name, outcome in {
            "FID": Outcome(10, 0.1, 0.05, 0.2, 0.3, 0.5),
            "Recall": Outcome(10, 0.12, 0.04, 0.2, 0.3, 0.01),
            "Modes": Outcome(10, -1.0, -1.5, -0.5, 0.3, 0.6),
        }.items()
    )
    lacking = (TestResult(definition, "FID: c against d", missing=("a run",)),)
    return [
        ClaimResult("C05", first, Decision(verdict, 0.5, 0.01), tests),
        ClaimResult("C06", second, Decision(), lacking),
    ]


def test_a_claim_shows_the_test_that_decides() -> None:
    first, second = claim_results_of()
    assert first.deciding is first.tests[1] and first.deciding.measure == "Recall"
    assert first.deciding.rendered == "−0.12 (−0.20 to −0.04)"
    assert claim_results_of("undecided")[0].deciding.measure == "FID"
    assert (first.n, second.n, second.deciding.rendered) == (10, 0, "")


def test_the_verdicts_in_latex_have_a_row_for_each_test() -> None:
    made = claims.as_latex(claim_results_of())
    assert texsyntax.problems(made) == []
    lines = [line for line in made.splitlines() if line.endswith(r"\\") and "measure" not in line]
    assert len(lines) == 4
    assert lines[0].startswith(
        r"C05 & 50 \% of \texttt{a\_b} \& more & contradicted & FID & $-$0.10"
    )
    assert lines[1].startswith(" &  &  & Recall & $-$0.12") and lines[3].endswith(
        r"not tested &  &  &  \\"
    )


def test_the_rows_of_verdicts_name_the_test_that_decides() -> None:
    table = claim_results.rows(claim_results_of())
    assert list(table["claim"]) == ["C05"] * 3 + ["C06"]
    assert list(table["deciding"]) == [False, True, False, True]
    assert list(table["articles"]) == ["000 001"] * 3 + ["002"]
    assert list(table["n"]) == [10, 10, 10, 0] and table.loc[3, "missing"] == "a run"
