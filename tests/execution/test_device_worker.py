"""Jobs whose runs are trained in turn in one process: the GPU is made up, the processes are real.

torch finds no GPU here, so that the runs are trained on the CPU, in the way of those on a GPU.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_slots import made_up_gpu
from test_workers import LONG, alive, served, until, words  # noqa: F401
from test_workflow import Project

from ganlore import storage
from ganlore.cli import client
from ganlore.execution import gpu_slots
from tiny import tiny_run

RUNS = [tiny_run(loss=loss, trick="ema") for loss in ("hinge", "wgan-gp", "lsgan")]
ENDLESS = [
    tiny_run(loss=loss, training=LONG.training.model_dump(include={"budget", "history"}))
    for loss in ("hinge", "lsgan", "minimax")
]
GPU = pytest.mark.gpu
BAD = '''
"""A loss that fails in its third step."""
from ganlore.losses import LogitLoss

class Bad(LogitLoss):
    """Fails."""
    reference = "-"
    def discriminator_loss(self, real, fake):
        return (fake - real).mean()
    def generator_loss(self, fake):
        return -fake.mean()
    def after_discriminator(self, step):
        if step.schedule.moment.step == 2:
            raise KeyError("no such thing")

LOSS = Bad
'''


GREEDY = '''
"""A loss that lacks a GPU's memory the first time."""
from pathlib import Path
import torch
from ganlore.losses import LogitLoss

class Greedy(LogitLoss):
    """Needs much."""
    reference = "-"
    def discriminator_loss(self, real, fake):
        if not Path("{file}").exists():
            Path("{file}").touch()
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return (fake - real).mean()
    def generator_loss(self, fake):
        return -fake.mean()

