"""The process that trains runs in turn on one GPU, for jobs that wait for it.

A server of workers forks it before anything has touched CUDA, and passes it each job's connection
and open files. All of its runs agree in what a process has one of: environment, directory, threads
and kernels. What a run prints goes to its own job's log.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import os
import select
import socket
import sys
import time
import traceback
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganlore.cli import client, training
from ganlore.cli.app import explained
from ganlore.cli.together import ALONE, Device, Ended, Member, Together, let_go
from ganlore.console import say
from ganlore.errors import GanloreError
from ganlore.execution import gpu, gpu_slots, sharing
from ganlore.provenance import peak_memory_mb
from ganlore.study import outside
from ganlore.study.keep import Beside
from ganlore.study.run import Run
from ganlore.training import batches, build, loop, session

IDLE = 60.0
"""Seconds without a job after which the process ends, and leaves the GPU to others."""

POLL = 0.02
"""Seconds between two looks for jobs that come or go."""

LARGEST = 1 << 20
"""Bytes of a job; its settings are thousands."""

DATASETS = 2
"""Data sets that stay on the device while no run trains on them."""


@dataclass(eq=False)
class Job:
    """A job that waits for its run.

    Attributes:
        connection: to the process that waits.
        files: the lock on the run, its output and its errors.
        steps: begins the training.
        kind: as a `Member` has it.
        began: when it came.
        cpu: seconds of the processor before its last beginning.
    """

    connection: socket.socket
    files: list[int]
    steps: Callable[[], loop.Steps]
    kind: Hashable
    began: float = field(default_factory=time.time)
    cpu: float = 0.0

    def close(self) -> None:
        """Close all of it: the lock last, when nothing more is written."""
        self.connection.close()
        for file in reversed(self.files):
            os.close(file)


class DeviceWorker:
    """Trains what comes through a socket, until nothing has come for a while."""

    def __init__(self, inbox: socket.socket) -> None:
        self.inbox = inbox
        self.jobs: dict[Member, Job] = {}
        self.own = os.dup(1), os.dup(2)
        self.speaker: Job | None = None
        self.settings = ExitStack()
        self.together: Together | None = None
        self.device: Device | None = None
        self.plugins: dict[Path, tuple[int, int]] = {}

    def serve(self) -> None:
        """Train until there is nothing more to do."""
        with self.settings:
            looked = 0.0
            while True:
                now = time.monotonic()
                if not self.jobs or now - looked >= POLL:
                    looked = now
                    if not self.listen(0.0 if self.jobs else IDLE) and not self.jobs:
                        return
                if self.together is not None and self.jobs:
                    for ended in self.together.round():
                        self.answer(ended)
                        let_go(ended.error)
                    self.send_away()

    def listen(self, patience: float) -> bool:
        """Take the jobs that come and drop those whose process has gone; whether there were any."""
        doors = {job.connection: member for member, job in self.jobs.items()}
        ready = select.select([self.inbox, *doors], [], [], patience)[0]
        for door in ready:
            if door is not self.inbox:
                self.drop(doors[door])
        if self.inbox in ready:
            payload, files, _, _ = socket.recv_fds(self.inbox, LARGEST, 4)
            if not payload:  # the server has ended
                os._exit(1)
            self.take(payload, files)
        return bool(ready)

    def take(self, payload: bytes, files: list[int]) -> None:
        """Take a job, or decline it by closing its connection."""
        connection = socket.socket(fileno=files[0])
        try:
            job = self.job(json.loads(payload), connection, files[1:])
            connection.sendall(client.ACCEPTED)
        except Exception as error:  # whatever it is, the job's own process trains the run
            os.write(files[-1], f"not trained in turn with others: {error}\n".encode())
            connection.close()
            for file in files[1:]:
                os.close(file)
            return
        self.enlist(job, job.kind)

    def job(self, asked: dict[str, Any], connection: socket.socket, files: list[int]) -> Job:
        """A job from what its process asks for.

        Raises:
            ValueError: if a plug-in's file has changed since this process has loaded it.
        """
        run = Run.model_validate_json(asked["run"])
        now = plugins(run)
        if any(self.plugins.setdefault(path, version) != version for path, version in now.items()):
            raise ValueError("a plug-in's file has changed since they began")
        if self.together is None:
            self.begin(run)
        data, folder, state_folder = map(Path, asked["paths"])
        every, process = float(asked["save_every"]), int(asked["process"])
        beside = Beside.model_validate_json(asked["beside"])
        return Job(
            connection,
            files,
            lambda: training.steps(run, data, folder, state_folder, every, process, beside),
            (run.dataset.name, run.network.name, run.variant),
        )

    def enlist(self, job: Job, kind: Hashable) -> None:
        """Let a job wait for its first step, from the run's last saved state if there is one."""
        assert self.together is not None
        member = Member(self.telling(job.steps()), kind, lambda: self.speak(job), job.cpu)
        self.jobs[member] = job
        self.together.waiting.append(member)

    def begin(self, run: Run) -> None:
        """Set what all runs agree in, by the first of them."""
        self.settings.enter_context(session.settings_of(run.training))
        batches.keep(DATASETS)
        self.device = Device(build.device(run.training.device))
        self.together = Together(self.device, gpu_slots.per_gpu(), gpu_slots.in_turn())

    def telling(self, steps: loop.Steps) -> loop.Steps:
        """The same steps; the run's log says which process trains it, and beside how many."""
        where = os.environ.get(gpu_slots.VISIBLE, "")
        say(f"process {os.getpid()} trains this run, in turn with others on GPU {where}")
        status = yield from steps
        assert self.together is not None
        number, settled = self.together.wanted
        if settled:
            say(sharing.sentence(self.together.speedups, number))
        return status

    def speak(self, job: Job | None) -> None:
        """Let output go to a job's files, or to this process's own."""
        if job is self.speaker:
            return
        with contextlib.suppress(OSError):  # its reader may have gone
            sys.stdout.flush()
            sys.stderr.flush()
        for number, file in zip((1, 2), job.files[1:] if job else self.own, strict=True):
            os.dup2(file, number)
        self.speaker = job

    def answer(self, ended: Ended) -> None:
        """Tell a job how its run has ended; one that lacked memory beside others begins again."""
        assert self.together is not None
        member, job = ended.member, self.jobs[ended.member]
        self.speak(job)
        if ended.error is None:
            used = [time.time() - job.began, member.cpu, peak_memory_mb()]
            self.finish(member, {"status": ended.status, "used": used})
        elif self.together.active and gpu.short_of_memory(ended.error):
            del self.jobs[member]
            job.cpu = member.cpu
            say(
                "the GPU has too little memory for this run beside others: it will be trained alone"
            )
            self.enlist(job, ALONE)
        else:
            self.finish(member, self.failure(ended.error))
            if self.device is not None and self.device.broken():
                os._exit(1)  # each job says that this process has ended

    def failure(self, error: BaseException) -> dict[str, Any]:
        """What a job is to do after an error, which is printed here unless a user can mend it."""
        try:
            with explained():
                raise error
        except GanloreError as mendable:
            return {"error": str(mendable)}
        except BaseException:  # of a plug-in
            traceback.print_exc()
            return {"exit": 1}

    def finish(self, member: Member, reply: dict[str, Any]) -> None:
        """Send a job its answer and close its files."""
        self.speak(None)
        job = self.jobs.pop(member)
        with contextlib.suppress(OSError):
            job.connection.sendall(json.dumps(reply).encode())
        job.close()

    def drop(self, member: Member) -> None:
        """End the run of a job that has gone."""
        assert self.together is not None
        self.speak(None)
        with contextlib.suppress(Exception):
            member.steps.close()
        self.together.remove(member)
        self.jobs.pop(member).close()

    def send_away(self) -> None:
        """Have jobs train by themselves that are to share the GPU, but gain nothing in turn.

        A step that Python and launches keep busy gains in a process of its own.
        """
        assert self.together is not None
        if gpu_slots.SHARE in os.environ and self.together.wanted[1]:
            for member in list(self.together.waiting):
                if len(self.together.active) >= self.together.wanted[0]:
                    self.together.remove(member)
                    self.finish(member, {"alone": True})


def plugins(run: Run) -> dict[Path, tuple[int, int]]:
    """The files of a run's plug-ins from outside this package, with their times and sizes."""
    paths = outside.files([run]).values()
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in paths}


def serve(inbox: socket.socket) -> None:
    """Be the process."""
    with contextlib.suppress(io.UnsupportedOperation):
        faulthandler.enable()  # compiled code that crashes says so in the log of the run
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    DeviceWorker(inbox).serve()
