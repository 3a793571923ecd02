"""The whole of one training: from prepared data to a finished run's files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ganlore import features, provenance, storage
from ganlore.data import Store
from ganlore.execution import gpu
from ganlore.study.run import Run
from ganlore.training import build, checkpoint, loop


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
    checkpoint.announce(state_folder)  # from here on a process that ends leaves a trace
    with _recorded(state_folder), gpu.failure_explained(f"run {run.id}"):
        device = build.device(run.training.device)
        device_name = gpu.name(device)  # a GPU that fails later cannot tell it
        store = Store.open(data / "prepared" / run.dataset.name).require(run.dataset.settings)
        extractors = {
            name: features.open_fitted(name, store, data / "extractors" / store.name / name)
            for name in run.training_extractors
        }
        fitted = provenance.fitted(extractors, store.name, data)
        identity = checkpoint.identity(run, store, fitted)
        checkpoints = checkpoint.Checkpoints(state_folder, identity, save_every)
        provenance.environment()  # before training: the commit is that of the code that was loaded
        status = loop.train(run, store, checkpoints, device, extractors)
    checkpoint.finish(run, store, folder, checkpoints, status, device_name, fitted)
    return status


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
