"""Which GPU a job may use: file locks share a machine's GPUs among the jobs of all studies on it.

Snakemake counts GPUs and assigns none. A *slot* is a place for one job on one GPU, and a file that
the job holds locked (`flock`); the kernel frees it when the job ends, however it ends. torch and
CUDA must not have looked for GPUs before: what they see is CUDA_VISIBLE_DEVICES as it is then.

Environment:
    CUDA_VISIBLE_DEVICES: the GPUs that may be used; without it all that `nvidia-smi -L` lists.
    GANLORE_RUNS_PER_GPU: jobs that share a GPU; by default one for each 4 GiB of its memory, up to
        12, and 1 where that is not known. How many of their runs are trained at a time in one
        process is measured there (`sharing`); the others wait, or are evaluated meanwhile.
    GANLORE_RUNS_PER_PROCESS: runs that are trained in turn in one process, in place of measuring.
    GANLORE_SLOTS: the folder of the locks; by default one of the user's in the temporary folder.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO

from ganlore.console import say
from ganlore.errors import GanloreError

VISIBLE = "CUDA_VISIBLE_DEVICES"
SHARE = "GANLORE_RUNS_PER_GPU"
IN_TURN = "GANLORE_RUNS_PER_PROCESS"
FOLDER = "GANLORE_SLOTS"
EACH = 4
"""GiB of a GPU's memory for one of the jobs that share it by default."""

MOST = 12
"""Jobs that share a GPU by default, however large: eight filled one that was measured, and jobs
that evaluate are among them."""

PAUSE = 0.5
"""Seconds between two looks for a free slot."""


def gpus() -> list[str]:
    """The GPUs that jobs may use, as CUDA_VISIBLE_DEVICES names them; empty where there is none."""
    if VISIBLE in os.environ:
        named = [name.strip() for name in os.environ[VISIBLE].split(",")]
        # CUDA itself reads the list up to the first name that is none
        ends = [i for i, name in enumerate(named) if not name or name.startswith("-")]
        return list(dict.fromkeys(named[: min(ends, default=len(named))]))
    return list(_listed())


def _listed() -> tuple[str, ...]:
    """What `nvidia-smi -L` lists, by UUID: its numbers need not be CUDA's."""
    return parse(_asked("-L"))


def _memories() -> list[int]:
    """MiB of each of the machine's GPUs; of a parted GPU (MIG) the smallest part's."""
    whole = _asked("--query-gpu=memory.total", "--format=csv,noheader,nounits").split()
    parts = re.findall(r"^\s+MIG \w+\.(\d+)gb", _asked("-L"), flags=re.MULTILINE)
    return [int(n) for n in whole if n.isdecimal()] + [1024 * int(n) for n in parts]


@cache
def _asked(*words: str) -> str:
    """What `nvidia-smi` prints; nothing where there is none, or it fails."""
    if not shutil.which("nvidia-smi"):
        return ""
    try:
        done = subprocess.run(
            ["nvidia-smi", *words], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def parse(listing: str) -> tuple[str, ...]:
    """The UUIDs in what `nvidia-smi -L` prints; a GPU's parts (MIG) in place of a parted GPU."""
    parts_of: dict[str, list[str]] = {}
    gpu = ""
    for line in listing.splitlines():
        match = re.search(r"\(UUID: ([^)]+)\)", line)
        if not match:
            continue
        if line.startswith("GPU "):
            gpu = match[1]
            parts_of[gpu] = []
        elif gpu:
            parts_of[gpu].append(match[1])
    return tuple(name for whole, parts in parts_of.items() for name in parts or [whole])


def per_gpu() -> int:
    """Jobs that may share a GPU: the environment's number, or by the smallest GPU's memory.

    Raises:
        GanloreError: if the environment's number is none.
    """
    if (share := _whole(SHARE)) is not None:
        return share
    gib = min(_memories(), default=0) / 1024
    return min(max(round(gib) // EACH, 1), MOST)


def in_turn() -> int | None:
    """Runs that one process trains in turn: the environment's number; None: as many as gain by it.

    Raises:
        GanloreError: if the environment's number is none.
    """
    return _whole(IN_TURN)


def _whole(variable: str) -> int | None:
    """An environment variable's number; None where it is not set."""
    if variable not in os.environ:
        return None
    number = os.environ[variable]
    if not number.isdecimal() or not int(number):
        raise GanloreError(f"{variable} = {number!r}: expected a whole number from 1 up")
    return int(number)


def total() -> int:
    """Jobs that may use GPUs at a time.

    Raises:
        GanloreError: if a number of the environment is none: before the first job.
    """
    in_turn()
    return len(gpus()) * per_gpu()


def wanted(device: str) -> bool:
    """Whether a job with this `device` setting is to have a GPU."""
    return device != "cpu" and bool(gpus())


@contextmanager
def slot(device: str) -> Iterator[str | None]:
    """Hold a slot, on the GPU with the fewest jobs; waits while all are taken, and says so.

    CUDA_VISIBLE_DEVICES names that GPU alone inside, to this process and to those it starts.

    Args:
        device: the setting of the job: `cpu`, `cuda` or `auto`.

    Yields:
        The GPU, None where none is wanted or there is none.
    """
    if not wanted(device):
        yield None
        return
    before = {name: value for name, value in os.environ.items() if name == VISIBLE}
    gpu, lock = _wait()
    os.environ[VISIBLE] = gpu
    try:
        yield gpu
    finally:
        lock.close()
        del os.environ[VISIBLE]
        os.environ |= before


def _wait() -> tuple[str, IO[str]]:
    said = False
    while not (slot := take(gpus(), per_gpu(), folder())):
        if not said:
            said = True
            say(
                f"waiting for a GPU: all {total()} places are taken "
                f"({len(gpus())} GPUs, {per_gpu()} on each: {SHARE})"
            )
        time.sleep(PAUSE)
    return slot


def folder() -> Path:
    """Where the locks are: not in a study, since all studies of a machine share its GPUs."""
    own = Path(tempfile.gettempdir()) / f"ganlore-gpus-{os.getuid()}"
    path = Path(os.environ.get(FOLDER) or own)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def take(names: list[str], each: int, where: Path) -> tuple[str, IO[str]] | None:
    """A GPU with the fewest jobs, and its slot's lock, until it is closed; None if all are taken.

    Args:
        names: the GPUs; the first of equals is taken.
        each: slots on each.
        where: the folder of the locks.
    """
    with (where / "lock").open("w", encoding="utf-8") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # one job looks at a time, so that all see whole counts
        best: tuple[int, str, IO[str]] | None = None
        for name in names:
            # those of a job with a larger number of slots count as well
            here = {int(path.suffix[1:]) for path in where.glob(f"{_file(name)}.[0-9]*")}
            locks = {n: _lock(where / f"{_file(name)}.{n}") for n in sorted({*here, *range(each)})}
            load = sum(lock is None for lock in locks.values())
            free = next((lock for n, lock in locks.items() if lock and n < each), None)
            if load < each and free and (best is None or load < best[0]):
                if best:
                    best[2].close()
                best = load, name, free
            for lock in locks.values():
                if lock and (best is None or lock is not best[2]):
                    lock.close()
    return best[1:] if best else None


def _file(name: str) -> str:
    return re.sub(r"[^\w-]", "_", name)


def _lock(path: Path) -> IO[str] | None:
    """The file, locked; None where another job has it."""
    file = path.open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
