"""Warm workers do what a process of its own would do, and nothing of them is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ganlore import storage
from ganlore.cli import client
from ganlore.execution import gpu_slots
from tiny import REPOSITORY, tiny_run

RUN = tiny_run()
LONG = tiny_run(training={"budget": 16 * 1_000_000, "history": 100_000})
OWNER = (
    "import os, sys; from ganlore.cli import client, worker_server; worker_server.start();"
    "print(os.environ[client.ADDRESS], flush=True); sys.stdin.read()"
)


@contextmanager
def served(folder: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], dict]]:
    """A process that has started a server, and the environment in which its jobs run.

    What jobs lock to share GPUs stays, unlocked, when they end: that is no server's to remove.
    """
    places = {gpu_slots.FOLDER: str(folder.parent / "places")}
    environment = os.environ | places | {"OMP_NUM_THREADS": "1", "TMPDIR": str(folder)} | variables
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield owner, environment | {client.ADDRESS: owner.stdout.readline().strip()}
    finally:
        owner.communicate()
        assert list(folder.glob("ganlore-*")) == []


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of jobs that have a server; it ends, and leaves nothing, after the tests."""
    with served(tmp_path_factory.mktemp("tmp")) as (_, actual):
        yield actual


@pytest.fixture
def words(stores, tmp_path: Path) -> Callable[..., list[str]]:
    """The command line of a job; Python tells what the process that is started imports."""
    data = str(stores["ring"].folder.parents[1])

    def make(run=RUN, results: str = "results", *more: str) -> list[str]:
        command = [sys.executable, "-X", "importtime", "-m", "ganlore", "train"]
        command += ["--settings", run.training_settings(), "--data", data]
        return [*command, "--results", str(tmp_path / results), *more]

    return make


def call(command: list[str], environment: dict[str, str]) -> tuple[int, str, bool]:
    """Exit status, what was said, and whether the process imported torch itself."""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    lines = done.stderr.splitlines()
    said = "\n".join(line for line in lines if not line.startswith("import time:"))
    return done.returncode, said, any(line.endswith(" torch") for line in lines)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        # one that has ended, whose end nobody has asked for, is not alive
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):  # the latter of one that ends meanwhile
        return False


def worker_of(results: Path) -> int:
    """The process that trains the long run, once it has said so."""
    reported = results / "state" / LONG.id / "progress.json"
    until(reported.exists)
    return storage.read_json(reported, "")["pid"]


def test_a_worker_writes_the_same_bits(words, environment, tmp_path) -> None:
    alone = {k: v for k, v in environment.items() if k != client.ADDRESS}
    status, said, torch = call(words(RUN, "alone"), alone)
    assert (status, torch) == (0, True)
    warm_status, warm_said, torch = call(words(RUN, "warm"), environment)
    assert (warm_status, torch) == (0, False)
    assert warm_said == said.replace("/alone/", "/warm/") and "done" in said
    one, other = (tmp_path / name / "runs" / RUN.id for name in ("alone", "warm"))
    for name in ("snapshots.pt", "checkpoint.pt"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    one, other = (storage.read_json(folder / "run.json", "") for folder in (one, other))
    for key in ("settings_hash", "code_hash", "data_hash", "threads", "device", "environment"):
        assert one[key] == other[key], key
    assert other["peak_memory_mb"] > 50


def test_a_job_s_own_use_is_measured(words, environment, tmp_path) -> None:
    file = tmp_path / "used.tsv"
    assert call(words(RUN, "results", "--benchmark", str(file)), environment)[0] == 0
    names, values = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines())
    used = dict(zip(names, values, strict=True))
    assert float(used["max_rss"]) > 50 and 0 < float(used["cpu_time"]) <= float(used["s"]) + 1


def test_errors_go_to_the_log_with_their_status(words, environment) -> None:
    mistake = [word if word != RUN.training_settings() else "{" for word in words()]
    status, said, torch = call(mistake, environment)
    assert (status, torch) == (1, False) and "Traceback" not in said
    assert said.startswith("error: --settings: not valid JSON")
    unknown = [*words(), "--nothing"]
    assert call(unknown, environment)[0] == 2
    nowhere = [*words(), "--data", "nowhere"]
    status, said, _ = call(nowhere, environment)
    assert status == 1 and "manifest.json: missing" in said and "Traceback" not in said


