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
from typing import Any

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


def benchmark(path: Path) -> None:
    """Write the resources that this process has used, with Snakemake's units and column names.

    Snakemake's own benchmark of a job measures the client of a warm worker, not the work.
    """
    import psutil

    seconds = max(time.time() - psutil.Process().create_time(), 0.0)
    used = time.process_time()
    minutes, rest = divmod(int(seconds), 60)
    row: dict[str, str | float] = {
        "s": round(seconds, 2),
        "h:m:s": f"{minutes // 60}:{minutes % 60:02}:{rest:02}",
        "max_rss": round(peak_memory_mb(), 2),
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
    """The commit of this package's source, and whether there are changed or untracked files."""
    folder = Path(__file__).parent
    try:
        commit = _run(["git", "rev-parse", "HEAD"], folder)
        dirty = _run(["git", "status", "--porcelain"], folder)
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
