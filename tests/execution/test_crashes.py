"""A plug-in that ends Python, or crashes it, leaves a log and a state that name what happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ganlore.cli.main import app
from ganlore.errors import GanloreError
from ganlore.study import registry, schema
from ganlore.study.expand import expand
from tiny import TINY

LOSS = '''"""A loss that ends badly."""
{start}
from dataclasses import dataclass
from torch import Tensor
from ganlore.losses import LogitLoss


@dataclass
class Bad(LogitLoss):
    """Ends badly."""

    formula = ("0", "0")

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        {step}
        return fake.mean() - real.mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        return -fake.mean()


LOSS = Bad
'''

CRASH = "import ctypes; ctypes.string_at(0)"
ABORT = "import os; os.abort()"
EXIT = "import sys; sys.exit(0)"
FORMS = {
    "exit-at-import": (EXIT, "pass", "failed", ["sys.exit(0)", "mend the plug-in"]),
    "exit-in-a-step": ("", EXIT, "failed", ["sys.exit(0)", "mend the plug-in"]),
    "abort-at-import": (ABORT, "pass", "interrupted", ["Fatal Python error: Aborted", "bad.py"]),
    "crash-in-a-step": ("", CRASH, "interrupted", ["Segmentation fault", "bad.py"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_plug_in_that_ends_python_is_told(form: str, stores, tmp_path: Path, monkeypatch) -> None:
    start, step, state, said = FORMS[form]
    (tmp_path / "plugins/losses").mkdir(parents=True)
    source = LOSS.format(start=start, step=step)
    (tmp_path / "plugins/losses/bad.py").write_text(source, encoding="utf-8")
    grids = [{"datasets": ["ring"], "networks": ["mlp"], "losses": ["bad"], "tricks": ["none"]}]
    data = str(stores["ring"].folder.parents[1])
    study = schema.merge(TINY, {"grids": grids, "data": data})
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    run = expand(schema.load("study.yaml")).runs[0]
    done = ganlore("train", run.id, "--study", "study.yaml")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert all(part in done.stderr for part in said), done.stderr
    output = CliRunner().invoke(app, ["status", "study.yaml"]).output
    assert f"{state:<12} 1" in output and "missing" not in output
    line = next(line for line in output.splitlines() if run.id in line)
    assert ("SystemExit: 0" if state == "failed" else "ended or crashed") in line


def ganlore(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ganlore", *words], capture_output=True, text=True, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_an_extractor_that_ends_python_fails_its_job(stores, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "plugins/features").mkdir(parents=True)
    text = registry.path_of("extractor", "coordinates").read_text(encoding="utf-8")
    (tmp_path / "plugins/features/quits.py").write_text(f"{text}\n{EXIT}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    data = str(stores["ring"].folder.parents[1])
    done = ganlore("extract", "ring", "quits", "--data", data)
    assert done.returncode == 1 and "sys.exit(0)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_that_is_damaged_is_named(stores, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    run = expand(schema.load("study.yaml")).runs[0]
    state = Path("results/state") / run.id
    state.mkdir(parents=True)
    for name, texts in {
        "progress.json": ["", "{", "[]", "null", json.dumps({"step": "x"})],
        "failed.json": ["{}", "[]"],
    }.items():
        for text in texts:
            (state / name).write_text(text, encoding="utf-8")
            error = CliRunner().invoke(app, ["status", "study.yaml"]).exception
            assert isinstance(error, GanloreError) and f"{name}: damaged" in str(error)
