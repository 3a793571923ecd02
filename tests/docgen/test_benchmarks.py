"""The measurements on a GPU, as far as they can be tried without one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

import card
import document
import evaluation_images
import goals
import precision
import textbook
import training
from ganlore import data, storage
from ganlore.docgen import pages, performance
from ganlore.forecast import rates
from ganlore.study import schema
from ganlore.study.expand import expand
from tiny import REPOSITORY

SCRIPT = REPOSITORY / "benchmarks/gpu.sh"
CASE = {"device": "cpu", "network": "dcgan", "width": 4, "loss": "wgan-gp"}


def shell(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(SCRIPT), *words], capture_output=True, text=True, check=False, **more
    )


def test_the_script_for_a_card_is_sound_and_takes_no_more_than_15_minutes() -> None:
    assert subprocess.run(["bash", "-n", str(SCRIPT)], check=False).returncode == 0
    assert os.access(SCRIPT, os.X_OK)
    done = shell("--dry-run")
    assert done.returncode == 0 and done.stderr == ""
    commands = re.findall(r"^\+ (.+)$", done.stdout, re.MULTILINE)
    for expected, actual in zip(
        ("nvidia-smi", "card.py", "pytest -q -n 4 -m gpu", "training.py --device cuda",
         "precision.py", "evaluation.py --section evaluation-gpu", "ganlore docs", "goals.py"), commands, strict=True
    ):  # fmt: skip
        assert expected in actual
    limits = [int(n) for n in re.findall(r"\(at most (\d+) s\)", done.stdout)]
    assert len(limits) == len(commands) and sum(limits) <= 15 * 60
    for path in re.findall(r"benchmarks/\w+\.py", done.stdout):
        assert (REPOSITORY / path).is_file()
    assert "pytest -q -n auto" in shell("--dry-run", "--all-tests").stdout
    assert shell("--all").returncode == 2


def test_a_step_that_fails_is_said_and_the_others_go_on(tmp_path: Path) -> None:
    for name, code in {"nvidia-smi": 'echo "no driver"; exit 9', "python": (
        f'echo "$*" >> {tmp_path}/log; case "$*" in *pytest*) exit 1;; esac'
    )}.items():  # fmt: skip
        (tmp_path / name).write_text(f"#!/bin/sh\n{code}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    done = shell(env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert done.returncode == 1
    assert "2 steps failed:\n  the driver\n  tests that need a GPU\n" in done.stderr
    assert "FAILED: the driver, status 9" in done.stderr
    log = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in log] == [
        "benchmarks/card.py", "-m", "benchmarks/training.py", "benchmarks/precision.py",
        "benchmarks/evaluation.py", "-m", "benchmarks/goals.py",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "free, said", [(75, "75.0 of 80.0 GiB free"), (40, "others hold 50% of its memory")]
)
def test_a_card_that_others_use_is_refused(monkeypatch, free: int, said: str) -> None:
    with pytest.raises(SystemExit, match="finds no GPU"):
        card.check()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA X1")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free << 30, 80 << 30))
    if free > 72:
        assert said in card.check()
    else:
        with pytest.raises(SystemExit, match=said):
            card.check()


def test_the_textbook_s_penalty_is_that_of_a_slope_of_known_length() -> None:
    """logit = a . x has the slope a wherever it is taken: (|a| - 1)^2."""
    for factor in (0.0, 0.5, 2.0):
        critic = Linear(factor)
        real, fake = torch.randn(2, 5, 3, 4, 4)
        length = factor * 48**0.5
        assert textbook.penalty(critic, real, fake).item() == pytest.approx(
            (length - 1) ** 2, rel=1e-5
        )


class Linear(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, images: Tensor) -> Tensor:
        return self.factor * images.flatten(1).sum(1)


@pytest.mark.parametrize("loss", textbook.LOSSES)
def test_both_loops_train_every_case_s_loss(tmp_path: Path, monkeypatch, loss: str) -> None:
    monkeypatch.setattr(training, "N", 128)
    monkeypatch.setattr(textbook, "WORKERS", 0)
    store = data.prepare("digits", training.MadeUp(), {}, tmp_path / "digits")
    run = training.run_of("cpu", "dcgan", 4, loss, {})
    cpu = torch.device("cpu")
    for steps in (training.ours(run, store, cpu), textbook.steps(run, store, cpu)):
        for _ in range(3):
            next(steps)


def test_what_is_measured_on_a_card_is_what_plan_reads(tmp_path: Path, monkeypatch) -> None:
    """With a clock that is made up: 640 images a second, 320 with deterministic kernels."""
    speeds = {
        "textbook": 64.0,
        "plain": 320.0,
        "tf32": 480.0,
        "fast": 640.0,
        "uncaptured": 480.0,
        "deterministic": 320.0,
    }
    timed: list[str] = []

    def started(loop: str, *_: Any) -> str:
        timed.append(loop)
        return loop

    monkeypatch.setattr(training, "N", 128)
    monkeypatch.setattr(training, "started", started)
    monkeypatch.setattr(training, "result", speeds.__getitem__)
    monkeypatch.setattr(training, "CASES", {"cuda": [("dcgan", 4, "nonsaturating")]})
    monkeypatch.setattr(
        training, "side_by_side",
        lambda case, folder, runs, seconds: {**case, "runs": runs, "gain": 3.0, "ratio": 30.0},
    )  # fmt: skip
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA X1")
    made = document.made_with()
    before = json.loads((REPOSITORY / performance.FILE).read_text(encoding="utf-8"))
    storage.write_json(tmp_path / performance.FILE, before)
    for values in training.measure("cuda", None, 2, 1.0):
        document.record(training.section_of("cuda"), values, made, tmp_path)
    (one,) = (card for card in rates.cards(tmp_path / performance.FILE) if "X1" in card.name)
    assert (one.name, one.at_once, one.gain) == ("NVIDIA X1", training.AT_ONCE, 3.0)
    assert [rate.seconds for rate in one.rates] == [64 / n for n in (320, 480, 640, 480, 320)]
    assert one.rates[2].settings["precision"] == "bf16"
    assert all(
        rate.flops == training.flops_of({**CASE, "loss": "nonsaturating"}) for rate in one.rates
    )
    again = [loop for loop in speeds if loop not in training.ONCE]  # in the second round
    assert sorted(timed) == sorted([*speeds, *again])
    after = json.loads((tmp_path / performance.FILE).read_text(encoding="utf-8"))
    assert after["training-speed"] == before["training-speed"]  # the processor's stay
    text = "\n".join(goals.lines(after))
    assert re.search(r"dcgan 32x32, batch 64, one run +>= 10x   10.0x   holds", text)
    assert re.search(r"sndcgan, one run +>= +8x   not measured", text)
    assert re.search(r"runs an hour on one card \(dcgan\) +>= 20x   30.0x   holds", text)
    assert "determinism costs 50 % on dcgan nonsaturating: it is not to be the default" in text


def test_goals_are_missed_and_evaluations_of_another_card_do_not_count() -> None:
    loop = {"images": 100.0, "ratio": 4.0, "range": [4.0, 4.0]}
    rows = [{"network": "sndcgan", "loss": "nonsaturating", "flops": 1.0, "fast": loop}]
    card_section = {
        "date": "2026-11-28",
        "measured": {"device": "X1"},
        "settings": {"fast": {}},
        "rows": rows,
    }
    sections: dict[str, Any] = {"training-speed: X1": card_section}
    assert re.search(r"sndcgan, one run +>= +8x   4.0x   MISSED", "\n".join(goals.lines(sections)))
    for device, said in (("X2", "not measured"), ("X1", "7.0x   holds")):
        sections["evaluation-gpu"] = {"measured": {"device": device}, "times_faster": 7.0}
        assert re.search(
            rf"evaluation of 10,000 samples +>= +5x   {said}", "\n".join(goals.lines(sections))
        )
    assert list(goals.lines({})) == ["no GPU has been measured: benchmarks/gpu.sh does it"]


def test_precision_s_study_is_run_whole_and_told_by_precision(tmp_path: Path) -> None:
    """A small one of the same form, on the processor."""
    study = yaml.safe_load(precision.STUDY.read_text(encoding="utf-8"))
    study["training"] |= {"budget": 64 * 20, "batch": 64, "snapshots": 1, "history": 1}
    study |= {
        "seeds": [0, 1],
        "protocol": {"n_real": 200, "n_fake": 100, "extractors": ["coordinates"]},
    }
    axes = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge"], "tricks": ["none"]}
    study["grids"] = [{**axes, "variants": ["base", "bf16"]}]
    source = tmp_path / "small.yaml"
    source.write_text(yaml.safe_dump(study), encoding="utf-8")
    measured = precision.measure(source)
    assert (measured["steps"], measured["runs"]) == (20, 4) and measured["seconds"] > 0
    assert [(row["loss"], row["precision"], row["seeds"]) for row in measured["rows"]] == [
        ("hinge", "fp32", 2), ("hinge", "bf16", 2),
    ]  # fmt: skip
    assert all(row["fid"] > 0 and row["deviation"] >= 0 for row in measured["rows"])
    plan = expand(schema.load(precision.STUDY))
    assert {run.training.precision for run in plan.runs} == {"fp32", "tf32", "bf16"}


def test_what_two_sides_differ_by_is_said_after_it_was_recorded() -> None:
    actual = {"device": "cuda", "values": {}, "values_of_the_others": {}}
    assert evaluation_images.disagreement({**actual, "largest_difference": 0.04}) == ""
    assert "differ" in evaluation_images.disagreement({**actual, "largest_difference": 0.06})


def test_runs_side_by_side_are_timed_together(tmp_path: Path, monkeypatch) -> None:
    """Two real processes on the processor, which share it: no faster than twice one alone."""
    monkeypatch.setattr(training, "N", 128)
    data.prepare("digits", training.MadeUp(), {}, tmp_path / "digits")
    reported = training.side_by_side(CASE, tmp_path / "digits", 2, 0.2)
    assert reported["runs"] == 2 and reported["images"] > 0
    assert 0 < reported["gain"] < 4 and reported["ratio"] > 0


def test_the_page_shows_an_evaluation_that_was_measured_on_a_card(tmp_path: Path) -> None:
    """With the keys that `evaluation_images.compare` gives, and no others."""
    path = REPOSITORY / performance.FILE
    sections = json.loads(path.read_text(encoding="utf-8"))
    sections["evaluation-gpu"] = {
        "measured": sections["start"]["measured"], "samples": 10_000, "device": "cuda", "repeats": 1,
        "published_weights": False, "rows": [], "values": {}, "values_of_the_others": {},
        "largest_difference": 0.0, "times_faster": 7.25, "goal": 5,
    }  # fmt: skip
    row = {"loss": "hinge", "precision": "bf16", "fid": 3.5, "deviation": 0.25, "seeds": 3}
    sections[precision.SECTION] = {
        "measured": sections["start"]["measured"], "steps": 2000, "runs": 18, "seconds": 61.0,
        "in_turn": "runs in turn on this GPU: 4", "rows": [row],
    }  # fmt: skip
    shutil.copytree(REPOSITORY, tmp_path / "p", ignore=shutil.ignore_patterns(".*", "data"))
    storage.write_json(tmp_path / "p" / performance.FILE, sections)
    text = pages.render(tmp_path / "p", Path("docs/templates/performance.md.j2"))
    assert "10,000 samples on that machine, features and metrics: 7.2 times as fast" in text
    assert "| hinge | bf16 | 3.50 ± 0.25 | 3 |" in text
    assert re.search(r"18 runs took .*included: runs in turn on this GPU: 4\.", text)


def test_what_a_job_imports_can_be_imported() -> None:
    """`document.py start` times these lines in processes of their own."""
    source = (REPOSITORY / "benchmarks/document.py").read_text(encoding="utf-8")
    (line,) = re.findall(r"import ganlore\.[\w., ]+", source)
    assert subprocess.run([sys.executable, "-c", line], check=False).returncode == 0
