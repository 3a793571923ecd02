"""The server's side of the processes that train runs in turn: one for each GPU and kind of run."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterable
from typing import Any

PATIENCE = 10.0
"""Seconds that a process may leave a job in its way."""

Key = tuple[object, ...]


class DeviceWorkers:
    """The processes that were forked, with a socket to each, whose other end tells of its end."""

    def __init__(self) -> None:
        self._there: dict[Key, tuple[int, socket.socket]] = {}

    @property
    def sockets(self) -> list[int]:
        """What to watch: a process that has ended is ready."""
        return [link.fileno() for _, link in self._there.values()]

    def forget(self, ready: Iterable[object]) -> None:
        """Forget the processes that have ended, of those whose sockets are ready."""
        for key, (process, link) in list(self._there.items()):
            if link.fileno() in ready:
                del self._there[key]
                link.close()
                os.waitpid(process, 0)

    def close(self) -> None:
        """Close all sockets, in a process that was forked."""
        for _, link in self._there.values():
            link.close()
        self._there.clear()

    def pass_on(
        self,
        request: dict[str, Any],
        files: list[int],
        become: Callable[[socket.socket], None],
    ) -> None:
        """Send a request's job and files to the process for it.

        Args:
            request: its arguments are `share`, the kind of run, and the job.
            files: the job's connection, and its open files.
            become: what a new process does, with its end of the socket.
        """
        _, kind, job = request["arguments"]
        gpu = request["environment"].get("CUDA_VISIBLE_DEVICES")
        key = kind, gpu, request["cwd"], request["umask"]
        with contextlib.suppress(OSError):
            link = self._there[key][1] if key in self._there else self._fork(key, become)
            socket.send_fds(link, [job.encode()], files)

    def _fork(self, key: Key, become: Callable[[socket.socket], None]) -> socket.socket:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = os.fork()
        if not process:
            try:
                ours.close()
                become(its)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                os._exit(0)
        its.close()
        ours.settimeout(PATIENCE)
        self._there[key] = process, ours
        return ours
