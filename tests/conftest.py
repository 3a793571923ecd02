"""Fixtures: prepared data, tiny studies, and single runs that train in milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ganlore import checkpoint, config, grid, plugins
from ganlore import data as datasets
from ganlore import train as training
from ganlore.data import Store
from ganlore.grid import Run

REPOSITORY = Path(__file__).parents[1]

TINY: dict[str, Any] = {
    "name": "tiny",
    "seeds": [0],
    "training": {"budget": 96, "batch": 16, "latent": 4, "snapshots": 2, "history": 3},
    "protocol": {"n_real": 100, "n_fake": 50, "pictures": 8},
    "settings": {
        "networks": {"mlp": {"width": 8, "depth": 2}, "dcgan": {"width": 4}},
        "datasets": {"ring": {"n_train": 400, "n_test": 100}},
    },
    "grids": [{"datasets": ["ring"], "networks": ["mlp"]}],
}

PLACES = {"ring": "mlp", "digits": "dcgan"}
"""A data set of each kind, and the network it is tested with."""


def tiny(**changes: Any) -> config.Study:
    """A study of a few steps, with changed keys."""
    return config.parse(config.merge(TINY, changes), "tiny study")


def tiny_run(
    dataset: str = "ring", loss: str = "nonsaturating", trick: str = "none", **changes: Any
) -> Run:
    """One run of a tiny study."""
    axes = {"datasets": [dataset], "networks": [PLACES[dataset]]}
    tricks = [trick.split("+")] if "+" in trick else [trick]
    study = tiny(grids=[{**axes, "losses": [loss], "tricks": tricks}], **changes)
    return grid.expand(study).runs[0]


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store]:
    """Prepared data sets, small."""
    folder = tmp_path_factory.mktemp("data") / "prepared"
    found = {}
    for name in PLACES:
        settings = TINY["settings"]["datasets"].get(name, {})
        plugin = plugins.create("dataset", name, settings)
        found[name] = datasets.prepare(name, plugin, settings, folder / name)
    return found


@pytest.fixture
def trained(stores: dict[str, Store], tmp_path: Path) -> Callable[..., tuple[str, Any]]:
    """Train a run to its end; gives its status and its whole saved state."""
    count = 0

    def go(run: Run, interval: float = float("inf")) -> tuple[str, Any]:
        nonlocal count
        count += 1
        state = checkpoint.State(tmp_path / f"state{count}", checkpoint.identity(run), interval)
        store = stores[run.dataset.name]
        status = training.train(run, store, state, torch.device("cpu"))
        from ganlore import storage

        saved = storage.read_sealed(state.path)
        saved["snapshots"] = state.snapshots()
        return status, saved

    return go


def equal(one: Any, other: Any) -> bool:
    """Whether nested containers of tensors are bitwise equal."""
    if isinstance(one, torch.Tensor):
        return bool(torch.equal(one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)
