"""The thin client of a warm worker: `ganlore train` without the seconds of importing torch.

It hands a command to the server that `worker_server.start` has started, and ends with the worker's
exit status. Where there is no such server, or it declines, the command runs in this process as
ever, to the same bits. Every job pays for what is imported here, so that is little.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

from ganlore.console import INTERRUPTED, say

ADDRESS = "GANLORE_WORKERS"
"""The environment variable that names the server's socket."""

ACCEPTED = b"+"
"""What a server says before anything of a request runs; it ends the connection if it declines."""

COMMANDS = frozenset({"train", "evaluate"})
"""Those that Snakemake starts as jobs. Whatever asks first decides the environment that a server is
for, and a job's is not that of a command which anyone else starts."""

SHARE = "share"
"""What a job asks a server for that wants its run trained in turn with others; no command."""

HINTS = {"SIGKILL": ": was there too little memory?"} | dict.fromkeys(
    ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV"),
    ": compiled code crashed, called by what is listed above; of a plug-in perhaps",
)
"""What may have been the reason of a signal, by its name."""

DECLINED = "note: the server of workers declined this job, which imports everything by itself"


def ask(arguments: list[str]) -> int | None:
    """Have a worker run a command; gives its exit status, None where this process has to run it."""
    if ADDRESS not in os.environ or not COMMANDS.intersection(arguments[:1]):
        return None
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                send(connection, arguments, (0, 1, 2))
                if connection.recv(1) != ACCEPTED:
                    say(DECLINED)
                    return None
            except OSError:
                return None
            return _status(connection)
    except KeyboardInterrupt:
        say(INTERRUPTED)
        return 130


def send(connection: socket.socket, arguments: list[str], files: tuple[int, int, int]) -> None:
    """Connect to the server, and send it a request with three open files.

    Raises:
        OSError: if there is none, or it goes.
    """
    connection.connect(os.environ[ADDRESS])
    payload = json.dumps({**identity(), **_situation(), "arguments": arguments}).encode()
    socket.send_fds(connection, [len(payload).to_bytes(8, "big")], list(files))
    connection.sendall(payload)


def identity() -> dict[str, str]:
    """Which Python runs which copy of this package."""
    return {"python": f"{sys.prefix} {sys.version}", "package": str(Path(__file__).parents[1])}


def _situation() -> dict[str, object]:
    """What a process has from its parent, beside open files."""
    mask = os.umask(0)
    os.umask(mask)
    return {"cwd": str(Path.cwd()), "umask": mask, "environment": dict(os.environ)}


def _status(connection: socket.socket) -> int:
    """The exit status that the server tells when the worker has ended, in the way of shells."""
    try:
        answer = connection.recv(16)
    except OSError:
        answer = b""
    if not answer:
        say("error: the server of workers has ended, and this job with it")
        return 1
    status = int(answer)
    if status < 0:
        name = signal.Signals(-status).name
        hint = HINTS.get(name, "")
        say(f"error: the worker of this job was ended by {name}{hint}")
        return 128 - status
    return status
