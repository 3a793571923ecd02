"""Two processes on one run: the second one is refused, and nothing of the first is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from by_hand import ok, prepared
from ganlore import arrays, storage
from ganlore.cli.main import app
from ganlore.errors import GanloreError
from ganlore.study import schema
from ganlore.study.expand import expand
from ganlore.study.run import Plan
from tiny import TINY

GRID = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge"], "tricks": ["none"]}
RUN = "ring/mlp/hinge/none/base/seed0"
FOLDER, STATE = Path("results/runs") / RUN, Path("results/state") / RUN
LONG = {"training": {"budget": 32_000, "snapshots": 8, "history": 2_000}}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A study whose training takes some seconds, and the data for it."""
    monkeypatch.chdir(tmp_path)
    return prepared(grids=[GRID], **LONG)


def started(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ganlore", *words, RUN, "--study", "tiny.yaml"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


def test_a_second_training_of_a_run_is_refused_and_the_first_loses_nothing(plan: Plan) -> None:
    first = started("train")
    try:
        wait_for(STATE / "progress.json", first)
        first.send_signal(signal.SIGSTOP)  # in the middle, for as long as the others take
        for command in ("train", "evaluate"):
            second = started(command)
            said = second.communicate(timeout=120)[1]
            assert first.poll() is None, (
                "the first one has ended before the second: a longer budget"
            )
            assert second.returncode == 1 and "Traceback" not in said
            assert f"{RUN}: another process" in said and f"process {first.pid}" in said
        assert not (STATE / "failed.json").exists()  # the refused one is not the run's failure
        first.send_signal(signal.SIGCONT)
        text = first.communicate(timeout=300)[1]
        assert first.returncode == 0, text
    finally:
        first.kill()
    snapshots = torch.load(FOLDER / "snapshots.pt", weights_only=True)
    assert [s["step"] for s in snapshots] == [250 * i for i in range(1, 9)]
    ok("evaluate", RUN, "--study", "tiny.yaml")  # the lock is free again


def test_a_killed_process_leaves_no_lock(plan: Plan) -> None:
    first = started("train")
    wait_for(STATE / "progress.json", first)
    first.kill()
    first.communicate()
    ok("train", RUN, "--study", "tiny.yaml")
    assert (FOLDER / "run.json").exists()


@pytest.fixture
def short(plan: Plan) -> Plan:
    """The run of a short study, trained: two snapshots, after the steps 3 and 6."""
    Path("tiny.yaml").write_text(
        yaml.safe_dump(schema.merge(TINY, {"grids": [GRID]})), encoding="utf-8"
    )
    ok("train", RUN, "--study", "tiny.yaml")
    return expand(schema.load("tiny.yaml"))


def test_a_run_that_lacks_a_snapshot_is_not_evaluated(short: Plan) -> None:
    """Though its record has the hash of what is left."""
    record = json.loads((FOLDER / "run.json").read_text(encoding="utf-8"))
    left = torch.load(FOLDER / "snapshots.pt", weights_only=True)[1:]
    record["files"]["snapshots.pt"] = arrays.write_torch(FOLDER / "snapshots.pt", left)
    storage.write_record(FOLDER / "run.json", record)
    result = CliRunner().invoke(app, ["evaluate", RUN, "--study", "tiny.yaml"])
    assert isinstance(result.exception, GanloreError)
    assert "snapshots after the steps [6], expected [3, 6]" in str(result.exception)


def test_metrics_of_too_few_snapshots_are_not_collected(short: Plan) -> None:
    ok("evaluate", RUN, "--study", "tiny.yaml")
    record = json.loads((FOLDER / "evaluation.json").read_text(encoding="utf-8"))
    lines = (FOLDER / "metrics.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    column = lines[0].split(",").index("step")
    left = [lines[0], *(line for line in lines[1:] if line.split(",")[column] != "3")]
    assert 1 < len(left) < len(lines)
    record["files"]["metrics.csv"] = storage.write_text(FOLDER / "metrics.csv", "".join(left))
    storage.write_record(FOLDER / "evaluation.json", record)
    result = CliRunner().invoke(app, ["collect", "tiny.yaml"])
    assert isinstance(result.exception, GanloreError)
    assert "snapshots after the steps [6], expected [3, 6]" in str(result.exception)


def test_a_snapshot_that_was_lost_in_training_ends_it(short: Plan, monkeypatch) -> None:
    """A damaged one was left out, and the run counted as done."""
    from ganlore.training import checkpoint

    save = checkpoint.Checkpoints.save

    def damage(self: checkpoint.Checkpoints, *words: object) -> None:
        save(self, *words)  # type: ignore[arg-type]
        (self.folder / "snapshot-3.pt").write_bytes(b"damaged")

    monkeypatch.setattr(checkpoint.Checkpoints, "save", damage)
    result = CliRunner().invoke(app, ["train", RUN, "--study", "tiny.yaml"])
    assert isinstance(result.exception, GanloreError)
    assert "snapshots after the steps [6], expected [3, 6]" in str(result.exception)
    assert os.fspath(STATE) in str(result.exception)
