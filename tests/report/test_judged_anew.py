"""Claims that are judged anew on runs that are there: `ganlore claims STUDY --results PLACE`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import claimed
import pytest
import yaml
from typer.testing import CliRunner

from ganlore.analysis import tables
from ganlore.analysis.results import Results
from ganlore.cli import anew, studies  # noqa: F401  (registers the commands)
from ganlore.cli.app import app
from ganlore.errors import GanloreError
from ganlore.study import schema
from ganlore.study.run import Plan
from ganlore.study.schema import Study

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


def parsed(plan: Plan, claims: dict[str, Any], **changes: Any) -> Study:
    """The plan's study with other claims."""
    return schema.parse(
        {**plan.study.model_dump(mode="json"), "claims": claims, **changes}, "asked"
    )


def test_what_lacks_runs_is_not_tested_and_controls_are_told_apart(plan: Plan) -> None:
    """A variant that the runs' study has not, and a control of one that it has."""
    claims = copy.deepcopy(CLAIMS)
    claims["claims"]["C01"]["tests"][0]["treatment"]["variants"] = ["slow"]
    better = claims["claims"]["C02"]["tests"][0]
    claims["controls"] = {"N01": {"statement": "They are alike.", "tests": [better]}}
    slow = {"slow": {"training": {"optimizer": {"lr": 1e-5}}}}
    tidy = tables.read(plan)
    asked = parsed(plan, claims, variants=slow)
    control, first, second = anew.judge(asked, plan, tidy)
    assert first.verdict == "not tested" and "slow" in first.note
    text = "\n".join(anew.lines(asked, plan, tidy))
    assert "\nC01  not tested: " in text and f"     {first.note}" in text
    as_it_must = "as" if control.passed else "not as"
    assert f"\nN01  {control.verdict} ({as_it_must} it must be): They are alike." in text
    ends = "1 not tested", f"{int(control.passed)} of 1 controls as they must be"
    assert text.splitlines()[-2].endswith(ends[0]) and text.endswith(ends[1])
    assert second.verdict != "not tested"


def test_every_difference_of_two_files_of_claims_is_named(plan: Plan) -> None:
    there = parsed(plan, CLAIMS).claims
    claims = copy.deepcopy(CLAIMS)
    claims["alpha"], claims["gates"] = 0.1, {"change": 0.5}
    claims["claims"]["C03"] = claims["claims"].pop("C02")
    claims["claims"]["C01"]["tests"][0]["margin"] = 0.2
    asked = parsed(plan, claims).claims
    assert asked is not None
    assert anew.differences(asked, there) == [
        "alpha", "gates", "C01", "C03 (not there)", "C02 (there alone)",
    ]  # fmt: skip
    assert anew.differences(asked, asked) == []
    assert anew.differences(asked, None) == ["all of it, since that study has no claims"]


def test_a_published_study_is_judged_and_a_search_says_why_not() -> None:
    def asked(place: str) -> Any:
        return CliRunner().invoke(app, ["claims", "configs/study.yaml", "--results", place])

    lines = asked("results/dirac").output.splitlines()
    assert lines[0].endswith(
        "runs of dirac, defined otherwise than there: all of it, since that study has no claims"
    )
    assert lines[-2] == "32 not testable here"  # since controls have no runs either
    refusal = asked("results/searched").exception
    assert isinstance(refusal, GanloreError)
    assert "the claims of study cannot be asked of the runs of searched" in str(refusal)
