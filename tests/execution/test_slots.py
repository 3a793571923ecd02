"""Jobs share GPUs by locks. The GPUs are made up, the processes are real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from test_workers import LONG, alive, served, until, words, worker_of  # noqa: F401

from ganlore.cli import client
from ganlore.errors import GanloreError
from ganlore.execution import gpu_slots

LISTING = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb)
  MIG 3g.20gb     Device  0: (UUID: MIG-1111)
  MIG 3g.20gb     Device  1: (UUID: MIG-2222)
GPU 2: Tesla V100 (UUID: GPU-cccc)
"""

JOB = """\
import os, sys, time
from ganlore.execution import gpu_slots
with gpu_slots.slot("auto") as gpu:
    assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu
    print("+", gpu, time.monotonic_ns(), flush=True)
    {work}
    print(time.monotonic_ns(), flush=True)
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Two GPUs with two places each."""
    inputs = {
        gpu_slots.VISIBLE: "a,b",
        gpu_slots.SHARE: "2",
        gpu_slots.FOLDER: str(tmp_path / "slots"),
    }
    for name, value in inputs.items():
        monkeypatch.setenv(name, value)
    return {**os.environ}


def job(work: str) -> subprocess.Popen[str]:
    code = JOB.format(work=work)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def begun(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().split()[1]


def end(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=60)


def test_many_jobs_never_exceed_a_gpu_s_places(environment) -> None:
    """12 jobs for 2 x 2 places tell from when to when they had one."""
    jobs = [job("time.sleep(0.2)") for _ in range(12)]
    held = []
    for process in jobs:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        _, gpu, began, ended = out.split()
        held.append((gpu, int(began), int(ended)))
    assert {gpu for gpu, *_ in held} == {"a", "b"}
    beside = [
        sum(gpu == other and start <= began < end for other, start, end in held)
        for gpu, began, _ in held
    ]
    assert max(beside) == 2


def test_the_emptiest_gpu_is_taken_and_the_last_waits_saying_so(environment) -> None:
    jobs = []
    for expected in ("a", "b", "a", "b"):
        jobs.append(job("sys.stdin.readline()"))
        assert begun(jobs[-1]) == expected
    assert gpu_slots.take(["a", "b"], 2, gpu_slots.folder()) is None
    late = job("sys.stdin.readline()")
    assert late.stderr
    assert "waiting for a GPU: all 4 places are taken" in late.stderr.readline()
    assert late.poll() is None
    end(jobs[1])  # on b
    assert begun(late) == "b"
    for process in (jobs[0], jobs[2], jobs[3], late):
        end(process)
    with gpu_slots.slot("cuda") as gpu:
        assert gpu == "a"


def test_a_killed_job_s_place_is_free(environment) -> None:
    jobs = [job("sys.stdin.readline()") for _ in range(4)]
    held = [begun(process) for process in jobs]
    assert Counter(held) == {"a": 2, "b": 2}
    jobs[2].send_signal(signal.SIGKILL)
    assert jobs[2].wait(60) == -signal.SIGKILL
    actual = gpu_slots.take(["a", "b"], 2, gpu_slots.folder())
    assert actual and actual[0] == held[2]
    actual[1].close()
    for process in (jobs[0], jobs[1], jobs[3]):
        end(process)


def test_a_job_that_fails_leaves_the_environment_as_it_was(environment) -> None:
    with pytest.raises(KeyError), gpu_slots.slot("auto"):
        assert os.environ[gpu_slots.VISIBLE] == "a"
        raise KeyError
    assert os.environ[gpu_slots.VISIBLE] == "a,b"
    first = gpu_slots.take(["a"], 1, gpu_slots.folder())
    assert first  # it was given back


def test_places_of_a_job_that_was_told_of_more_count(environment) -> None:
    where = gpu_slots.folder()
    held = [gpu_slots.take(["a"], 3, where) for _ in range(2)]
    assert gpu_slots.take(["a"], 2, where) is None
    fewer = gpu_slots.take(["a", "b"], 2, where)
    assert fewer and fewer[0] == "b"
    assert all(held)


@pytest.mark.parametrize("device", ["cpu", "auto", "cuda"])
def test_without_a_gpu_there_is_nothing_to_wait_for(environment, monkeypatch, device) -> None:
    monkeypatch.setenv(gpu_slots.VISIBLE, "")
    with gpu_slots.slot(device) as gpu:
        assert gpu is None and os.environ[gpu_slots.VISIBLE] == ""
    assert gpu_slots.total() == 0 and not gpu_slots.wanted(device)


def test_a_job_for_the_cpu_takes_no_place(environment) -> None:
    with gpu_slots.slot("cpu") as gpu:
        assert gpu is None and os.environ[gpu_slots.VISIBLE] == "a,b"
    assert gpu_slots.wanted("auto") and not gpu_slots.wanted("cpu") and gpu_slots.total() == 4


@pytest.mark.parametrize(
    "visible, expected",
    [
        ("0,1", ["0", "1"]),
        (" GPU-aaaa , 3", ["GPU-aaaa", "3"]),
        ("", []),
        ("-1", []),
        ("2,-1,3", ["2"]),  # as CUDA reads it
        ("1,1", ["1"]),
    ],
)
def test_an_outer_list_of_gpus_is_kept_to(monkeypatch, visible, expected) -> None:
    monkeypatch.setenv(gpu_slots.VISIBLE, visible)
    assert gpu_slots.gpus() == expected


def made_up_gpu(
    folder: Path, monkeypatch: pytest.MonkeyPatch, listing: str, *memories: int
) -> None:
    """Put a driver's tool in front that lists GPUs, and the MiB of each."""
    (folder / "driver").mkdir()
    tool = folder / "driver/nvidia-smi"
    numbers = "\n".join(map(str, memories))
    tool.write_text(
        f"#!/bin/sh\nif [ $1 = -L ]; then cat <<'END'\n{listing}\nEND\n"
        f"else cat <<'END'\n{numbers}\nEND\nfi\n",
        encoding="utf-8",
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/driver:{os.environ['PATH']}")
    monkeypatch.delenv(gpu_slots.VISIBLE, raising=False)
    gpu_slots._asked.cache_clear()


@pytest.mark.parametrize(
    "listing, memories, expected",
    [
        ("GPU 0: Small (UUID: a)", [2048], 1),
        ("GPU 0: Small (UUID: a)", [8188], 2),  # 8 GiB, as cards tell it
        ("GPU 0: A (UUID: a)\nGPU 1: B (UUID: b)", [24564, 15360], 3),  # the smaller decides
        ("GPU 0: Large (UUID: a)", [143771], 12),
        (LISTING, [40960, 40960, 40960], 5),  # a part of 20 GB
        ("GPU 0: Unknown (UUID: a)", [], 1),
    ],
)
def test_by_default_a_gpu_has_places_by_its_memory(
    tmp_path, monkeypatch, listing, memories, expected
) -> None:
    monkeypatch.delenv(gpu_slots.SHARE, raising=False)
    made_up_gpu(tmp_path, monkeypatch, listing, *memories)
    try:
        assert gpu_slots.per_gpu() == expected
        assert gpu_slots.total() == expected * len(gpu_slots.gpus())
        monkeypatch.setenv(gpu_slots.SHARE, "7")
        assert gpu_slots.per_gpu() == 7
    finally:
        gpu_slots._asked.cache_clear()


def test_all_gpus_are_listed_by_the_driver_s_tool(tmp_path, monkeypatch) -> None:
    assert gpu_slots.parse(LISTING) == ("GPU-aaaa", "MIG-1111", "MIG-2222", "GPU-cccc")
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{LISTING}END\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv(gpu_slots.VISIBLE, raising=False)
    gpu_slots._asked.cache_clear()
    assert gpu_slots.gpus() == ["GPU-aaaa", "MIG-1111", "MIG-2222", "GPU-cccc"]
    tool.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n", encoding="utf-8")
    gpu_slots._asked.cache_clear()
    assert gpu_slots.gpus() == []
    gpu_slots._asked.cache_clear()


@pytest.mark.parametrize("reported", ["0", "-1", "two", "1.5", ""])
def test_an_impossible_share_is_refused(monkeypatch, reported) -> None:
    monkeypatch.setenv(gpu_slots.SHARE, reported)
    with pytest.raises(GanloreError, match="GANLORE_RUNS_PER_GPU"):
        gpu_slots.per_gpu()
    monkeypatch.setenv(gpu_slots.IN_TURN, reported)
    with pytest.raises(GanloreError, match="GANLORE_RUNS_PER_PROCESS"):
        gpu_slots.total()  # which the Snakefile asks for before the first job


def test_a_warm_worker_takes_a_place_and_gives_it_back(words, tmp_path) -> None:  # noqa: F811
    """The worker, which has torch already, holds the place; it ends with its client."""
    folder, locks = tmp_path / "tmp", tmp_path / "slots"
    folder.mkdir()
    locks.mkdir()
    inputs = {gpu_slots.VISIBLE: "a,b", gpu_slots.FOLDER: str(locks)}
    with served(folder, **inputs) as (_, actual):
        process = subprocess.Popen(words(LONG), env=actual, stderr=subprocess.DEVNULL)
        worker = worker_of(tmp_path / "results")
        assert worker != process.pid and client.ADDRESS in actual
        taken = gpu_slots.take(["a", "b"], 1, locks)
        assert taken and taken[0] == "b"  # the worker has the other one
        taken[1].close()
        process.kill()
        process.wait()
        until(lambda: not alive(worker))
        free = gpu_slots.take(["a", "b"], 1, locks)
        assert free and free[0] == "a"
        free[1].close()


def test_the_server_of_workers_never_looks_for_gpus() -> None:
    """What CUDA has seen before a fork is what its workers would see, if they could use it at all."""
    code = (
        "import torch\n"
        "def asked(*_): raise SystemExit('asked for GPUs')\n"
        "for name in ('_cuda_getDeviceCount', '_cuda_init'):\n"
        "    setattr(torch._C, name, asked)\n"
        "torch.cuda.device_count = torch.cuda.is_available = asked\n"
        "from ganlore.cli import worker_server\n"
        "assert worker_server._import()\n"
        "assert not torch.cuda.is_initialized()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
