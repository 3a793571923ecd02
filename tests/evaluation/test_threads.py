"""An evaluation has the same bits, whoever starts it and whatever the environment says of threads."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganlore.study import schema
from ganlore.study.expand import expand
from tiny import TINY

RUN = "digits/mlp/nonsaturating/none/base/seed0"
FOLDER = Path("results/runs") / RUN
FITTED = Path("data/extractors/digits/classifier")
NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def ganlore(threads: int, *words: str) -> None:
    """A command, in an environment with so many threads."""
    environment = {**os.environ, **dict.fromkeys(NAMES, str(threads))}
    environment.pop("GANLORE_WORKERS", None)
    command = [sys.executable, "-m", "ganlore", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def values() -> list[dict[str, Any]]:
    """The rows of metrics.csv, all but the time that each took."""
    rows = list(csv.DictReader(io.StringIO((FOLDER / "metrics.csv").read_text(encoding="utf-8"))))
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_numbers_do_not_depend_on_the_threads_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grid = {
        "datasets": ["digits"],
        "networks": ["mlp"],
        "losses": ["nonsaturating"],
        "tricks": ["none"],
    }
    protocol = {"n_real": None, "n_fake": 1_000}
    study = schema.merge(TINY, {"grids": [grid], "protocol": protocol})
    Path("tiny.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    (run,) = expand(schema.load("tiny.yaml")).runs
    ganlore(1, "prepare", "digits", "--settings", json.dumps(run.dataset.settings))
    ganlore(1, "train", RUN, "--study", "tiny.yaml")
    reference = ("reference", "digits", "classifier", "--protocol", run.protocol.model_dump_json())
    kept = FITTED / "reference" / run.protocol.place
    seen = []
    for threads in (1, 4):
        ganlore(threads, "extract", "digits", "classifier")
        ganlore(threads, *reference)
        ganlore(threads, "evaluate", RUN, "--study", "tiny.yaml")
        files = [*sorted(FITTED.glob("*.*")), *sorted(kept.glob("*.*"))]
        seen.append((values(), {str(path): path.read_bytes() for path in files}))
        (kept / "record.json").unlink()
    (one, files), (four, other_files) = seen
    assert len(one) > 10 and one == four
    assert [path for path in files if files[path] != other_files[path]] == []
