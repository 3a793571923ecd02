"""What the campaigns share: small studies, commands in forked processes, and the record of counts.

A campaign is no test of the ordinary run: pytest does not collect this folder. Each is one command
(docs/reliability.md), prints every failure with what makes it happen again, and puts its counts
with the commit into docs/reliability.json.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import io
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "benchmarks")]

from ganlore import storage  # noqa: E402
from ganlore.console import say  # noqa: E402
from ganlore.docgen.reliability import FILE  # noqa: E402
from ganlore.study import schema  # noqa: E402
from tiny import TINY  # noqa: E402

TRACEBACK = "Traceback (most recent call last)"
TIMES = {"seconds", "images_per_second", "peak_memory_mb", "step_memory_mb"}
"""Columns that no two runs have alike."""

MOST = 10
"""Failures that are kept in docs/reliability.json; all of them are printed."""


@dataclass
class Outcome:
    """What a command did: its exit status (None: it hung), and all its output."""

    code: int | None
    text: str

    @property
    def traceback(self) -> bool:
        return TRACEBACK in self.text


@dataclass
class Tally:
    """Counts of a campaign, and its failures with what makes them happen again."""

    counts: dict[str, int] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)

    def count(self, name: str, n: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + n

    def fail(self, kind: str, reproduction: str, output: str) -> None:
        self.count(kind)
        tail = "\n".join(output.strip().splitlines()[-6:])
        self.failures.append({"kind": kind, "reproduction": reproduction, "output": tail})
        print(f"{kind}: {reproduction}\n    {tail}".replace("\n", "\n    "), flush=True)


def arguments(doc: str, n: int) -> argparse.Namespace:
    """The command line of a campaign."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("-n", type=int, default=n, help=f"how many; {n} by default")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.add_argument("--no-record", action="store_true", help="write no docs/reliability.json")
    return parser


def finish(name: str, tally: Tally, options: argparse.Namespace, zero: Sequence[str]) -> NoReturn:
    """Print the counts, put them into docs/reliability.json; status 1 where something failed.

    Args:
        name: the campaign's.
        tally: what it counted.
        options: its command line.
        zero: counts that are there even if nothing was counted.
    """
    from document import made_with

    counts = {**dict.fromkeys(zero, 0), **tally.counts}
    print(json.dumps(counts, indent=1))
    if not options.no_record:
        path = ROOT / FILE
        sections = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        values = {"seed": options.seed, "counts": counts, "failures": tally.failures[:MOST]}
        sections[name] = {"measured": made_with(), **values}
        storage.write_json(path, dict(sorted(sections.items())))
    sys.exit(bool(tally.failures))


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty folder to work in."""
    with tempfile.TemporaryDirectory(prefix="campaign-") as name, contextlib.chdir(name):
        yield Path(name)


def study(path: Path, **changes: Any) -> None:
    """Write a small study of the ring."""
    grid = {
        "datasets": ["ring"],
        "networks": ["mlp"],
        "losses": ["hinge", "wgan-gp"],
        "tricks": ["none"],
    }
    text = yaml.safe_dump(schema.merge(TINY, {"grids": [grid], **changes}))
    path.write_text(text, encoding="utf-8")


def environment() -> dict[str, str]:
    """This version's code first, no network, and no GPU: bits are compared, on any machine."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    dead = "http://127.0.0.1:9"
    return {
        **os.environ, "PYTHONPATH": str(ROOT / "src"), "PATH": path,
        "http_proxy": dead, "https_proxy": dead, "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip


def start(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, with its output in a file."""
    with log.open("ab") as file:
        return subprocess.Popen(
            words, env=environment(), stdout=file, stderr=file, start_new_session=True
        )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a command of `start`, and its own session's processes, as by `kill -9`."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def command(*words: str, patience: float = 300.0) -> Outcome:
    """Run a command to its end."""
    with tempfile.TemporaryDirectory() as place:
        log = Path(place, "log")
        process = start(words, log)
        try:
            code: int | None = process.wait(patience)
        except subprocess.TimeoutExpired:
            kill(process)
            code = None
        return Outcome(code, log.read_text(encoding="utf-8", errors="replace"))


def snakemake(*words: str, cores: int = 2) -> list[str]:
    """The workflow of `study.yaml` in the working directory."""
    profile = str(ROOT / "profiles" / "default")
    return [
        sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--cores", str(cores),
        "--workflow-profile", profile, *words, "--configfile", "study.yaml",
    ]  # fmt: skip


def ganlore(*words: str, patience: float = 120.0) -> Outcome:
    """Run a command of this package in a fork of this process, which has imported torch already."""

    def go() -> None:
        from ganlore.cli.main import main

        sys.argv = ["ganlore", *words]
        main()

    return forked(go, patience)


def forked(work: Callable[[], None], patience: float) -> Outcome:
    """Do work in a fork; a hang is killed after some seconds."""
    os.environ.update(environment())
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            _become(work, log.fileno())
        ended = _wait(child, patience)
        log.seek(0)
        return Outcome(ended, log.read())


def _become(work: Callable[[], None], log: int) -> NoReturn:
    code = 1
    try:
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            work()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _wait(child: int, patience: float) -> int | None:
    end = time.monotonic() + patience
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def bits(run: Path) -> dict[str, str]:
    """Hashes of what a run leaves, times left out."""
    hashes = {name: storage.sha256(run / name) for name in ("checkpoint.pt", "snapshots.pt")}
    for name in ("metrics.csv", "history.csv"):
        if (run / name).exists():
            rows = csv.DictReader(io.StringIO((run / name).read_text(encoding="utf-8")))
            kept = [{k: v for k, v in row.items() if k not in TIMES} for row in rows]
            hashes[name] = hashlib.sha256(json.dumps(kept).encode()).hexdigest()
    return hashes


def progress(tally: Tally, done: int, n: int) -> None:
    """Say how far a campaign is."""
    say(f"{done}/{n}: {', '.join(f'{name} {count}' for name, count in tally.counts.items())}")


def moments(seed: int) -> Iterator[tuple[int, float]]:
    """Numbers from 0 and shares of a command's time, drawn evenly, without an end."""
    rng = random.Random(seed)
    yield from ((index, rng.random()) for index in itertools.count())
