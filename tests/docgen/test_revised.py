"""The verdicts that are others than the first study's."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from ganlore.analysis.claims.verdicts import VERDICTS
from ganlore.docgen import revised, studies
from ganlore.study import schema
from tiny import REPOSITORY

FIRST = json.loads((REPOSITORY / revised.FIRST).read_text(encoding="utf-8"))


def test_only_changed_verdicts_are_named_with_what_was_wrong() -> None:
    first = {
        "C01": {"verdict": "holds", "flaw": "too short"},
        "C02": {"verdict": "contradicted", "flaw": "too few"},
        "C03": {"verdict": "undecided", "flaw": "too wide"},
        "C04": {"verdict": "holds", "flaw": "too short"},
    }
    now = [
        {"claim": "C04", "verdict": "not tested", "note": "lacks runs"},
        {"claim": "C01", "verdict": "not converged", "note": "8 of 9 cells"},
        {"claim": "C02", "verdict": "contradicted", "note": ""},
        {"claim": "C33", "verdict": "holds", "note": ""},
    ]
    assert revised.changes(first, now) == [
        {
            "claim": "C01",
            "verdict": "not converged",
            "note": "8 of 9 cells",
            "before": "holds",
            "flaw": "too short",
        }
    ]


def test_every_claim_of_the_study_has_its_first_verdict() -> None:
    claims = schema.load(REPOSITORY / "configs/study.yaml").claims
    assert set(FIRST) == set(claims.claims)
    assert {row["verdict"] for row in FIRST.values()} <= set(VERDICTS)
    assert all(row["flaw"] for row in FIRST.values())


def test_seeds_that_a_published_result_lacks_are_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = studies.StudyFile(REPOSITORY, "cifar10-cpu")
    assert shown.seeds == [0, 1, 2]
    assert shown.seeds_to_come == []
    part = SimpleNamespace(manifest={"settings": {"seeds": [1]}})
    monkeypatch.setattr(studies.publication, "opened", lambda folder: part)
    assert shown.seeds_to_come == [0, 2]
