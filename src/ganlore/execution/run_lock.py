"""The lock on a run: one process at a time trains or evaluates it.

It is a `flock` on a file beside the run's saved state, which the kernel gives back when the process
ends, however it ends. The file stays, empty of meaning: another one in its place could be locked
while the first still is.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ganlore.errors import GanloreError


@contextmanager
def held(state_folder: Path, run_id: str) -> Iterator[IO[str]]:
    """Hold the lock on a run.

    Args:
        state_folder: where the run's state lies while it trains; the lock lies beside it.
        run_id: the run's path, for the message.

    Yields:
        The locked file: who has it open as well, by this very opening, holds the lock too.

    Raises:
        GanloreError: if another process holds it; with its id.
    """
    path = state_folder.with_name(f"{state_folder.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise GanloreError(
                f"{run_id}: another process is training or evaluating this run: process "
                f"{file.read().strip() or '(unknown)'}\n"
                f"  wait until it ends, or end it; nothing was changed ({path})"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file
