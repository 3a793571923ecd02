"""The origin of a result: code, versions, machine."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterable
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from ganlore import __version__, shapes, storage

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "snakemake")


@lru_cache(maxsize=1)
def environment() -> dict[str, Any]:
    """Git commit and dirty flag, versions and hardware of this process."""
    return {
        "git": _git(),
        "python": platform.python_version(),
        "versions": {"ganlore": __version__, **{name: _version(name) for name in PACKAGES}},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
    }


def fitted(extractors: Iterable[str], dataset: str, data: Path) -> dict[str, str]:
    """The hash of each extractor's record, which holds the hashes of its files.

    Args:
        extractors: their names.
        dataset: the data set that they were fitted to.
        data: the folder with fitted extractors.

    Raises:
        GanloreError: if one is missing or altered.
    """
    hashes = {}
    for name in extractors:
        record = data / "extractors" / dataset / name / "record.json"
        remedy = f"ganlore extract {dataset} {name} --data {data}"
        storage.open_record(record, remedy, shapes.Fitted)
        hashes[name] = storage.sha256(record)
    return hashes


def peak_memory_mb() -> float:
    """The peak resident memory of this process so far, in MiB.

    A warm worker's includes the imports, which it shares with its server.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # kilobytes on Linux, bytes on macOS
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)


class Used(NamedTuple):
    """What a job has used.

    Attributes:
        seconds: of the clock, from its beginning.
        cpu: seconds of processors.
        peak: the peak resident memory in MiB, of the whole process that has worked for it.
    """

    seconds: float
    cpu: float
    peak: float

    @classmethod
    def here(cls) -> Used:
        """By this process so far."""
        import psutil

        seconds = max(time.time() - psutil.Process().create_time(), 0.0)
        return cls(seconds, time.process_time(), peak_memory_mb())


def benchmark(path: Path, by: Used | None = None) -> None:
    """Write the resources that a job has used, with Snakemake's units and column names.

    Snakemake's own benchmark of a job measures the client of a warm worker, not the work.

    Args:
        path: where to write.
        by: what was used; what this process has used, if None.
    """
    seconds, used, peak = by or Used.here()
    minutes, rest = divmod(int(seconds), 60)
    row: dict[str, str | float] = {
        "s": round(seconds, 2),
        "h:m:s": f"{minutes // 60}:{minutes % 60:02}:{rest:02}",
        "max_rss": round(peak, 2),
        "mean_load": round(100 * used / max(seconds, 0.01), 2),
        "cpu_time": round(used, 2),
    }
    lines = ("\t".join(row), "\t".join(map(str, row.values())))
    storage.write_text(path, "\n".join(lines) + "\n")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git() -> dict[str, Any]:
    """The commit of this package's source, and whether there are changed or untracked files.

    `dvc.lock` is what DVC notes of results, which `make report` leaves there, and no source.
    """
    folder = Path(__file__).parent
    try:
        commit = _run(["git", "rev-parse", "HEAD"], folder)
        dirty = _run(["git", "status", "--porcelain", "--", ":/", ":(exclude,top)dvc.lock"], folder)
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(dirty)}


def _run(command: list[str], folder: Path) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return result.stdout.strip()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