LOSS = Greedy
'''


def plugin(folder: Path, name: str, text: str) -> Path:
    """A folder of plug-ins with one loss."""
    losses = folder / "plugins/losses"
    losses.mkdir(parents=True)
    (losses / f"{name}.py").write_text(text, encoding="utf-8")
    return losses.parent


@contextmanager
def machine(folder: Path, **variables: str) -> Iterator[dict[str, str]]:
    """The environment of jobs on a machine with one GPU, for three jobs."""
    inputs = {
        gpu_slots.VISIBLE: "a",
        gpu_slots.FOLDER: str(folder / "slots"),
        gpu_slots.SHARE: "3",
        gpu_slots.IN_TURN: "3",
    }
    # a socket's path is short, and pytest's folders are not
    with (
        tempfile.TemporaryDirectory() as short,
        served(Path(short), **inputs | variables) as (_, environment),
    ):
        yield environment


@contextmanager
def machine_with(folder: Path, plugins: Path) -> Iterator[dict[str, str]]:
    (folder / "machine").mkdir()
    with machine(folder / "machine", GANLORE_PLUGINS=str(plugins)) as environment:
        yield environment


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    with machine(tmp_path) as actual:
        yield actual


class Job:
    """A job under way, with a log as Snakemake gives it one."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                command,
                env=environment,
                stdout=file,
                stderr=file,
                # whoever runs the tests in the background may have it ignored
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
            )

    @property
    def said(self) -> str:
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return "\n".join(line for line in lines if not line.startswith("import time:"))

    @property
    def trainer(self) -> int:
        """The process that trains its run, once it has said so."""
        until(lambda: "trains this run" in self.said or self.process.poll() is not None)
        match = re.search(r"process (\d+) trains this run", self.said)
        assert match, self.said
        return int(match[1])

    def end(self) -> int:
        return self.process.wait(timeout=120)


@pytest.fixture
def start(words, tmp_path):  # noqa: F811
    """Start jobs; those that still run are killed after the test."""
    jobs: list[Job] = []

    def go(run, environment: dict[str, str], results: str = "results", *more: str) -> Job:
        job = Job(words(run, results, *more), environment, tmp_path / f"log{len(jobs)}")
        jobs.append(job)
        return job

    yield go
    for job in jobs:
        job.process.kill()
        job.process.wait()


def reported(results: Path, run) -> dict:
    """How far a run was at its last report."""
    path = results / "state" / run.id / "progress.json"
    return storage.read_json(path, "") if path.exists() else {"step": 0}


@pytest.mark.parametrize("deterministic", [False, pytest.param(True, marks=GPU)])
def test_runs_in_one_process_have_the_bits_of_each_alone(deterministic, start, tmp_path) -> None:
    (tmp_path / "machine").mkdir()
    real = {gpu_slots.VISIBLE: gpu_slots.gpus()[0]} if deterministic else {}
    losses = ("hinge", "wgan-gp", "lsgan")
    settings = {"deterministic": deterministic}
    runs = [tiny_run(loss=loss, trick="ema", training=settings) for loss in losses]
    with machine(tmp_path / "machine", **real) as environment:
        compare(runs, environment, start, tmp_path)


def compare(runs: list, environment: dict[str, str], start, tmp_path: Path) -> None:
    """Train runs alone and in turn; compare all that they leave, and what the jobs say."""
    alone = {k: v for k, v in environment.items() if k != client.ADDRESS}
    for run in runs:
        assert start(run, alone, "alone").end() == 0
    used = tmp_path / "used.tsv"
    jobs = [start(run, environment, "together", "--benchmark", str(used)) for run in runs]
    assert [job.end() for job in jobs] == [0, 0, 0], [job.said for job in jobs]
    assert len({job.trainer for job in jobs}) == 1 and jobs[0].trainer != jobs[0].process.pid
    for run, job in zip(runs, jobs, strict=True):
        assert job.said.count("trains this run") == 1 and f"{run.id}: done" in job.said
        assert "runs in turn on this GPU: 3" in job.said
        one, other = (tmp_path / name / "runs" / run.id for name in ("alone", "together"))
        for name in ("snapshots.pt", "checkpoint.pt"):
            assert (one / name).read_bytes() == (other / name).read_bytes(), (run.id, name)
        one, other = (storage.read_json(folder / "run.json", "") for folder in (one, other))
        for key in ("settings_hash", "code_hash", "data_hash", "threads", "device", "environment"):
            assert one[key] == other[key], key
        assert "import time" not in job.said and not re.search(
            r"\| +torch$", job.log.read_text(encoding="utf-8")
        )
    names, values = (line.split("\t") for line in used.read_text(encoding="utf-8").splitlines())
    row = dict(zip(names, values, strict=True))
    assert 0 < float(row["cpu_time"]) <= float(row["s"]) + 1 and float(row["max_rss"]) > 50


def test_a_run_that_fails_fails_alone(start, tmp_path) -> None:
    plugins = plugin(tmp_path, "bad", BAD)
    with pytest.MonkeyPatch.context() as patch, machine_with(tmp_path, plugins) as actual:
        patch.setenv("GANLORE_PLUGINS", str(plugins))
        bad = tiny_run(loss="bad")
        endless = start(ENDLESS[0], actual)
        trainer = endless.trainer
        failed = start(bad, actual)
        assert failed.end() == 1 and failed.trainer == trainer
        assert "Traceback" in failed.said and "KeyError: 'no such thing'" in failed.said
        state = storage.read_json(tmp_path / "results/state" / bad.id / "failed.json", "")
        assert state["error"] == "KeyError: 'no such thing'"
        nowhere = start(RUNS[0], actual, "results", "--data", "nowhere")
        assert nowhere.end() == 1 and nowhere.trainer == trainer
        assert "manifest.json: missing" in nowhere.said and "Traceback" not in nowhere.said
        assert start(RUNS[1], actual).end() == 0
        assert endless.process.poll() is None
        assert "Traceback" not in endless.said and "missing" not in endless.said
        # a plug-in that has changed is not for a process that has loaded it
        (plugins / "losses/bad.py").write_text(BAD.replace("== 2", "== -1"), encoding="utf-8")
        mended = start(bad, actual)
        assert mended.end() == 0 and "trains this run" not in mended.said


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_job_that_is_ended_ends_its_run_alone(environment, start, tmp_path, how) -> None:
    more = ("results", "--save-every", "0")
    gone, stays = (start(run, environment, *more) for run in ENDLESS[:2])
    trainer = stays.trainer
    assert gone.trainer == trainer
    results = tmp_path / "results"
    until((results / "state" / ENDLESS[0].id / "state.pt").exists)
    worker = reported(results, ENDLESS[0])["pid"]
    gone.process.send_signal(how)
    assert gone.end() in (130, -how, 128 + how)
    until(lambda: not alive(worker))  # so `ganlore status` says that it was interrupted
    again = start(ENDLESS[0], environment, *more)  # the lock is free, and it goes on
    assert again.trainer == trainer and alive(trainer)
    until(lambda: "continuing after" in again.said)
    step = reported(results, ENDLESS[1])["step"]
    until(lambda: reported(results, ENDLESS[1])["step"] > step)


def test_a_process_that_dies_is_told_and_its_runs_go_on_when_started_again(
    environment, start, tmp_path
) -> None:
    run = tiny_run(training={"budget": 16 * 1000, "history": 100, "snapshots": 3}, trick="ema")
    assert start(run, environment, "whole").end() == 0
    jobs = [start(r, environment, "cut", "--save-every", "0") for r in (run, ENDLESS[1])]
    trainer = jobs[1].trainer
    until((tmp_path / "cut/state" / run.id / "state.pt").exists)
    os.kill(trainer, signal.SIGKILL)
    for job in jobs:
        assert job.end() == 1
        assert "the process that trained this run, in turn with others" in job.said
        assert "Traceback" not in job.said
    again = start(run, environment, "cut", "--save-every", "0")
    assert again.end() == 0 and again.trainer != trainer and "continuing after" in again.said
    for name in ("snapshots.pt", "checkpoint.pt"):
        whole, cut = (tmp_path / n / "runs" / run.id / name for n in ("whole", "cut"))
        assert whole.read_bytes() == cut.read_bytes(), name


def test_two_jobs_never_train_one_run(environment, start) -> None:
    first = start(ENDLESS[0], environment)
    assert first.trainer
    second = start(ENDLESS[0], environment)
    assert second.end() == 1 and "another process is training or evaluating" in second.said
    assert first.process.poll() is None


def test_runs_that_gain_nothing_in_turn_have_processes_of_their_own(start, tmp_path) -> None:
    """Three are to share the GPU, and two are settled to take turns: the third is alone."""
    (tmp_path / "two").mkdir()
    with machine(tmp_path / "two", **{gpu_slots.IN_TURN: "2"}) as environment:
        first, second = (start(run, environment) for run in ENDLESS[:2])
        assert first.trainer == second.trainer
        third = start(RUNS[0], environment)
        assert third.end() == 0 and "trains this run" not in third.said
        assert first.process.poll() is None is second.process.poll()


def test_a_run_on_the_cpu_is_trained_by_its_job(environment, start) -> None:
    job = start(tiny_run(training={"device": "cpu"}), environment)
    assert job.end() == 0 and "trains this run" not in job.said


def test_a_run_that_lacks_memory_beside_others_is_trained_when_they_have_ended(
    start, tmp_path
) -> None:
    plugins = plugin(tmp_path, "greedy", GREEDY.format(file=tmp_path / "tried"))
    with pytest.MonkeyPatch.context() as patch, machine_with(tmp_path, plugins) as actual:
        patch.setenv("GANLORE_PLUGINS", str(plugins))
        first = start(ENDLESS[0], actual)
        trainer = first.trainer  # it has begun
        greedy = start(tiny_run(loss="greedy"), actual)
        assert greedy.trainer == trainer
        until(lambda: "too little memory for this run beside others" in greedy.said)
        third = start(RUNS[0], actual)  # which is not in its way
        assert third.end() == 0 and greedy.process.poll() is None
        first.process.kill()
        assert greedy.end() == 0 and greedy.said.count("trains this run") == 2


def test_the_lock_and_the_place_are_free_when_a_run_has_ended(environment, start, tmp_path) -> None:
    assert start(RUNS[0], environment).end() == 0
    slots = [gpu_slots.take(["a"], 3, tmp_path / "slots") for _ in range(3)]
    assert all(slots)
    for slot in slots:
        slot[1].close()
    assert start(RUNS[0], environment).end() == 0


@pytest.mark.workflow
def test_evaluation_overlaps_the_training_of_later_runs(tmp_path, monkeypatch) -> None:
    """By default jobs wait for their run at a GPU, and evaluate others meanwhile."""
    made_up_gpu(tmp_path, monkeypatch, "GPU 0: Made up (UUID: a)", 40 * 1024)
    monkeypatch.delenv(gpu_slots.SHARE, raising=False)
    monkeypatch.setenv(gpu_slots.FOLDER, str(tmp_path / "slots"))
    project = Project.create(tmp_path / "project")
    # two runs are short and two long, so that the former are evaluated while the latter train
    steps = {"hinge": 500, "lsgan": 500, "minimax": 12_000, "wgan": 12_000}
    losses = list(steps)
    grids = [
        {
            "datasets": ["ring"], "networks": ["mlp"], "losses": [loss], "tricks": ["none"],
            "training": {"budget": 16 * n},
        }
        for loss, n in steps.items()
    ]  # fmt: skip
    project.study(grids=grids, training={"snapshots": 8})
    project.snakemake(cores=4)
    trained, evaluated, trainers = [], [], set()
    results = project.folder / "results"
    for loss in losses:
        run = f"ring/mlp/{loss}/none/base/seed0"
        file = results / "runs" / run / "run.json"
        end = file.stat().st_mtime
        trained.append((end - storage.read_json(file, "")["seconds"], end))
        used = (results / "benchmarks/evaluate" / f"{run}.tsv").read_text(encoding="utf-8")
        end = (results / "runs" / run / "evaluation.json").stat().st_mtime
        evaluated.append((end - float(used.splitlines()[1].split("\t")[0]), end))
        log = (results / "logs/train" / f"{run}.log").read_text(encoding="utf-8")
        trainers |= set(re.findall(r"process (\d+) trains this run", log))
    assert len(trainers) == 1
    both = [min(e[1], t[1]) - max(e[0], t[0]) for e in evaluated for t in trained]
    assert max(both) > 0.2, (trained, evaluated)
