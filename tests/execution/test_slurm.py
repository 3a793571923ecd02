"""Jobs on other machines: what they begin with, states that stay, and a study through a real Slurm.

The cluster is started here, from Debian's packages (benchmarks/slurm_cluster.py). Without them that
test is skipped, and its reason names what is missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import slurm
import slurm_cluster
from ganlore.cli import client, training
from ganlore.execution import gpu_slots, records
from ganlore.study import schema
from ganlore.study.expand import expand
from tiny import REPOSITORY, tiny_run

RUN = tiny_run()


def test_a_job_on_another_machine_has_workers_and_places_of_its_own() -> None:
    code = (
        "import json, os; from ganlore.cli import remote_jobs; remote_jobs.begin();"
        f"names = {client.ADDRESS!r}, {gpu_slots.FOLDER!r}, {records.KEEP_STATE!r};"
        "print(json.dumps([[os.environ[n], os.path.exists(os.environ[n])] for n in names]))"
    )
    environment = {k: v for k, v in os.environ.items() if k != gpu_slots.FOLDER}
    environment[client.ADDRESS] = "/of/the/machine/that/sent/it"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (address, serves), (places, counted), (keep, _) = json.loads(done.stdout)
    assert address != environment[client.ADDRESS] and serves and counted and keep
    assert not Path(address).exists() and not Path(places).exists(), "left behind"


def test_a_finished_run_of_a_killed_group_writes_its_files_again_without_training(
    stores, tmp_path, monkeypatch, capsys
) -> None:
    """Snakemake deletes what the finished runs of a killed group have written, and begins them again."""
    data, folder, state = stores["ring"].folder.parents[1], tmp_path / "run", tmp_path / "state"
    monkeypatch.setenv(records.KEEP_STATE, "1")
    words = (RUN, data, folder, state, float("inf"))
    training.train(*words)
    first = {name: (folder / name).read_bytes() for name in ("checkpoint.pt", "snapshots.pt")}
    shutil.rmtree(folder)
    training.train(*words)
    assert f"continuing after {RUN.training.steps} steps" in "".join(capsys.readouterr())
    assert first == {name: (folder / name).read_bytes() for name in first}
    monkeypatch.delenv(records.KEEP_STATE)
    training.train(*words)
    assert not state.exists()


def test_the_profile_groups_every_rule_that_is_not_local() -> None:
    """A rule without a group would be a Slurm job for each of its jobs."""
    profile = yaml.safe_load(
        (REPOSITORY / "profiles/slurm/profile.yaml").read_text(encoding="utf-8")
    )
    grouped = {entry.split("=")[0] for entry in profile["groups"]}
    rules = set()
    for path in (REPOSITORY / "src/ganlore/workflow/rules").glob("*.smk"):
        for name, body in re.findall(
            r"^(?:rule|checkpoint) (\w+):\n((?:    .*\n|\n)+)",
            path.read_text(encoding="utf-8"),
            re.M,
        ):
            if "localrule: True" not in body:
                rules.add(name)
    assert rules - grouped == {"select"}, "rungs of a search wait for each other: one job each"
    assert grouped <= rules


@pytest.mark.workflow
@pytest.mark.skipif(bool(slurm_cluster.missing()), reason=f"no Slurm: {slurm_cluster.missing()}")
def test_a_study_through_slurm_has_the_bits_of_a_local_one(stores, tmp_path) -> None:
    """Two groups of two runs; benchmarks/slurm.py has evaluations and failures as well."""
    project = slurm.Project.create(tmp_path / "project", slurm.study(seeds=2, steps=6))
    shutil.copytree(stores["ring"].folder, project.folder / "data/prepared/ring")
    plan = expand(schema.load(project.folder / "configs/default.yaml"))
    folders = {run.id: f"results/runs/{run.id}" for run in plan.runs}
    on_gpus = ("train:gpu=0", "train:gres=gpu:1", "train:slurm_partition=gpu")
    with slurm_cluster.Cluster() as cluster:
        project.snakemake(
            *(f"{folder}/run.json" for folder in folders.values()),
            *slurm.OPTIONS, "--slurm-keep-successful-logs",
            "--group-components", "trainings=2", "--set-resources", *on_gpus,
            environment=cluster.environment,
        )  # fmt: skip
        asked = cluster.ask("squeue", "-h", "-t", "all", "-o", "%T %k %C %m %b %P").splitlines()
    assert asked == 2 * ["COMPLETED rule_trainings_train 2 2000M gres:gpu:1 gpu"]
    logs = list((project.folder / ".snakemake/slurm_logs").rglob("*.log"))
    assert len(logs) == 2 and all(
        "2 of 2 steps (100%) done" in log.read_text(encoding="utf-8") for log in logs
    )
    for run in plan.runs:
        log = project.folder / f"results/logs/train/{run.id}.log"
        assert client.DECLINED not in log.read_text(encoding="utf-8"), (
            "the workers of the group serve its runs"
        )
        local, state = tmp_path / "local", tmp_path / "state"
        training.train(run, stores["ring"].folder.parents[1], local, state, float("inf"))
        for name in ("checkpoint.pt", "snapshots.pt"):
            actual = project.folder / folders[run.id] / name
            assert actual.read_bytes() == (local / name).read_bytes(), run.id
