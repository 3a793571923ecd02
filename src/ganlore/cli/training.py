"""The whole of one training: from prepared data to a finished run's files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from ganlore import features, provenance, storage
from ganlore.data import Store
from ganlore.execution import gpu, records
from ganlore.study.run import Run
from ganlore.training import build, checkpoint, loop, session


def train(run: Run, data: Path, folder: Path, state_folder: Path, save_every: float) -> str:
    """Train a run from its last saved state if there is one, and write its files.

    Args:
        run: the run's settings.
        data: the folder of prepared data and fitted extractors.
        folder: where the finished run's files go.
        state_folder: where the state lies while it trains; an error is recorded there too.
        save_every: seconds between two saved states.

    Returns:
        The run's status.
    """
    with session.settings_of(run.training):
        return loop.drain(steps(run, data, folder, state_folder, save_every, os.getpid()))


def steps(
    run: Run, data: Path, folder: Path, state_folder: Path, save_every: float, process: int
) -> loop.Steps:
    """As `train`, one step at a time, inside `session.settings_of`.

    Args:
        run: the run's settings.
        data: as in `train`.
        folder: as in `train`.
        state_folder: as in `train`.
        save_every: as in `train`.
        process: the one that lives as long as the training.
    """
    checkpoint.announce(state_folder, process)  # from here on a process that ends leaves a trace
    with _recorded(state_folder), gpu.failure_explained(f"run {run.id}"):
        device = build.device(run.training.device)
        device_name = gpu.name(device)  # a GPU that fails later cannot tell it
        store = _opened(data / "prepared" / run.dataset.name).require(run.dataset.settings)
        extractors = {
            name: features.open_fitted(name, store, data / "extractors" / store.name / name)
            for name in run.training_extractors
        }
        fitted = provenance.fitted(extractors, store.name, data)
        identity = checkpoint.identity(run, store, fitted)
        checkpoints = checkpoint.Checkpoints(state_folder, identity, save_every, process)
        provenance.environment()  # before training: the commit is that of the code that was loaded
        status = yield from session.steps(run, store, checkpoints, device, extractors)
    if records.KEEP_STATE in os.environ:
        checkpoints = Kept(state_folder, identity)
    checkpoint.finish(run, store, folder, checkpoints, status, device_name, fitted)
    return status


class Kept(checkpoint.Checkpoints):
    """The states of a finished run that may have to write its files once more."""

    def clear(self) -> None:
        """Leave them to the run's evaluation."""


@contextlib.contextmanager
def _recorded(state_folder: Path) -> Iterator[None]:
    """Record an error for `ganlore status`."""
    try:
        yield
    except (Exception, SystemExit) as error:
        failure = {"error": f"{type(error).__name__}: {error}"}
        with contextlib.suppress(OSError):  # the disk may be what failed
            storage.write_json(state_folder / "failed.json", failure)
        raise


def _opened(folder: Path) -> Store:
    """Prepared data, whose files are hashed again only if one of them has changed."""
    try:
        files = [(path, path.stat()) for path in sorted(folder.iterdir())]
    except OSError:  # as the store itself will say
        return Store.open(folder)
    return _unchanged(
        folder, tuple((path.name, s.st_mtime_ns, s.st_size, s.st_ino) for path, s in files)
    )


@lru_cache(maxsize=4)
def _unchanged(folder: Path, _files: tuple[tuple[str, int, int, int], ...]) -> Store:
    return Store.open(folder)