def ask(
    environment: dict[str, str], payload: bytes, size: int | None = None, files=(0, 1, 2)
) -> bytes:
    """Send a server a request as it is; gives its answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(environment[client.ADDRESS])
        head = (len(payload) if size is None else size).to_bytes(8, "big")
        socket.send_fds(connection, [head], list(files))
        try:
            connection.sendall(payload)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(1)
        except (BrokenPipeError, ConnectionResetError):  # declined before all of it was read
            return b""


def test_a_server_outlives_any_garbage(words, environment) -> None:
    right = {**client.identity(), "cwd": "/", "umask": 18, "environment": {}, "arguments": ["list"]}
    wrong = [
        {}, [], None, 1, "text", right | {"environment": []}, right | {"environment": {"a": 1}},
        right | {"environment": {"a=b": "c"}}, right | {"environment": {"a": "\0"}},
        right | {"environment": {"a": "\ud800"}}, right | {"arguments": [1]},
        right | {"arguments": None}, right | {"umask": "x"}, right | {"cwd": None},
        right | {"python": "another"}, {k: v for k, v in right.items() if k != "package"},
    ]  # fmt: skip
    for request in wrong:
        assert ask(environment, json.dumps(request).encode()) == b"", request
    deep = b"[" * 100_000
    for payload in (b"", b"{", b"\xff\xfe", b"\0" * 9, deep, deep + b"]" * 100_000):
        assert ask(environment, payload) == b"", payload[:9]
    assert ask(environment, b"{}", size=2**63) == b"" == ask(environment, b"{}", size=100)
    assert ask(environment, json.dumps(right).encode(), files=(0,)) == b""
    assert call(words(), environment)[::2] == (0, False)  # and works on


def test_a_worker_that_is_killed_is_told(words, environment, tmp_path) -> None:
    job = subprocess.Popen(words(LONG), env=environment, stderr=subprocess.PIPE, text=True)
    worker = worker_of(tmp_path / "results")
    assert worker != job.pid
    os.kill(worker, signal.SIGKILL)
    assert "the worker of this job was ended by SIGKILL" in job.communicate(timeout=60)[1]
    assert job.returncode == 128 + 9
    assert call(words(RUN, "next"), environment)[::2] == (0, False)  # the server goes on


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_job_that_is_ended_ends_its_worker(words, environment, tmp_path, how) -> None:
    job = subprocess.Popen(
        words(LONG),
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        # as at a terminal; tests that run in the background inherit that it is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    worker = worker_of(tmp_path / "results")
    job.send_signal(how)
    said = job.communicate(timeout=60)[1]
    assert job.returncode == (130 if how == signal.SIGINT else -how)
    assert ("interrupted" in said) == (how == signal.SIGINT)
    until(lambda: not alive(worker))


def test_a_killed_job_goes_on_to_the_bits_of_an_undisturbed_one(
    words, environment, tmp_path
) -> None:
    run = tiny_run(
        "ring", "wgan-gp", "ema", training={"budget": 16 * 1000, "history": 200, "snapshots": 5}
    )
    assert call(words(run, "whole", "--save-every", "0"), environment)[::2] == (0, False)
    state = tmp_path / "killed/state" / run.id
    job = subprocess.Popen(words(run, "killed", "--save-every", "0"), env=environment)
    until((state / "state.pt").exists)
    worker = storage.read_json(state / "progress.json", "")["pid"]
    job.kill()
    job.wait()
    until(lambda: not alive(worker))
    assert (state / "state.pt").exists()  # it was not yet done
    status, said, torch = call(words(run, "killed", "--save-every", "0"), environment)
    assert (status, torch) == (0, False) and "continuing after" in said
    for name in ("snapshots.pt", "checkpoint.pt"):
        whole, killed = (tmp_path / n / "runs" / run.id / name for n in ("whole", "killed"))
        assert whole.read_bytes() == killed.read_bytes(), name


def test_a_job_with_another_environment_runs_by_itself(words, environment) -> None:
    assert call(words(RUN, "first"), environment)[::2] == (0, False)
    other = environment | {"OMP_NUM_THREADS": "2"}
    assert call(words(), other)[::2] == (0, True)
    gpu = environment | {"CUDA_VISIBLE_DEVICES": ""}
    assert call(words(RUN, "gpu"), gpu)[::2] == (0, False)


def test_nothing_outlives_the_process_that_started_the_server(words, tmp_path) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    with served(folder) as (owner, environment):
        job = subprocess.Popen(words(LONG), env=environment, stderr=subprocess.PIPE, text=True)
        worker = worker_of(tmp_path / "results")
        server = int(Path(f"/proc/{worker}/stat").read_text(encoding="utf-8").split()[3])
        assert alive(server) and server not in (owner.pid, job.pid)
        owner.kill()
        assert "the server of workers has ended" in job.communicate(timeout=60)[1]
        assert job.returncode == 1
        until(lambda: not alive(worker) and not alive(server))
        until(lambda: not list(folder.glob("ganlore-*")))
        # the address now leads nowhere: a job does its work itself
        assert call(words(RUN, "later"), environment)[::2] == (0, True)


def test_a_server_never_runs_code_that_has_changed(words, tmp_path) -> None:
    source = tmp_path / "src"
    shutil.copytree(
        REPOSITORY / "src", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    folder = tmp_path / "tmp"
    folder.mkdir()
    with served(folder, PYTHONPATH=str(source)) as (_, environment):
        assert call(words(RUN, "before"), environment)[::2] == (0, False)
        file = source / "ganlore/training/loop.py"
        file.write_text(
            file.read_text(encoding="utf-8").replace('return "done"', 'return "changed"'),
            encoding="utf-8",
        )
        status, said, torch = call(words(RUN, "after"), environment)
        assert (status, torch) == (0, True) and "changed" in said


def test_a_socket_with_too_long_a_path_is_done_without(tmp_path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    code = "import os; from ganlore.cli import client, worker_server; worker_server.start();"
    code += "print(client.ADDRESS in os.environ, os.listdir(os.environ['TMPDIR']))"
    reported = subprocess.check_output(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(folder)}, text=True
    )
    assert reported == "False []\n"


def test_the_client_and_the_snakefile_import_nothing_heavy() -> None:
    code = "import sys; import ganlore.__main__, ganlore.cli.worker_server;"
    code += "print([m for m in ('torch', 'numpy', 'typer', 'pydantic') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
