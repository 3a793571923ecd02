"""A search in one workflow: rungs, choice and refits; it goes on where it was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from test_workflow import Project

from ganlore.study import schema
from tiny import TINY

pytestmark = pytest.mark.workflow

STUDY = schema.merge(
    TINY,
    {
        "name": "sought",
        "reports": "reports",
        "training": {"budget": 1600, "policy": "searched"},
        "protocol": {"reference": "train", "extractors": ["classifier"]},
        "search": {
            "draws": 4,
            "rungs": [0.2, 1.0],
            "keep": 2,
            "protocol": {"reference": "test", "n_real": 100, "extractors": ["residual-classifier"]},
            "space": {
                "lr": {"low": 1e-4, "high": 1e-2, "log": True},
                "n_critic": {"choices": [1, 5]},
                "clip": {"low": 1e-3, "high": 1.0, "log": True},
            },
        },
        "grids": [{"datasets": ["digits"], "networks": ["mlp"], "tricks": ["none"],
                   "losses": ["nonsaturating", "fgan-jensen-shannon", "wgan"]}],
    },
)  # fmt: skip


def killed_in_the_second_rung(project: Project) -> None:
    """Start the study, and kill all of it once a trial of the second rung is trained."""
    environment = {**os.environ, "PYTHONPATH": str(project.folder / "src"),
                   "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}  # fmt: skip
    with (project.folder / "first.txt").open("wb") as log:
        words = ["snakemake", "--cores", "2"]
        running = subprocess.Popen(
            words,
            cwd=project.folder,
            env=environment,
            start_new_session=True,
            stdout=log,
            stderr=log,
        )
    trained = project.folder / "results/search/rung2/runs"
    while running.poll() is None and not list(trained.rglob("run.json")):
        time.sleep(0.2)
    assert running.poll() is None, (project.folder / "first.txt").read_text(encoding="utf-8")[
        -3000:
    ]
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def test_a_killed_search_goes_on_and_equal_losses_find_the_same(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.edit("features/_classifying.py", "epochs: PositiveInt = 30", "epochs: PositiveInt = 1")
    path = project.folder / "configs/default.yaml"
    path.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    planned = project.run("ganlore", "plan", "configs/default.yaml", "--no-measure")
    assert "a search: 12 + 6 trials of 20 and 100 steps" in planned

    killed_in_the_second_rung(project)
    rung = project.folder / "results/search/rung1"
    first = {p: p.stat().st_mtime_ns for p in rung.rglob("run.json")}
    assert len(first) == 12
    assert "rung 1: 12 of 12 trials done" in project.run("ganlore", "status")
    project.snakemake("--unlock")
    project.snakemake()
    assert {p: p.stat().st_mtime_ns for p in rung.rglob("run.json")} == first  # none was made again
    assert "Nothing to be done" in project.snakemake()
    assert "0 findings" in project.run("ganlore", "verify", "configs/default.yaml")

    table = pd.read_csv(project.folder / "results/search.csv")  # noqa: TID251
    assert len(table) == 12 + 6
    of_loss = dict(iter(table.drop(columns="loss").groupby(table["loss"])))
    one, other = (
        of_loss[name].reset_index(drop=True) for name in ("nonsaturating", "fgan-jensen-shannon")
    )
    pd.testing.assert_frame_equal(one, other, check_exact=True)  # under another name: to the bit
    assert not one["fid"].equals(of_loss["wgan"]["fid"].reset_index(drop=True))
    for name, mine in of_loss.items():
        rungs = [mine[mine["rung"] == n].set_index("draw") for n in (1, 2)]
        assert set(rungs[1].index) == set(rungs[0]["fid"].nsmallest(2).index)
        (draw,) = rungs[1].index[rungs[1]["kept"]]
        assert draw == rungs[1]["fid"].idxmin()
        run = project.folder / f"results/runs/digits/mlp/{name}/none/base/seed0/run.json"
        settings = json.loads(run.read_text(encoding="utf-8"))["settings"]
        assert (
            settings["loss"]["settings"]["optimizer"]["lr"]
            == mine["lr"][mine["draw"] == draw].iloc[0]
        )
    page = (project.folder / "reports/index.html").read_text(encoding="utf-8")
    assert "What a search finds" in page
    assert (project.folder / "reports/tables/search.csv").exists()
