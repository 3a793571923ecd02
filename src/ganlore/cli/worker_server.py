"""Warm workers: a server that imports what jobs need once, and forks a worker for each job.

`start` is called once by the Snakefile. The server imports nothing heavy until the first job asks.
A worker has its client's arguments, environment, directory and open files, and does what the
client's own process would do; where that is not sure, the server declines and the client does it.

Who holds what decides who lives: the server lives as long as the process that started it (a pipe),
a worker as long as its client (the connection) and the server (a pipe). The kernel closes these
when a process ends, however it ends.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NoReturn

from ganlore.cli import client
from ganlore.cli.device_workers import DeviceWorkers

OWN = frozenset({"_", "CUDA_VISIBLE_DEVICES", "OLDPWD", "PWD", "SHLVL"})
"""Variables that a job may have to itself. Any other, such as OMP_NUM_THREADS, may be read when a
library loads: a job that has another value is not for this server."""

MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**26)}
"""Settings of glibc for the server and its workers: arrays of a few MiB come and go all the time,
and need not be given back to the system, whose fresh pages cost a third of an extractor's time."""

PATIENCE = 10.0
"""Seconds that a client may take to say what it wants."""

LARGEST = 1 << 26
"""Bytes of a request; settings and environment are thousands."""

KEYS = {"python": str, "package": str, "cwd": str, "umask": int, "environment": dict,
        "arguments": list}  # fmt: skip
"""What a request has."""


def start() -> None:
    """Start a server for the jobs of this process; it ends with this process.

    Where no socket can be made (its path is too long), there is none, and jobs run by themselves.
    """
    folder = tempfile.mkdtemp(prefix="ganlore-")  # only its owner may enter it
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(f"{folder}/socket")
        except OSError:
            shutil.rmtree(folder)
            return
        listener.listen(1024)
        module = (sys.executable, "-P", "-m", "ganlore.cli.worker_server")
        server = subprocess.Popen(
            [*module, str(listener.fileno()), folder],
            stdin=subprocess.PIPE,  # nothing is written to it: its end tells of ours
            pass_fds=[listener.fileno()],
            env=os.environ | MEMORY,
            start_new_session=True,  # Ctrl-C is for the clients, whose workers end with them
        )
    os.environ[client.ADDRESS] = f"{folder}/socket"
    atexit.register(_stop, server, folder)


def _stop(server: subprocess.Popen[bytes], folder: str) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)  # the server may have been killed


