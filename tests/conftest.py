"""Fixtures: prepared data, and training to the end. A GPU is there for tests that are marked `gpu`."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:
    # One thread for each of several processes, and for what they start: with one for each core in
    # each of them, small operations take twice the processor time. Before libraries are loaded.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import pytest
import torch

from ganlore import arrays
from ganlore import data as datasets
from ganlore.data import Store
from ganlore.features import Extractor
from ganlore.study import registry
from ganlore.study.run import Run
from ganlore.training import checkpoint
from ganlore.training import session as training
from machine import REASON, without_gpus
from tiny import PLACES, TINY


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason=REASON))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hide GPUs from all other tests, and from their fixtures of any scope."""
    if item.get_closest_marker("gpu"):
        return (yield)
    with without_gpus():
        return (yield)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """Prepared data sets, small."""
    folder = tmp_path_factory.mktemp("data") / "prepared"
    actual = {}
    for name in PLACES:
        inputs = TINY["settings"]["datasets"].get(name, {})
        settings = registry.declaration("dataset", name).settings(inputs)
        plugin = registry.create("dataset", name, settings)
        actual[name] = datasets.prepare(name, plugin, settings, folder / name)
    return actual


@pytest.fixture(scope="session")
def fitted(stores: dict[str, Store]) -> Callable[[Run], dict[str, Extractor]]:
    """The extractors that a run trains with, fitted in a second, each once."""
    expected: dict[tuple[str, str], Extractor] = {}

    def go(run: Run) -> dict[str, Extractor]:
        store = stores[run.dataset.name]
        for name in run.training_extractors:
            if (store.name, name) not in expected:
                extractor = registry.create("extractor", name, {"epochs": 3})
                extractor.load(extractor.fit(store)[0], store)
                expected[store.name, name] = extractor
        return {name: expected[store.name, name] for name in run.training_extractors}

    return go


@pytest.fixture
def trained(
    stores: dict[str, Store], fitted: Callable[[Run], dict[str, Extractor]], tmp_path: Path
) -> Callable[..., tuple[str, Any]]:
    """Train a run to its end; gives its status and its whole saved state."""
    count = 0

    def go(run: Run, interval: float = float("inf")) -> tuple[str, Any]:
        nonlocal count
        count += 1
        store = stores[run.dataset.name]
        identity = checkpoint.identity(run, store)
        state = checkpoint.Checkpoints(tmp_path / f"state{count}", identity, interval)
        status = training.train(run, store, state, torch.device("cpu"), fitted(run))
        saved = arrays.read_sealed(state.path)
        saved["snapshots"] = state.snapshots()
        return status, saved

    return go


@pytest.fixture
def interrupted(
    stores: dict[str, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Train a run that is killed once it has saved a state, and again to its end.

    Gives its whole saved state. From `killed` steps on the first state that is saved is the last.
    """

    def go(run: Run, killed: int = 0) -> Any:
        store, cpu = stores[run.dataset.name], torch.device("cpu")
        state = checkpoint.Checkpoints(tmp_path / "cut", checkpoint.identity(run, store), 0.0)
        save = checkpoint.Checkpoints.save

        def save_then_die(self: checkpoint.Checkpoints, step: int, *rest: Any) -> None:
            save(self, step, *rest)
            if step >= killed:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(checkpoint.Checkpoints, "save", save_then_die)
            training.train(run, store, state, cpu)
        assert training.train(run, store, state, cpu) == "done"
        saved = arrays.read_sealed(state.path)
        saved["snapshots"] = state.snapshots()
        return saved

    return go
