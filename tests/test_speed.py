"""Precision, layout, mirrored images, determinism; no step waits for the device."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ganlore import accelerate, build, config, gpu, grid, plugins, train
from ganlore.batches import Batches
from ganlore.console import Forecast
from ganlore.errors import GanloreError
from ganlore.grid import Run
from tiny import equal, tiny, tiny_run

CPU = torch.device("cpu")
LOSSES = tuple(plugins.find("loss"))
TRICKS = tuple(plugins.find("trick"))
FAST = {"precision": "bf16", "channels_last": True}


def place_of(loss: str, trick: str) -> str:
    """The images of `digits`, or the points of `ring` for what has no meaning on images."""
    return "ring" if grid.why_not("digits", "dcgan", loss, [trick]) else "digits"


def loss_for(trick: str) -> str:
    """A loss that a trick goes with."""
    fits = (loss for loss in ("nonsaturating", *LOSSES) if not why_not(loss, trick))
    return next(fits)


def why_not(loss: str, trick: str) -> Any:
    return grid.why_not("digits", "dcgan", loss, [trick]) and grid.why_not(
        "ring", "mlp", loss, [trick]
    )


CELLS = [(loss, "none") for loss in LOSSES] + [(loss_for(t), t) for t in TRICKS if t != "none"]


def cell(loss: str, trick: str, **training: Any) -> Run:
    return tiny_run(place_of(loss, trick), loss, trick, training=training)


@pytest.fixture
def stepper(stores, fitted) -> Callable[[Run], train.Stepper]:
    """What makes a run's steps."""

    def make(run: Run) -> train.Stepper:
        store, settings = stores[run.dataset.name], run.training
        who = build.player(run, store.shape, store.classes, CPU)
        who.extractors = fitted(run)
        layout = accelerate.layout(settings)
        batches = Batches(store, settings.batch, run.seed, CPU, settings.flip, layout)
        return train.Stepper(run, who, batches, CPU)

    return make


# -- no step waits for the device ------------------------------------------------------------------

READS = {"_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select", "_unique2"} | {
    "lift_fresh"
}
"""Operations whose result, or its size, the host must wait for; and numbers of the host's, as
`torch.tensor` gives them, which wait on their way to a GPU."""


class Unsynchronised(TorchDispatchMode):
    """Refuses what would make the host wait for a GPU: values read, and sizes that depend on them.

    Without a GPU, torch still dispatches these operations as it would with one.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        masks = name in ("index", "index_put_", "index_put") and any(
            i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]
        )
        assert name not in READS and not masks, f"{name} makes the host wait for the device"
        return func(*args, **(kwargs or {}))


@pytest.fixture
def one_hot_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU alone, `one_hot` looks at the labels' range; on a GPU the kernel does."""

    def one_hot(labels: Tensor, classes: int) -> Tensor:
        out = labels.new_zeros(*labels.shape, classes)
        return out.scatter_(-1, labels[..., None], 1)

    monkeypatch.setattr(torch.nn.functional, "one_hot", one_hot)


@pytest.mark.parametrize("loss, trick", CELLS)
def test_no_step_reads_a_tensor(stepper, one_hot_of_a_gpu, loss: str, trick: str) -> None:
    """The first step, one of the generator's too (n_critic is 5 at most), one of a new epoch."""
    made = stepper(cell(loss, trick, budget=16 * 200))
    with Unsynchronised():
        for step in (0, 4, made.batches.per_epoch):
            made.play(step)


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: float(x[0]),
        lambda x: 1 if x.sum() > 0 else 0,
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: torch.equal(x, x),
        lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
    ],
)
def test_what_waits_for_the_device_is_seen(wait: Callable[[Tensor], Any]) -> None:
    with Unsynchronised(), pytest.raises(AssertionError, match="makes the host wait"):
        wait(torch.ones(3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("loss", LOSSES)
def test_no_step_waits_for_a_gpu(stores, loss: str) -> None:
    run = cell(loss, "none", budget=960)
    store, device = stores[run.dataset.name], torch.device("cuda")
    who = build.player(run, store.shape, store.classes, device)
    made = train.Stepper(run, who, Batches(store, 16, 0, device), device)
    made.play(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        made.play(1)
    finally:
        torch.cuda.set_sync_debug_mode("default")