class Server:
    """Forks a worker for each request.

    It has one thread and never computes, so that no pool of threads and no CUDA is there to fork.
    """

    def __init__(self, listener: socket.socket, owner: int) -> None:
        self.listener = listener
        self.owner = owner
        self.lifeline = os.pipe()  # its writing end is the server's alone
        self.jobs: dict[int, tuple[int, socket.socket]] = {}
        self.devices = DeviceWorkers()
        self.suited: dict[str, Any] | None = None
        self.code: frozenset[tuple[str, int, int]] = frozenset()

    def serve(self) -> None:
        """Answer until the owner ends."""
        while True:
            incoming = self.listener.fileno()
            watched = [self.owner, incoming, *self.jobs, *self.devices.sockets]
            ready = select.select(watched, [], [])[0]
            if self.owner in ready:
                return
            self.devices.forget(ready)
            for ended in self.jobs.keys() & set(ready):
                self.tell(ended)
            if incoming in ready:
                with self.listener.accept()[0] as connection:
                    connection.settimeout(PATIENCE)
                    # a client that has gone, or talks nonsense
                    with contextlib.suppress(OSError, ValueError):
                        self.answer(connection)

    def tell(self, ended: int) -> None:
        """Tell a client its worker's exit status; below 0 it is a signal's number."""
        worker, connection = self.jobs.pop(ended)
        os.close(ended)
        status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
        with connection, contextlib.suppress(OSError):
            connection.sendall(str(status).encode())

    def answer(self, connection: socket.socket) -> None:
        """Fork a worker for a request, or decline it."""
        request, files = _receive(connection)
        try:
            if not self.suits(request):
                return
            if request["arguments"][:1] == [client.SHARE]:
                self.share(request, files, connection)
            else:
                connection.sendall(client.ACCEPTED)
                alive, ended = os.pipe()
                worker = os.fork()
                if not worker:
                    self.become(request, files, connection)
                os.close(ended)
                self.jobs[alive] = worker, connection.dup()
        finally:
            for file in files:
                os.close(file)

    def suits(self, request: dict[str, Any]) -> bool:
        """Whether a worker would do just what the client's own process would.

        Not with another environment or another Python than those that the imports have seen, and
        not after a file of this package has changed.
        """
        asked: dict[str, Any] = dict(client.identity())
        if any(request[name] != value for name, value in asked.items()):
            return False  # nor may another Python's first request decide what this server is for
        asked |= {k: v for k, v in request["environment"].items() if k not in OWN}
        if self.suited is None:
            self.suited = asked
            _take_environment(request)
            self.code = _code()
            if not _import():
                self.code = frozenset()
        return asked == self.suited and self.code == _code()

    def share(self, request: dict[str, Any], files: list[int], connection: socket.socket) -> None:
        """Pass a job on to the process that trains runs of its kind in turn, which is forked here.

        That process accepts it, or this connection ends and the job does its work itself.
        """

        def become(inbox: socket.socket) -> None:
            connection.close()
            for file in files:
                os.close(file)
            self.leave(self.lifeline[0])
            _situate(request)
            from ganlore.cli import device_worker

            device_worker.serve(inbox)

        self.devices.pass_on(request, [connection.fileno(), *files], become)

    def leave(self, *others: int) -> None:
        """In a process that was forked: close what is the server's, and end with others' ends."""
        os.close(self.lifeline[1])
        self.listener.close()
        self.devices.close()
        for _, connection in self.jobs.values():
            connection.close()  # its client's end is for its own worker to see
        threading.Thread(target=_end_with, args=others, daemon=True).start()

    def become(self, request: dict[str, Any], files: list[int], peer: socket.socket) -> NoReturn:
        """Run a request in this process, which has just been forked for it, and end."""
        status = 1
        try:
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            peer.settimeout(None)
            self.leave(peer.fileno(), self.lifeline[0])
            _situate(request)
            status = _run(request["arguments"])
        except OSError as error:  # the directory may be gone
            print(f"error: {error}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)


def _receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request and its client's open files.

    Raises:
        OSError: if the client has gone, or takes too long.
        ValueError: if it is no request.
    """
    head, files, _, _ = socket.recv_fds(connection, 8, 3)
    try:
        size = int.from_bytes(head, "big")
        if len(files) != 3 or size > LARGEST:
            raise ValueError("no request")
        return _request(_payload(connection, size)), files
    except (OSError, ValueError):
        for file in files:
            os.close(file)
        raise


def _payload(connection: socket.socket, size: int) -> bytes:
    """So many bytes; whoever sends them one at a time may not keep all others waiting."""
    payload, end = bytearray(), time.monotonic() + PATIENCE
    while len(payload) < size:
        part = connection.recv(1 << 16)
        if not part or time.monotonic() > end:
            raise ConnectionError("the client has gone, or takes too long")
        payload += part
    return bytes(payload)


def _request(payload: bytes) -> dict[str, Any]:
    """A request that can be run.

    Raises:
        ValueError: if it lacks a key, or one has another type.
    """
    try:
        request = json.loads(payload)
    except RecursionError:
        raise ValueError("no request") from None
    if not isinstance(request, dict) or not all(
        isinstance(request.get(key), kind) for key, kind in KEYS.items()
    ):
        raise ValueError("no request")
    environment: dict[str, Any] = request["environment"]
    texts = [request["cwd"], *request["arguments"], *environment, *environment.values()]
    if not all(isinstance(text, str) and b"\0" not in os.fsencode(text) for text in texts):
        raise ValueError("no request")
    if not all(name and "=" not in name for name in environment):
        raise ValueError("no request")
    return request


def _take_environment(request: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(request["environment"])


def _situate(request: dict[str, Any]) -> None:
    """Take a client's environment, umask and directory."""
    _take_environment(request)
    os.umask(request["umask"] & 0o777)
    os.chdir(request["cwd"])


def _import() -> bool:
    """Import what jobs need; False where that fails, and each job will tell of it by itself."""
    try:
        from ganlore import provenance
        from ganlore.study import declarations, fingerprint, registry

        for module in ("cli.main", "cli.device_worker", "evaluation.evaluate"):
            importlib.import_module(f"ganlore.{module}")

        # parsed once; workers look at times only
        fingerprint.of(declarations.PACKAGE.rglob("*.py"))
        provenance.environment()
    except Exception:
        return False
    for kind in registry.KINDS:
        for name, path in registry.find(kind).items():
            with contextlib.suppress(Exception):  # of a plug-in that no job may use
                registry.declaration(kind, name)
                if path.is_relative_to(declarations.PACKAGE):
                    registry.load(kind, name)
    gc.collect()
    gc.freeze()  # workers share these objects, and need not look through them
    return True


def _code() -> frozenset[tuple[str, int, int]]:
    """Every file of this package with its time and size."""
    files = ((path, path.stat()) for path in Path(__file__).parents[1].rglob("*.py"))
    return frozenset((str(path), status.st_mtime_ns, status.st_size) for path, status in files)


def _end_with(*others: int) -> None:
    """End this process at once when one of the other ends of these is closed."""
    select.select(others, [], [])
    os._exit(1)


def _run(arguments: list[str]) -> int:
    """Run a command as its own process would; gives its exit status."""
    from ganlore.cli.main import main as command

    sys.argv = ["ganlore", *arguments]
    try:
        command()
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def main() -> None:
    """Serve on the socket and beside the folder that `start` names."""
    number, folder = sys.argv[1:]
    try:
        with socket.socket(fileno=int(number)) as listener:
            Server(listener, sys.stdin.fileno()).serve()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
