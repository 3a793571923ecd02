"""Blocks of a published study, on a made-up publication: all their numbers are its own."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from ganlore import frames
from ganlore.docgen import pages
from ganlore.docgen.published import published
from ganlore.errors import GanloreError
from tiny import REPOSITORY

NUMBERS = {
    "runs": "4,078", "seeds": "10", "cells": "408", "losses": "20", "tricks": "26", "hours": "8.4",
    "diverged": "37", "level": "95", "claims": "9", "claims-holds": "2",
    "claims-contradicted": "3", "claims-does-not-hold": "2", "claims-undecided": "2",
    "claims-not-tested": "4",
}  # fmt: skip
VERDICTS = [
    ("C01", "Clipping is a | poor constraint.", "holds", "FID: wgan against wgan-gp", "+420 % (+375 % to +537 %)", 10, True),
    ("C01", "Clipping is a | poor constraint.", "holds", "Recall: wgan against wgan-gp", "−0.31 (−0.44 to −0.22)", 10, False),
    ("C02", "Packing helps.", "contradicted", "Modes: packing against none", "−1.25 (−1.75 to −0.86)", 9, True),
    ("C03", "Nobody ran this.", "not tested", "FID: a against b", "", 0, True),
]  # fmt: skip


PUBLICATION = {
    "reports": "../../reports/study", "source": {}, "settings": {}, "ganlore": "0.1.0",
    "files": {"results": {}, "reports": {}},
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a README that shows a published study."""
    results, reports = (tmp_path / part / "study" for part in ("results", "reports"))
    for folder in (results, reports / "tables", reports / "figures", tmp_path / "docs"):
        folder.mkdir(parents=True)
    (results / "publication.json").write_text(json.dumps(PUBLICATION), encoding="utf-8")
    (reports / "numbers.json").write_text(json.dumps(NUMBERS), encoding="utf-8")
    columns = ["claim", "statement", "verdict", "label", "shown", "n", "deciding"]
    rows = pd.DataFrame(VERDICTS, columns=columns).assign(articles="004")
    rows.to_csv(reports / "tables" / "verdicts.csv", index=False)
    for name in ("heat-fid-digits-mlp-base", "other-digits-mlp-base"):
        (reports / "figures" / f"{name}.svg").write_text("<svg/>", encoding="utf-8")
    templates = tmp_path / "docs" / "templates"
    templates.mkdir()
    template = (REPOSITORY / "docs" / "templates" / "findings.md.j2").read_text(encoding="utf-8")
    displayed = template[
        template.index('{% if published("study").controls') : template.index("*Holds*")
    ]
    (templates / "README.md.j2").write_text(
        '{% set n = published("study").numbers %}\n'
        "{{ n.runs }} runs, {{ n.hours }} core hours\n"
        '{{ published("study").verdict_counts | join(", ") }}\n\n'
        + displayed
        + '{{ published("study").figure("heat-fid-digits-mlp-base") }}\n',
        encoding="utf-8",
    )
    return tmp_path


def page(project: Path) -> str:
    pages.write(project)
    assert pages.check(project) == []
    return (project / "README.md").read_text(encoding="utf-8")


def test_the_verdicts_are_a_table(project: Path) -> None:
    lines = [line for line in page(project).splitlines() if line.startswith("|")]
    assert lines == [
        "| claim | what articles say | verdict | effect | where | n |",
        "|---|---|---|---|---|---|",
        "| C01 | Clipping is a \\| poor constraint | **holds** | FID +420 % (+375 % to +537 %): wgan against wgan-gp. The weakest of 2 tests. |  | 10 |",
        "| C02 | Packing helps | **contradicted** | Modes −1.25 (−1.75 to −0.86): packing against none |  | 9 |",
        "| C03 | Nobody ran this | not tested | FID: a against b |  |  |",
    ]


def test_controls_are_a_table_of_their_own(project: Path) -> None:
    path = project / "reports" / "study" / "tables" / "verdicts.csv"
    table = frames.read_csv(path, keep_default_na=False, dtype=str)
    table["control"] = table["claim"].map({"C01": "positive", "C03": "negative"}).fillna("")
    table["passed"] = table["claim"].map({"C01": "False", "C03": "True"}).fillna("")
    table.to_csv(path, index=False)
    lines = [line for line in page(project).splitlines() if line.startswith("| C")]
    assert [line[:5] for line in lines] == ["| C01", "| C03", "| C02"]
    assert "| Clipping is a \\| poor constraint | **no** |" in lines[0]
    assert "| Nobody ran this | yes |" in lines[1]


def test_no_verdict_stands_without_its_scope(project: Path) -> None:
    """In words, as the report has them since it has scopes."""
    path = project / "reports" / "study" / "tables" / "verdicts.csv"
    table = frames.read_csv(path, keep_default_na=False, dtype=str)
    effects = {"C01": "FID 42 % lower, 30 to 50 %", "C02": "Modes 1 lower", "C03": ""}
    table["in_words"] = table["claim"].map(effects)
    table["scope"] = "digits, mlp, one optimiser for all, 4,000 steps"
    table["settings"] = table["claim"].map({"C02": "holds in 0 of 2 settings"}).fillna("")
    table.to_csv(path, index=False)
    first, second, third = [x for x in page(project).splitlines() if x.startswith("| C")]
    assert "| FID 42 % lower, 30 to 50 %: wgan against wgan-gp. The weakest of 2 tests. |" in first
    assert first.endswith("| digits, mlp, one optimiser for all, 4,000 steps | 10 |")
    assert "4,000 steps: holds in 0 of 2 settings | 9 |" in second
    assert "digits, mlp" in third


