"""Pure auto-encoders: the losses with a reconstruction error and without an adversarial term."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganlore import data as datasets
from ganlore.data import Store
from ganlore.study import registry
from ganlore.study.expand import expand
from ganlore.study.run import Run
from ganlore.training import session
from tiny import equal, tiny, tiny_run

CPU = torch.device("cpu")
LOSSES = ("gan-mae", "gan-mse")


@pytest.mark.parametrize("adversarial", [0.0, 1.0])
@pytest.mark.parametrize("loss", LOSSES)
def test_without_the_adversarial_term_nothing_of_the_discriminator_reaches_the_generator(
    loss, adversarial, trained
) -> None:
    """Two rates of the discriminator give the same generator and encoder, bit for bit."""
    saved = []
    for rate in (1e-4, 1e-2):
        run = tiny_run(
            "digits",
            loss,
            training={"budget": 16 * 20, "optimizer": {"lr_discriminator": rate}},
            settings={"losses": {loss: {"adversarial": adversarial}}},
        )
        saved.append(trained(run)[1])
    one, other = saved
    assert not equal(one["networks"]["discriminator"], other["networks"]["discriminator"])
    same = [equal(one[part], other[part]) for part in ("snapshots",)]
    same.append(equal(one["networks"]["generator"], other["networks"]["generator"]))
    assert same == [adversarial == 0] * 2


SHARE = 0.3


@pytest.fixture
def points(tmp_path: Path) -> Store:
    """A narrow Gaussian at (2, 0), 500 samples."""
    changes = {"distance": 2.0, "n_train": 500, "n_test": 100}
    settings = registry.declaration("dataset", "far-points").settings(changes)
    plugin = registry.create("dataset", "far-points", settings)
    return datasets.prepare("far-points", plugin, settings, tmp_path / "far-points")


def constant_run(loss: str, corrupted: float) -> Run:
    """An auto-encoder whose decoder is a single point, by gradient descent on all samples."""
    grid: dict[str, Any] = {
        "datasets": ["far-points"],
        "networks": ["dirac"],
        "losses": [loss],
        "tricks": ["none"],
    }
    training = {
        "optimizer": {"kind": "sgd", "lr": 0.02},
        "batch": 500,
        "budget": 500 * 600,
        "corrupted": corrupted,
    }
    settings = {
        "datasets": {"far-points": {"distance": 2.0, "n_train": 500, "n_test": 100}},
        "losses": {loss: {"adversarial": 0.0, "weight": 1.0}},
    }
    return expand(tiny(grids=[grid], training=training, settings=settings)).runs[0]


@pytest.mark.parametrize("corrupted", [0.0, SHARE])
@pytest.mark.parametrize("loss, centre", [("gan-mae", np.median), ("gan-mse", np.mean)])
def test_a_constant_decoder_comes_to_the_median_and_to_the_mean(
    loss, centre, corrupted, points
) -> None:
    """What the two errors make of outliers, in closed form, with and without them."""
    trainer = session.build_trainer(constant_run(loss, corrupted), points, CPU)
    for number in range(600):
        trainer.step(number)
    theta = next(trainer.state.generator.parameters()).detach().numpy()
    samples = trainer.batches.samples.numpy()
    assert theta == pytest.approx(centre(samples, axis=0), abs=0.02)
    clean = np.array(points.samples("train"))
    moved = np.linalg.norm(theta - centre(clean, axis=0))
    if not corrupted:
        assert np.array_equal(samples, clean) and moved < 0.02
    elif loss == "gan-mae":
        assert moved < 0.2
    else:
        assert moved > 0.25
