"""The whole of one training: from prepared data to a finished run's files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ganlore import features, provenance, storage
from ganlore.cli import events, kept_states
from ganlore.data import Store
from ganlore.execution import gpu, records
from ganlore.steps import TrainState
from ganlore.study.keep import Beside
from ganlore.study.run import Run
from ganlore.training import build, checkpoint, loop, session
from ganlore.training.history import History


@dataclass
class Watched(checkpoint.Checkpoints):
    """Checkpoints of a training whose history is written as events too."""

    events: events.History = field(kw_only=True)

    def restore(self, state: TrainState, history: History) -> tuple[int, float]:
        """As ever; the events begin with the history so far."""
        step, seconds = super().restore(state, history)
        self.events.begin(history.rows, seconds)
        return step, seconds

    def save_sometimes(
        self, step: int, state: TrainState, history: History, seconds: float
    ) -> None:
        """As ever, with the events of the new row."""
        self.events.add(history.rows)
        super().save_sometimes(step, state, history, seconds)

    def save(self, step: int, state: TrainState, history: History, seconds: float) -> None:
        """As ever, with the events of the last row."""
        self.events.add(history.rows)
        super().save(step, state, history, seconds)


def train(
    run: Run,
    data: Path,
    folder: Path,
    state_folder: Path,
    save_every: float,
    beside: Beside | None = None,
) -> str:
    """Train a run from its last saved state if there is one, and write its files.

    Args:
        run: the run's settings.
        data: the folder of prepared data and fitted extractors.
        folder: where the finished run's files go.
        state_folder: where the state lies while it trains; an error is recorded there too.
        save_every: seconds between two saved states.
        beside: what else is written, and where.

    Returns:
        The run's status.
    """
    words = (run, data, folder, state_folder, save_every, os.getpid(), beside)
    with session.settings_of(run.training):
        return loop.drain(steps(*words))


def steps(
    run: Run,
    data: Path,
    folder: Path,
    state_folder: Path,
    save_every: float,
    process: int,
    beside: Beside | None = None,
) -> loop.Steps:
    """As `train`, one step at a time, inside `session.settings_of`.

    Args:
        run: the run's settings.
        data: as in `train`.
        folder: as in `train`.
        state_folder: as in `train`.
        save_every: as in `train`.
        process: the one that lives as long as the training.
        beside: as in `train`.
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
        provenance.environment()  # before training: the commit is that of the code that was loaded
        with _checkpoints(state_folder, identity, save_every, process, beside) as checkpoints:
            if beside is not None:
                kept_states.adopt(run, store, fitted, device_name, checkpoints, beside.kept)
            status = yield from session.steps(run, store, checkpoints, device, extractors)
    keeps = beside is not None and beside.states
    aside = kept_states.keep(checkpoints, beside.kept) if beside and keeps else None
    if records.KEEP_STATE in os.environ:
        checkpoints = Kept(state_folder, identity)
    checkpoint.finish(run, store, folder, checkpoints, status, device_name, fitted)
    if beside is not None:
        kept_states.settle(aside, beside.kept, folder)
    return status


class Kept(checkpoint.Checkpoints):
    """The states of a finished run that may have to write its files once more."""

    def clear(self) -> None:
        """Leave them to the run's evaluation."""


@contextlib.contextmanager
def _checkpoints(
    folder: Path, identity: str, save_every: float, process: int, beside: Beside | None
) -> Iterator[checkpoint.Checkpoints]:
    """The checkpoints of a training, which may have events beside them; those of before go."""
    words = (folder, identity, save_every, process)
    if beside is None or not beside.tensorboard:
        if beside is not None:
            events.clear(beside.events)
        yield checkpoint.Checkpoints(*words)
        return
    events.refuse_without_package()
    with contextlib.closing(events.History(beside.events)) as history:
        yield Watched(*words, events=history)


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
