"""What is dear to make is made once for all worker processes of a test run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder, made by the first worker that asks for it; the others wait and take it as it is.

    Args:
        factory: of the run's temporary folders.
        name: of the folder, another for each thing that is made.
        make: makes the folder. If it fails, the next one that asks tries again, in another place.
    """
    place = factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        place = place.parent  # a worker's is inside the run's
    pointer = place / f"{name}.made"
    with filelock.FileLock(f"{pointer}.lock"):
        if not pointer.exists():
            folder = factory.mktemp(name) / name
            make(folder)
            pointer.write_text(str(folder), encoding="utf-8")
    return Path(pointer.read_text(encoding="utf-8"))
