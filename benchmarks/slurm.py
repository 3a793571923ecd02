"""Measures what docs/scaling.md tells, into docs/performance.json; `ganlore docs` renders it.

    python benchmarks/slurm.py study      48 runs through a Slurm of this machine, against a local
                                          run: a job is cancelled and a node set down on the way
    python benchmarks/slurm.py dry-run    `snakemake -n` of 20,000 runs: time and memory

`study` needs Debian's slurmctld, slurmd and munge (slurm_cluster.py), and takes some minutes.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import document
from slurm_cluster import Cluster, missing

COPIED = ("Snakefile", "configs", "profiles", "src")
COMPARED = ("checkpoint.pt", "snapshots.pt", "history.csv", "metrics.csv", "samples.npz")
"""A run's files that are the same wherever it is trained, but for the columns of `TIMES`."""

TIMES = {"seconds", "images_per_second", "peak_memory_mb", "step_memory_mb"}

OPTIONS = (
    "--profile", "profiles/slurm", "--slurm-status-command", "squeue", "--cores", "2",
    "--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10",
    "--default-resources", "mem_mb=1000", "runtime=10",
)  # fmt: skip
"""The profile, and what a small cluster without accounts needs otherwise."""

FINISHED = 8
"""Runs that are trained before a job is cancelled, so that it has finished some of its own."""


def study(seeds: int, steps: int) -> dict[str, Any]:
    """A study of points: two losses with so many seeds."""
    batch = 16
    return {
        "name": "cluster",
        "seeds": list(range(seeds)),
        "training": {
            "budget": steps * batch, "batch": batch, "latent": 4, "snapshots": 2, "history": 3,
            "device": "cpu",
        },
        "protocol": {"n_real": 100, "n_fake": 50, "pictures": 8, "device": "cpu"},
        "settings": {
            "networks": {"mlp": {"width": 8, "depth": 2}},
            "datasets": {"ring": {"n_train": 400, "n_test": 100}},
        },
        "reports": "reports",
        "grids": [
            {"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge", "wgan"],
             "tricks": ["none"]}
        ],
    }  # fmt: skip


class Project:
    """A copy of the project in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """One that is there already."""
        self.folder = folder

    @classmethod
    def create(cls, folder: Path, study_: dict[str, Any]) -> Project:
        """A new one, with a default study."""
        folder.mkdir(parents=True)
        for name in COPIED:
            source = document.ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        YAML().dump(study_, folder / "configs/default.yaml")
        return cls(folder)

    def snakemake(self, *words: str, environment: dict[str, str] | None = None) -> str:
        """Run Snakemake with the copy's code; gives what it prints.

        Raises:
            RuntimeError: if it fails, with the end of what it has printed.
        """
        given = environment or dict(os.environ)
        path = f"{Path(sys.executable).parent}{os.pathsep}{given['PATH']}"
        done = subprocess.run(
            ["snakemake", *words],
            cwd=self.folder,
            env=given | {"PYTHONPATH": str(self.folder / "src"), "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"snakemake {' '.join(words)}:\n{done.stdout[-5000:]}")
        return done.stdout

    def bits(self) -> dict[str, bytes]:
        """What is compared of each run, by its path."""
        runs = self.folder / "results/runs"
        paths = [path for name in COMPARED for path in runs.rglob(name)]
        return {str(path.relative_to(runs)): content(path) for path in paths}

    def trained(self) -> int:
        """How many runs are trained."""
        return sum(1 for _ in (self.folder / "results/runs").rglob("run.json"))

    def continued(self) -> list[int]:
        """The steps that runs had when they went on from a saved state."""
        logs = (self.folder / "results/logs/train").rglob("*.log")
        texts = (path.read_text(encoding="utf-8") for path in logs)
        return [int(n) for text in texts for n in re.findall(r"continuing after (\d+) steps", text)]


def content(path: Path) -> bytes:
    """A file's bytes; of a table those of its numbers, as text, without times and memory."""
    if path.suffix != ".csv":
        return path.read_bytes()
    with path.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    kept = [place for place, name in enumerate(head) if name not in TIMES]
    return "\n".join(",".join(row[place] for place in kept) for row in [head, *rows]).encode()


