"""A job's way to a process that trains several runs in turn on its GPU.

The job keeps what is its own: its lock, its place on the GPU, its log, and its exit status. What it
hands over is the training alone; when it ends, however it ends, that ends too.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import IO, Any

import typer

from ganlore.cli import client
from ganlore.errors import GanloreError
from ganlore.provenance import Used
from ganlore.study.keep import Beside
from ganlore.study.run import Run


def train(
    run: Run,
    data: Path,
    folder: Path,
    state_folder: Path,
    save_every: float,
    beside: Beside,
    lock: IO[str],
) -> tuple[str, Used] | None:
    """Have a run trained in turn with others.

    Args:
        run: the run's settings.
        data: as in `training.train`.
        folder: as in `training.train`.
        state_folder: as in `training.train`.
        save_every: as in `training.train`.
        beside: as in `training.train`.
        lock: the lock on the run, which the other process then holds as well.

    Returns:
        Its status and what it has used; None where this process has to train it: there is no
        server, or it declines, or a person looks on at a terminal, whose bar knows one run only.

    Raises:
        GanloreError: as in `training.train`, or if the process ends.
        typer.Exit: for an error that it has printed already.
    """
    if client.ADDRESS not in os.environ or sys.stderr.isatty():
        return None
    job = {
        "run": run.model_dump_json(),
        "paths": [str(path) for path in (data, folder, state_folder)],
        "save_every": save_every,
        "beside": beside.model_dump_json(),
        "process": os.getpid(),
    }
    settings = run.training
    kind = json.dumps([settings.threads, settings.precision, settings.deterministic])
    sys.stdout.flush()
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            client.send(connection, [client.SHARE, kind, json.dumps(job)], (lock.fileno(), 1, 2))
            if connection.recv(1) != client.ACCEPTED:
                return None
        except OSError:
            return None
        return _result(connection, run)


def _result(connection: socket.socket, run: Run) -> tuple[str, Used] | None:
    """What the other process answers when the run has ended."""
    answer = b""
    try:
        while part := connection.recv(1 << 16):
            answer += part
        told: dict[str, Any] = json.loads(answer)
    except (OSError, ValueError):
        raise GanloreError(
            f"run {run.id}: the process that trained this run, in turn with others on its GPU, has "
            "ended: was it killed, or did the GPU fail?\n  start it again: it goes on from its "
            "last saved state"
        ) from None
    if "error" in told:
        raise GanloreError(told["error"])
    if "exit" in told:
        raise typer.Exit(told["exit"])
    return None if "alone" in told else (told["status"], Used(*told["used"]))
