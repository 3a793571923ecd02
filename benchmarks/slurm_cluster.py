"""A Slurm cluster on this machine: munged, slurmctld and two slurmd, without systemd.

    with Cluster() as cluster:
        subprocess.run(["sinfo"], env=cluster.environment)

Everything of it lies in one temporary folder, which everyone may read: munged asks for that. Only
the processes that were started here are ended, by their ids. Debian: `apt install slurmctld slurmd
slurm-client munge`; nothing has to be configured.
"""

from __future__ import annotations

import contextlib
import getpass
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
PLUGIN = "snakemake_executor_plugin_slurm"
PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
"""Where daemons are, which a user's PATH may lack."""

PATIENCE = 30.0
"""Seconds for the daemons to answer, and for their ends."""

CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=0
KillWait=3
MinJobAge=3600
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobs.txt
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} "
    "RealMemory={memory} Gres=gpu:1 State=UNKNOWN\n"
)
PARTITION = "PartitionName={name} Nodes=ALL Default={default} MaxTime=INFINITE State=UP\n"


def missing() -> str:
    """Why there can be no cluster here, empty if there can."""
    absent = [name for name in PROGRAMS if not shutil.which(name, path=PLACES)]
    if absent:
        return f"no {', '.join(absent)} (Debian: apt install slurmctld slurmd slurm-client munge)"
    if importlib.util.find_spec(PLUGIN) is None:
        return "no snakemake-executor-plugin-slurm (pip install -c constraints.txt '.[slurm]')"
    return ""


class Cluster:
    """Two nodes and the partitions `cpu`, the default one, and `gpu`, while it is open.

    Attributes:
        folder: of its configuration, logs and state, while it is open.
        nodes: their names.
        environment: for the processes that are to use it.
    """

    def __init__(self, cpus: int = 2, memory: int = 8000) -> None:
        """A cluster that is not started.

        Args:
            cpus: processors that each node says it has.
            memory: MB that each node says it has.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.nodes = ("n1", "n2")
        self.cpus, self.memory = cpus, memory
        self.environment = {
            **os.environ, "PATH": PLACES, "SLURM_CONF": f"{self.folder}/slurm.conf"
        }  # fmt: skip
        self.daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Cluster:
        """Start it, and wait until its nodes take jobs."""
        self._configure()
        try:
            self._start(
                "munged", "--foreground", f"--key-file={self.folder}/munge.key",
                f"--socket={self.folder}/munge.socket", f"--pid-file={self.folder}/munge.pid",
                f"--log-file={self.folder}/munge.log", f"--seed-file={self.folder}/munge.seed",
            )  # fmt: skip
            self._wait((self.folder / "munge.socket").exists, "munged has no socket")
            self._start("slurmctld", "-D", "-c")
            for node in self.nodes:
                self._start("slurmd", "-D", "-N", node)
            self._wait(lambda: self.states() == dict.fromkeys(self.nodes, "idle"), "no idle nodes")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End its jobs and its daemons."""
        self._stop()

    def ask(self, *words: str) -> str:
        """What one of Slurm's commands prints.

        Raises:
            RuntimeError: if it fails, with what it says.
        """
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def states(self) -> dict[str, str]:
        """The state of each node, empty while the controller does not answer."""
        with contextlib.suppress(RuntimeError):
            lines = self.ask("sinfo", "-h", "-N", "-p", "cpu", "-o", "%N %T").splitlines()
            return dict(line.split() for line in lines)
        return {}

    def jobs(self, *words: str) -> dict[str, str]:
        """The state of each job, ended ones too."""
        lines = self.ask("squeue", "-h", "-t", "all", "-o", "%i %T", *words).splitlines()
        return dict(line.split() for line in lines)

    def _configure(self) -> None:
        """Write slurm.conf, gres.conf and munge's key."""
        self.folder.chmod(0o755)
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        host, ports = socket.gethostname().split(".")[0], _free_ports(1 + len(self.nodes))
        text = CONF.format(host=host, user=getpass.getuser(), folder=self.folder, ports=ports)
        for name, port in zip(self.nodes, ports[1:], strict=True):
            (self.folder / f"spool-{name}").mkdir()
            text += NODE.format(name=name, host=host, port=port, cpus=self.cpus, memory=self.memory)
        text += PARTITION.format(name="cpu", default="YES")
        text += PARTITION.format(name="gpu", default="NO")
        (self.folder / "slurm.conf").write_text(text, encoding="utf-8")
        # a GPU that can be asked for; nothing uses it
        gpus = f"NodeName={','.join(self.nodes)} Name=gpu File=/dev/null\n"
        (self.folder / "gres.conf").write_text(gpus, encoding="utf-8")

    def _start(self, program: str, *words: str) -> None:
        path = shutil.which(program, path=PLACES)
        assert path is not None
        with (self.folder / f"{program}.out").open("ab") as output:
            self.daemons.append(
                subprocess.Popen(
                    [path, *words],
                    env=self.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is not for them: they are ended in order
                )
            )

    def _wait(self, ready: Callable[[], bool], problem: str) -> None:
        end = time.monotonic() + PATIENCE
        while not ready():
            ended = [daemon for daemon in self.daemons if daemon.poll() is not None]
            if ended or time.monotonic() > end:
                logs = [*self.folder.glob("*.out"), *self.folder.glob("*.log")]
                texts = [
                    f"{log.name}:\n{log.read_text(encoding='utf-8', errors='replace')[-1500:]}"
                    for log in logs
                ]
                raise RuntimeError("\n".join([f"the cluster did not start: {problem}", *texts]))
            time.sleep(0.1)

    def _stop(self) -> None:
        with contextlib.suppress(RuntimeError, OSError, subprocess.TimeoutExpired):
            if active := list(self.jobs("-t", "pending,running,completing")):
                self.ask("scancel", *active)
                end = time.monotonic() + PATIENCE
                while self.jobs("-t", "running,completing") and time.monotonic() < end:
                    time.sleep(0.2)
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons.clear()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free_ports(number: int) -> list[int]:
    """Ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