class Trouble(threading.Thread):
    """Cancels a job that trains, sets the node of another down, and resumes it.

    Attributes:
        cancelled: the job.
        interrupted: the job whose node was set down.
        done: whether the node was resumed.
    """

    def __init__(self, cluster: Cluster, project: Project) -> None:
        """Nothing is done before `start`."""
        super().__init__(daemon=True)
        self.cluster, self.project = cluster, project
        self.cancelled = self.interrupted = ""
        self.done = False

    def run(self) -> None:
        """Wait for each moment, and act."""
        while self.project.trained() < FINISHED or not self.training():
            time.sleep(0.2)
        self.cancelled = next(iter(self.training()))
        self.cluster.ask("scancel", self.cancelled)
        while not (others := self.others()):
            time.sleep(0.2)
        self.interrupted, node = next(iter(others.items()))
        update = ("scontrol", "update", f"nodename={node}")
        self.cluster.ask(*update, "state=DOWN", "reason=benchmark")
        while self.training().get(self.interrupted) == node:
            time.sleep(0.2)
        self.cluster.ask(*update, "state=RESUME")
        self.done = True

    def training(self) -> dict[str, str]:
        """The node of each job that trains."""
        text = self.cluster.ask("squeue", "-h", "-t", "running", "-o", "%i|%N|%k")
        jobs = [line.split("|") for line in text.splitlines()]
        return {job: node for job, node, rules in jobs if "trainings" in rules}

    def others(self) -> dict[str, str]:
        """Those without the cancelled one."""
        return {job: node for job, node in self.training().items() if job != self.cancelled}


def compare(seeds: int, steps: int, folder: Path) -> dict[str, Any]:
    """A study by this machine's cores, and through Slurm with trouble: times, jobs and bits."""
    local = Project.create(folder / "local", study(seeds, steps))
    began = time.perf_counter()
    local.snakemake("--cores", "2")
    local_seconds = time.perf_counter() - began
    project = Project.create(folder / "cluster", study(seeds, steps))
    with Cluster() as cluster:
        trouble = Trouble(cluster, project)
        trouble.start()
        began = time.perf_counter()
        project.snakemake(*OPTIONS, environment=cluster.environment)
        seconds = time.perf_counter() - began
        states = Counter(cluster.jobs().values())
        restarts = re.findall(r"Restarts=(\d+)", cluster.ask("scontrol", "-o", "show", "jobs"))
        nodes = len(cluster.nodes)
    if not trouble.done:
        raise SystemExit("a job was to be cancelled, a node set down and resumed: see above")
    expected, actual = local.bits(), project.bits()
    different = [name for name in expected if actual.get(name) != expected[name]]
    if different or len(actual) != len(expected):
        raise SystemExit(f"{len(different)} of {len(expected)} files differ: {different[:5]}")
    if left := list((project.folder / "results/state").rglob("state.pt")):
        raise SystemExit(f"states of evaluated runs are left, for example {left[0]}")
    continued = project.continued()
    return {
        "runs": local.trained(),
        "steps": steps,
        "files": len(expected),
        "nodes": nodes,
        "slurm_jobs": sum(states.values()),
        "states": {name.lower(): number for name, number in sorted(states.items())},
        "requeued": sum(map(int, restarts)),
        "continued_runs": len(continued),
        "continued_finished": sum(step >= steps for step in continued),
        "local_seconds": round(local_seconds, 1),
        "slurm_seconds": round(seconds, 1),
    }


def dry_run(runs: int, groups: bool, folder: Path) -> dict[str, Any]:
    """What a dry run of a large study takes, of one of its runs, and in groups if wanted."""
    project = Project.create(folder / "large", study(runs // 2, 6))
    one = "results/runs/ring/mlp/hinge/none/base/seed0/run.json"
    commands = [("--cores", "8"), ("--cores", "8", one)]
    commands += [("--profile", "profiles/slurm")] if groups else []
    rows = []
    for options in commands:
        began = time.perf_counter()
        with subprocess.Popen(
            ["snakemake", "-n", *options],
            cwd=project.folder,
            env=os.environ | {"PYTHONPATH": str(project.folder / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            jobs = 0
            for line in process.stdout:
                if found := re.match(r"total\s+(\d+)", line):
                    jobs = int(found[1])
            status, used = os.wait4(process.pid, 0)[1:]
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or not jobs:
            raise SystemExit(f"snakemake -n {' '.join(options)} failed: {process.returncode}")
        rows.append(
            {
                "command": " ".join(["snakemake -n", *options]),
                "snakemake_jobs": jobs,
                "seconds": round(time.perf_counter() - began, 1),
                "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
                "mb": round(used.ru_maxrss / 1024),
            }
        )
    return {"runs": runs, "commands": rows}


def main() -> None:
    """Measure one thing and write it down."""
    parser, chosen = document.commands(__doc__)
    of_study = chosen.add_parser("study")
    of_study.add_argument("--seeds", type=int, default=24)
    of_study.add_argument("--steps", type=int, default=600)
    of_dry_run = chosen.add_parser("dry-run")
    of_dry_run.add_argument("--runs", type=int, default=20_000)
    of_dry_run.add_argument("--groups", action="store_true", help="in Slurm's groups too: slow")
    arguments = parser.parse_args()
    made = document.made_with(arguments.note)
    if arguments.what == "study" and (reason := missing()):
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.what == "study":
            values = compare(arguments.seeds, arguments.steps, Path(folder))
            document.record("slurm", values, made)
        else:
            values = dry_run(arguments.runs, arguments.groups, Path(folder))
            document.record("dry-run", values, made)


if __name__ == "__main__":
    main()
