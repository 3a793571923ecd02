"""Measures what docs/performance.md tells, into docs/performance.json; `ganlore docs` renders it.

    python benchmarks/document.py installation          a fresh clone, `make .venv/ready`
    python benchmarks/document.py study configs/default.yaml
    python benchmarks/document.py idle                  commands with nothing to do
    python benchmarks/document.py start                 imports
    python benchmarks/document.py profiles              benchmarks/profile_step.py on four runs
    python benchmarks/document.py floor cifar10 inception --settings '{"source": "folder"}' \\
        --protocol '{"reference": "train", "n_fake": 10000}'
    python benchmarks/step_costs.py [--axis trick]
    python benchmarks/training.py                       the training step and the textbook loop

`study` reads a study that was run: its records, Snakemake's benchmarks and Snakemake's log. `idle`
wants one that is finished. Run them where nothing else runs, from the project's own folder.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ganlore import provenance, storage
from ganlore.data import Store
from ganlore.docgen.performance import FILE
from ganlore.evaluation import evaluate
from ganlore.study import schema
from ganlore.study.expand import expand
from ganlore.study.protocol import Protocol
from ganlore.study.run import Plan

ROOT = Path(__file__).resolve().parents[1]
ELAPSED = re.compile(
    r"^Elapsed time: (?:(\d+) days?, )?(\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE
)
DONE = re.compile(r"^(\d+) of \1 steps \(100%\) done", re.MULTILINE)
PROFILES = {
    "configs/default.yaml": [
        "digits/mlp/nonsaturating/none/base/seed0",
        "digits/mlp/wgan-gp/none/base/seed0",
        "ring/mlp/hinge/none/base/seed0",
    ],
    "configs/smoke.yaml": ["digits/dcgan/nonsaturating/none/base/seed0"],
}


def record(section: str, values: dict[str, Any], made: dict[str, Any], root: Path = ROOT) -> None:
    """Put a measurement into docs/performance.json, with what it was made with."""
    path = root / FILE
    actual = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    actual[section] = {"measured": made, **values}
    storage.write_json(path, dict(sorted(actual.items())))
    print(f"{path}: {section}; `ganlore docs` puts it into the pages", file=sys.stderr)


def made_with(note: str = "") -> dict[str, Any]:
    """Commit, machine and versions. No date: the commit says when the code was this.

    Asked before a measurement: what is edited meanwhile is not in it. The pages that measurements
    are written into do not count as changes.
    """
    now = provenance.environment()
    keys = ("processor", "cores", "memory_gb", "python")
    versions = {name: now["versions"][name] for name in ("torch", "snakemake")}
    apart = [":!docs", ":!README.md"]
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", ".", *apart],
        cwd=ROOT, capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    return {
        "git": {"commit": now["git"]["commit"], "dirty": bool(changed.strip())},
        **{key: now[key] for key in keys},
        "device": device(),
        "versions": versions,
        **({"note": note} if note else {}),
    }


def device() -> str:
    """The GPU that torch finds, or that there is none."""
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"


# -- a study ---------------------------------------------------------------------------------------


def study(plan: Plan, log: Path) -> dict[str, Any]:
    """What a finished study took.

    Args:
        plan: the study's plan.
        log: Snakemake's log of the invocation that ran it.
    """
    results = Path(plan.study.results)
    text = log.read_text(encoding="utf-8")
    elapsed, done = ELAPSED.search(text), DONE.search(text)
    if not elapsed or not done:
        raise SystemExit(f"{log}: no finished run of Snakemake with its elapsed time")
    days, hours, minutes, seconds = (float(part or 0) for part in elapsed.groups())
    total = seconds + 60 * (minutes + 60 * (hours + 24 * days))
    return {
        "snakemake_seconds": round(total, 1),
        "snakemake_jobs": int(done[1]),
        "results_mb": round(size(results)),
        "report_mb": round(size(Path(plan.study.reports)), 1),
        "rules": rules(results / "benchmarks"),
        "trainings": trainings(plan),
    }


def rules(folder: Path) -> list[dict[str, Any]]:
    """Snakemake's benchmarks by rule: number, mean wall time, largest memory.

    A rule's folder holds a file for each job. Whatever a file lacks (a job may be too short for its
    memory to be sampled, a rule may write other columns) is left out of that number.
    """
    actual = []
    for rule in sorted(path for path in folder.iterdir() if path.is_dir()):
        rows = [row for path in rule.rglob("*.tsv") for row in _tsv(path)]
        seconds, memory = (_numbers(rows, column) for column in ("s", "max_rss"))
        if seconds and memory:
            mean = round(statistics.fmean(seconds), 2)
            reported = {"jobs": len(rows), "seconds": mean, "rss_mb": round(max(memory))}
            actual.append({"rule": rule.name, **reported})
    return sorted(actual, key=lambda row: -row["jobs"] * row["seconds"])


def trainings(plan: Plan) -> dict[str, Any]:
    """What the runs' own records tell: training alone, without starting."""
    paths = [plan.folder(run) / "run.json" for run in plan.runs]
    records = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
    seconds, memory = (_numbers(records, key) for key in ("seconds", "peak_memory_mb"))
    if not seconds or not memory:
        raise SystemExit(f"{plan.study.results}: no run of study {plan.study.name} has a record")
    return {
        "jobs": len(records),
        "mean_seconds": round(statistics.fmean(seconds), 2),
        "total_seconds": round(sum(seconds)),
        "memory_mb": round(max(memory)),
    }


