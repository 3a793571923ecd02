"""What a study keeps of its runs: files that were discarded are reported as such, all others are missed."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from by_hand import measured, prepared
from ganlore import arrays
from ganlore.cli.main import app
from ganlore.errors import GanloreError
from ganlore.evaluation import collect
from ganlore.publishing import verify
from ganlore.study import fingerprint, schema
from ganlore.study.expand import expand
from ganlore.study.keep import Keep
from ganlore.study.run import Plan, Run
from tiny import tiny

GRID = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge"], "tricks": ["none"]}
KEEP = {"snapshots": "last", "checkpoints": "none"}


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A study that keeps the last snapshot, trained and evaluated; nothing is discarded yet."""
    monkeypatch.chdir(tmp_path)
    plan = prepared(grids=[GRID], keep=KEEP)
    measured(plan)
    return plan


def discarded(plan: Plan) -> tuple[Run, Path]:
    """Delete what Snakemake deletes."""
    (run,) = plan.runs
    for name in plan.study.keep.discarded:
        (plan.folder(run) / name).unlink()
    return run, plan.folder(run)


@pytest.mark.parametrize(
    "keep, files",
    [
        ({}, []),
        ({"snapshots": "last"}, ["snapshots.pt"]),
        ({"snapshots": "none"}, ["snapshots.pt"]),
        ({"checkpoints": "none"}, ["checkpoint.pt"]),
        (KEEP, ["snapshots.pt", "checkpoint.pt"]),
    ],
)
def test_what_is_discarded(keep: dict[str, Any], files: list[str]) -> None:
    assert Keep(**keep).discarded == files


def test_what_is_kept_trains_and_evaluates_nothing_anew() -> None:
    """It is in no hash of settings, and the file that reads it in no fingerprint of training."""
    runs = [expand(tiny(grids=[GRID], keep=keep)).runs for keep in ({}, KEEP)]
    assert runs[0] == runs[1]
    covered = {path.name for path in fingerprint.closure([fingerprint.module("training.session")])}
    assert "loop.py" in covered and "freshness.py" not in covered


def test_the_last_snapshot_is_kept_alone(done: Plan) -> None:
    folder = done.folder(done.runs[0])
    every = arrays.read_torch(folder / "snapshots.pt")
    last = arrays.read_torch(folder / "generator.pt")
    assert len(every) == 2 and last["step"] == every[-1]["step"] == 6
    assert all((last["weights"][k] == v).all() for k, v in every[-1]["weights"].items())


def test_verify_and_collect_tell_discarded_from_missing(done: Plan) -> None:
    run, folder = discarded(done)
    actual = verify.verify(done)
    assert not actual.wrong
    assert {path.name for path in actual.discarded} == {"snapshots.pt", "checkpoint.pt"}
    assert "2 discarded as the study says" in actual.lines()[-1]
    collect.check_run(done, run)
    # the record remembers, also when the study keeps everything now
    all_kept = expand(schema.load("tiny.yaml", {"keep": {"snapshots": "all"}}))
    assert not verify.verify(all_kept).wrong
    # what should be there is missed
    (folder / "generator.pt").unlink()
    (finding,) = verify.verify(done).wrong
    assert "generator.pt: missing" in finding
    with pytest.raises(GanloreError, match=r"generator\.pt: missing"):
        collect.check_run(done, run)


def test_a_generator_may_go_that_the_study_keeps_no_longer(done: Plan) -> None:
    """Parts of a study are small without them, and the rest of the study joins their numbers."""
    run, folder = discarded(done)
    (folder / "generator.pt").unlink()
    none_kept = expand(schema.load("tiny.yaml", {"keep": {"snapshots": "none"}}))
    actual = verify.verify(none_kept)
    assert not actual.wrong and folder / "generator.pt" in actual.discarded
    collect.check_run(none_kept, run)


def test_a_file_that_is_still_there_is_checked(done: Plan) -> None:
    (run,) = done.runs
    (done.folder(run) / "checkpoint.pt").write_bytes(b"another")
    (finding,) = verify.verify(done).wrong
    assert "checkpoint.pt: truncated or altered" in finding


def test_nothing_may_be_lacking_before_the_evaluation(done: Plan) -> None:
    run, folder = discarded(done)
    (folder / "evaluation.json").unlink()
    text = "\n".join(verify.verify(done).wrong)
    assert "snapshots.pt: missing" in text and "checkpoint.pt: missing" in text
    with chdir(folder.parents[7]):
        result = CliRunner().invoke(app, ["evaluate", run.id, "--study", "tiny.yaml"])
    assert "snapshots.pt: missing" in str(result.exception)
