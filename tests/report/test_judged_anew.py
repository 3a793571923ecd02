"""Claims that are judged anew on runs that are there: `ganlore claims STUDY --results PLACE`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import claimed
import pytest
import yaml
from typer.testing import CliRunner

from ganlore.analysis import anew, tables
from ganlore.analysis.results import Results
from ganlore.cli import studies  # noqa: F401  (registers the commands)
from ganlore.cli.app import app
from ganlore.study import schema
from ganlore.study.run import Plan

CLAIMS = copy.deepcopy(claimed.CLAIMS)
"""Those of the made-up study, without their gate: what is made up has not converged."""
for claim in CLAIMS["claims"].values():
    for test in claim["tests"]:
        test["converged"] = False


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A finished study with two claims, and seeds enough for a verdict."""
    return claimed.make(tmp_path_factory.mktemp("study"), claims=CLAIMS, seeds=list(range(8)))


def printed(place: Path, plan: Plan, claims: dict[str, Any]) -> str:
    """What the command prints for other claims on the plan's runs."""
    document = plan.study.model_dump(mode="json")
    for name, changed in (("runs", {}), ("asked", {"claims": claims})):
        text = yaml.safe_dump({**document, "extends": None, **changed})
        (place / f"{name}.yaml").write_text(text, encoding="utf-8")
    words = ["claims", str(place / "asked.yaml"), "--results", str(place / "runs.yaml")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_same_claims_have_the_verdicts_of_the_report(plan: Plan, tmp_path: Path) -> None:
    text = printed(tmp_path, plan, CLAIMS)
    assert text.startswith(f"judged on the {len(plan.runs)} runs of {plan.study.name}, as there\n")
    for one in Results(plan, tables.read(plan)).claims:
        assert f"{one.id}  {one.verdict}: {one.definition.statement}\n" in text
        assert " ".join(one.deciding.in_words.split()) in " ".join(text.split())


def test_a_changed_definition_is_named_and_judged(plan: Plan, tmp_path: Path) -> None:
    """Turned round, a claim that holds is contradicted; the other one is as it was."""
    before = {one.id: one.verdict for one in Results(plan, tables.read(plan)).claims}
    claims = copy.deepcopy(CLAIMS)
    (test,) = claims["claims"]["C01"]["tests"]
    test["treatment"], test["control"] = test["control"], test["treatment"]
    text = printed(tmp_path, plan, claims)
    assert "defined otherwise than there: C01" in text.splitlines()[0]
    turned = {"holds": "contradicted", "contradicted": "holds"}[before["C01"]]
    assert f"\nC01  {turned}: " in text and f"\nC02  {before['C02']}: " in text


def test_what_lacks_runs_is_not_tested(plan: Plan) -> None:
    claims = copy.deepcopy(CLAIMS)
    claims["claims"]["C01"]["tests"][0]["treatment"]["losses"] = ["r3gan"]
    asked = schema.parse({**plan.study.model_dump(mode="json"), "claims": claims}, "asked").claims
    assert asked is not None
    first, _ = anew.judge(asked, plan, tables.read(plan))
    assert first.verdict == "not tested" and "r3gan" in first.note