def test_what_holds_of_a_claim_that_does_not_is_said(project: Path) -> None:
    path = project / "reports" / "study" / "tables" / "verdicts.csv"
    table = frames.read_csv(path, keep_default_na=False, dtype=str)
    table["scope"], table["unit"] = "digits", "data set"
    table["test_verdict"] = ["contradicted", "holds", "contradicted", "not tested"]
    table["verdict"] = table["verdict"].replace("holds", "does not hold")
    table.to_csv(path, index=False)
    (line,) = [x for x in page(project).splitlines() if x.startswith("| C01")]
    other = "What holds of it: Recall −0.31 (−0.44 to −0.22): wgan against wgan-gp; digits"
    assert other in line and line.endswith("| 10 data sets |")


def test_what_a_loss_and_a_trick_did_is_read_from_the_tables(project: Path) -> None:
    measured = {"fid": (20.0, 10.0, 40.0), "precision": (0.5, 0.4, 0.6), "recall": (0.7, 0.6, 0.8)}
    modes = {"modes": (6.0, 5.0, 7.0), "reverse_kl": (0.2, 0.1, 0.3)}

    def cell(names: str, extractor: str, values: dict[str, tuple[float, ...]]) -> dict[str, object]:
        row: dict[str, object] = dict(
            zip(("dataset", "network", "loss", "trick", "variant"), names.split(), strict=True)
        )
        row |= {"extractor": extractor, "n_seeds": 3, "n_diverged": 0}
        for metric in (*measured, *modes):
            value, low, high = values.get(metric, (math.nan,) * 3)
            row |= {metric: value, f"{metric}_low": low, f"{metric}_high": high, f"{metric}_n": 3}
        return row

    better = {"modes": (8.0, 8.0, 8.0), "reverse_kl": (0.1, 0.0, 0.2)}
    rows = [
        cell("digits mlp hinge none base", "classifier", measured),
        cell("digits mlp hinge none slow", "classifier", measured),  # another variant
        cell("dirac dirac hinge none base", "coordinates", {"fid": (1.0, 1.0, 1.0)}),  # no modes
        cell("ring mlp hinge none base", "coordinates", modes),
        cell("ring mlp hinge packing base", "coordinates", better),
    ]
    tables = project / "reports" / "study" / "tables"
    pd.DataFrame(rows).to_csv(tables / "cells.csv", index=False)
    effects = {"trick": ["packing+ema", "ema"], "against": ["ema", "none"], "losses": [2, 1],
               "effect": [math.log(0.9), math.log(2)], "low": [math.log(0.8), math.nan],
               "high": [math.log(0.95), math.nan]}  # fmt: skip
    for name in ("digits-mlp", "ring-mlp"):  # of points FID is not said
        pd.DataFrame(effects).to_csv(tables / f"tricks-{name}-base.csv", index=False)

    shown = published(project, "study")
    assert shown.of_loss("hinge") == [
        "`digits`, `mlp`: FID 20.0 ×/÷ 2.0, Precision 0.500 ± 0.100, Recall 0.700 ± 0.100",
        "`ring`, `mlp`: Modes 6.00 ± 1.00, Reverse KL 0.200 ± 0.100",
    ]
    assert shown.of_trick("packing") == [
        "`ring`, `mlp`, `hinge`: Modes 8.00 ± 0.00 with it, 6.00 ± 1.00 without; "
        "Reverse KL 0.100 ± 0.100 with it, 0.200 ± 0.100 without",
        "`digits-mlp`: `packing+ema` against `ema`, FID 10 % lower, 5 to 20 %, over 2 losses",
    ]
    assert shown.of_trick("ema") == [
        "`digits-mlp`: `ema` against `none`, FID 2.0 times as high, over 1 loss"
    ]
    assert shown.of_loss("lsgan") == shown.of_trick("none") == []


def test_the_words_around_them(project: Path) -> None:
    text = page(project)
    assert "2 hold, 3 contradicted, 2 do not hold, 2 undecided, 4 not tested" in text
    assert "4,078 runs, 8.4 core hours" in text
    assert "![FID of every loss and trick on digits-mlp: mean over 10 seeds with its" in text


def test_every_number_is_the_publication_s(project: Path) -> None:
    """With other digits in the published files, a page has those digits in its place and no others."""

    def other(text: str) -> str:
        return re.sub(r"\d", lambda digit: str((int(digit[0]) + 1) % 10), text)

    before = page(project)
    reports = project / "reports" / "study"
    reported = {name: other(text) for name, text in NUMBERS.items()}
    (reports / "numbers.json").write_text(json.dumps(reported), encoding="utf-8")
    path = reports / "tables" / "verdicts.csv"
    table = frames.read_csv(path, dtype={"articles": str}, keep_default_na=False)
    table["shown"] = table["shown"].map(other)
    table["n"] = [int(other(str(n))) if n else 0 for n in table["n"]]
    table.to_csv(reports / "tables" / "verdicts.csv", index=False)
    assert len(pages.check(project)) == 1
    names = re.compile(r"\bC\d\d\b|\.j2\b|of \d tests\b")
    assert names.sub("C", other(names.sub("C", before))) == names.sub("C", page(project))


@pytest.mark.parametrize(
    ("block", "match"),
    [
        (lambda root: published(root, "study").numbers["run"], "did you mean 'runs'"),
        (lambda root: published(root, "study").figure("heat-fid-ring"), "unknown figure"),
        (
            lambda root: published(root, "study").figure("other-digits-mlp-base"),
            "no caption",
        ),
        (lambda root: published(root, "another").claims, r"publication\.json: missing"),
    ],
)
def test_what_is_not_there_is_named(project: Path, block, match: str) -> None:
    with pytest.raises(GanloreError, match=match):
        block(project)