def last_log(folder: Path) -> Path:
    """The newest log of Snakemake in which all of a study's jobs ran: the one with most jobs."""
    jobs = {}
    for path in sorted(folder.glob("*.snakemake.log")):
        if (done := DONE.search(path.read_text(encoding="utf-8"))) and ELAPSED.search(
            path.read_text(encoding="utf-8")
        ):
            jobs[path] = int(done[1])
    if not jobs:
        raise SystemExit(f"{folder}: no log of a finished run; name one with --log")
    return max(reversed(jobs), key=lambda path: jobs[path])


def size(folder: Path) -> float:
    """Megabytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def _tsv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _numbers(rows: list[Any], key: str) -> list[float]:
    actual = []
    for row in rows:
        try:
            actual.append(float(row[key]))
        except (KeyError, TypeError, ValueError):
            continue
    return actual


# -- what is timed here ----------------------------------------------------------------------------


def timed(*words: str, folder: Path = ROOT) -> float:
    """Wall seconds of a command, which must succeed."""
    began = time.perf_counter()
    done = subprocess.run(
        words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout[-2000:]}")
    return seconds


def idle() -> dict[str, Any]:
    """Commands with nothing to do, and `dvc repro` twice: the first fills its cache."""
    if (
        "Nothing to be done"
        not in subprocess.run(
            ["snakemake", "-n"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout
    ):
        raise SystemExit("the default study is not finished: snakemake has something to do")
    commands = [
        ("snakemake --cores 2", ""),
        ("snakemake -n", ""),
        ("dvc repro", ", the first after it: no job runs, the results enter DVC's cache"),
        ("dvc repro", ", once more"),
    ]
    rows = []
    for command, note in commands:
        seconds = round(timed(*command.split()), 2)
        rows.append({"command": command, **({"note": note} if note else {}), "seconds": seconds})
    return {"commands": rows}


def installation() -> dict[str, Any]:
    """A fresh clone of the last commit, and its environment."""
    with tempfile.TemporaryDirectory() as folder:
        timed("git", "clone", "--quiet", str(ROOT), folder)
        return {"seconds": round(timed("make", ".venv/ready", folder=Path(folder)), 1)}


def floor(dataset: str, extractor: str, settings: str, protocol: str) -> dict[str, Any]:
    """The metrics that perfect samples would get; what was killed goes on where it was."""
    data = Path("data")  # the commands' own default
    commands = [
        ["ganlore", "prepare", dataset, "--settings", settings],
        ["ganlore", "extract", dataset, extractor],
        ["ganlore", "reference", dataset, extractor, "--protocol", protocol],
    ]
    for words in commands:
        timed(*words)
    store = Store.open(data / "prepared" / dataset)
    fitted = data / "extractors" / dataset / extractor / "record.json"
    record = json.loads(fitted.read_text(encoding="utf-8"))
    return {
        "commands": [shlex.join(words) for words in commands],
        "weights_sha256": record.get("weights_sha256", ""),
        "rows": evaluate.floor(extractor, store, data, Protocol.model_validate_json(protocol)),
    }


def start(repeats: int = 5) -> dict[str, Any]:
    """Imports of a training process, torch's compiler, and a call of `torch.manual_seed`."""

    def best(code: str) -> float:
        return min(float(_python(code)) for _ in range(repeats))

    clock = "import time; t = time.perf_counter(); {}; print((time.perf_counter() - t) / {})"
    return {
        "imports_seconds": round(
            best(clock.format("import ganlore.cli.main, ganlore.cli.training", 1)), 2
        ),
        "compiler_seconds": round(
            best("import torch; " + clock.format("import torch._dynamo", 1)), 2
        ),
        "seeding_ms": round(
            best("import torch; " + clock.format("[torch.manual_seed(i) for i in range(1000)]", 1)),
            3,
        ),
    }


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def profiles(steps: int) -> dict[str, Any]:
    """Where the time of a step goes, on a few runs."""
    import profile_step

    return {
        "runs": [
            profile_step.measure(expand(schema.load(ROOT / path)).run(name), steps)
            for path, names in PROFILES.items()
            for name in names
        ]
    }


def commands(doc: str | None) -> tuple[argparse.ArgumentParser, Any]:
    """A parser of a script that records one of several things, and where those are added."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--note", default="", help="shown beside the machine and the commit")
    return parser, parser.add_subparsers(dest="what", required=True)


def main() -> None:
    """Measure one thing and write it down."""
    parser, chosen = commands(__doc__)
    of_study = chosen.add_parser("study")
    of_study.add_argument("study", nargs="?", default="configs/default.yaml")
    of_study.add_argument("--log", type=Path, help="Snakemake's log; the fullest, if left out")
    of_profiles = chosen.add_parser("profiles")
    of_profiles.add_argument("--steps", type=int, default=500)
    of_floor = chosen.add_parser("floor")
    for name in ("dataset", "extractor"):
        of_floor.add_argument(name)
    for name in ("--settings", "--protocol"):
        of_floor.add_argument(name, default="{}")
    for name in ("idle", "installation", "start"):
        chosen.add_parser(name)
    arguments = parser.parse_args()
    section, made = arguments.what, made_with(arguments.note)
    if section == "study":
        plan = expand(schema.load(arguments.study))
        log = arguments.log or last_log(ROOT / ".snakemake" / "log")
        section, values = f"{plan.study.name}-study", study(plan, log)
    elif section == "profiles":
        values = profiles(arguments.steps)
    elif section == "floor":
        data, extractor = arguments.dataset, arguments.extractor
        section = f"floor-{data}-{extractor}"
        values = floor(data, extractor, arguments.settings, arguments.protocol)
    else:
        values = {"idle": idle, "installation": installation, "start": start}[section]()
    record(section, values, made)


if __name__ == "__main__":
    main()
