"""The data sets of special set-ups: their points, and what is measured of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from ganlore import data as datasets
from ganlore import features
from ganlore.data import Store
from ganlore.evaluation import evaluate
from ganlore.networks import Discriminator, Spec
from ganlore.study import registry
from ganlore.study.expand import expand
from ganlore.study.protocol import Protocol
from ganlore.training import session
from ganlore.training.history import History, gradient_slope
from tiny import at_step, tiny


def prepared(name: str, folder: Path, **changes: object) -> Store:
    """A data set with its extractor, in a data folder."""
    settings = registry.declaration("dataset", name).settings(changes)
    plugin = registry.create("dataset", name, settings)
    store = datasets.prepare(name, plugin, settings, folder / "prepared" / name)
    features.fit("coordinates", store, folder / "extractors" / name / "coordinates")
    return store


def measured(store: Store, samples: NDArray[np.float32]) -> dict[str, float]:
    """All metrics of points against a prepared data set."""
    data = store.folder.parents[1]
    fitted = data / "extractors" / store.name / "coordinates"
    _, reference = evaluate._opened(
        "coordinates", store, data, Protocol(n_real=None), torch.device("cpu")
    )
    described = features.open_fitted("coordinates", store, fitted).describe(samples)
    return evaluate.compare(described, reference, store)


def test_the_swiss_roll_is_the_spiral() -> None:
    """Without noise each point is t (cos t, sin t) / 7.5, with t uniform from 1.5 to 4.5 pi."""
    splits = registry.create("dataset", "swiss-roll", {"noise": 0.0}).load()
    points = splits["train"].samples.astype(np.float64)
    assert points.shape == (100_000, 2) and splits["test"].samples.shape == (10_000, 2)
    t = 7.5 * np.linalg.norm(points, axis=1)
    expected = t[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1) / 7.5
    assert points == pytest.approx(expected, abs=1e-5)
    low, high = 1.5 * np.pi, 4.5 * np.pi
    assert np.sort(t)[::1000] == pytest.approx(np.linspace(low, high, 101)[:100], abs=0.1)


def test_the_swiss_rolls_noise_is_that_of_the_setting() -> None:
    """The same draws with noise of .25, which is .25 / 7.5 after scaling."""
    one, other = (
        registry.create("dataset", "swiss-roll", {"noise": noise, "n_test": 10}).load()["train"]
        for noise in (0.0, 0.25)
    )
    away = other.samples - one.samples
    assert away.std(axis=0) == pytest.approx([0.25 / 7.5] * 2, rel=0.02)
    assert abs(away.mean(axis=0)).max() < 0.001


def test_data_without_modes_are_measured_without_them(tmp_path) -> None:
    store = prepared("swiss-roll", tmp_path, n_train=400, n_test=300)
    values = measured(store, np.array(store.samples("test")))
    assert not {"modes", "high_quality", "reverse_kl", "centre_distance"} & set(values)
    assert values["precision"] > 0.9 and values["recall"] > 0.9


def test_far_points_are_far_from_where_generators_begin(tmp_path) -> None:
    """Nothing generated at first lies among them; their own distance from the centre is known."""
    store = prepared("far-points", tmp_path, n_train=1000, n_test=5000)
    axes = {"datasets": ["far-points"], "networks": ["mlp"], "losses": ["nonsaturating"]}
    axes["tricks"] = ["none"]
    run = expand(tiny(grids=[axes], training={"batch": 64, "budget": 64 * 20})).runs[0]
    trainer = session.build_trainer(run, store, torch.device("cpu"))
    step = trainer.see("generator", at_step(trainer.state))
    generated = step.generated.detach().numpy()
    assert np.linalg.norm(generated, axis=1).max() < 8
    values = measured(store, generated)
    assert values["precision"] == 0 and values["high_quality"] == 0
    centre = np.array([10.0, 0.0])
    by_hand = np.linalg.norm(generated.astype(np.float64) - centre, axis=1).mean()
    assert values["centre_distance"] == pytest.approx(by_hand)
    real = measured(store, np.array(store.samples("test")))["centre_distance"]
    assert real == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.03)


@pytest.mark.parametrize("std", [0.02, 0.005])
def test_on_a_narrow_ring_lost_modes_and_poor_samples_count_by_hand(tmp_path, std) -> None:
    """Real points of some modes, a quarter of them moved by 4 std across and out of quality."""
    store = prepared("ring", tmp_path, std=std, n_train=8000, n_test=4000)
    samples, labels = np.array(store.samples("test")), store.labels("test")
    assert labels is not None
    chosen = np.concatenate([np.flatnonzero(labels == mode)[:n] for mode, n in KEPT.items()])
    centres = np.asarray(store.manifest["centres"])[labels[chosen]]
    points = centres.astype(np.float32)
    points[::4] += np.float32(4 * std) * np.float32([0.6, 0.8])
    values = measured(store, points)
    shares = np.array(list(KEPT.values())) / sum(KEPT.values())
    data = store.shares()
    assert data is not None
    divergence = sum(p * np.log(p / data[mode]) for p, mode in zip(shares, KEPT, strict=True))
    assert values["modes"] == len(KEPT) and values["high_quality"] == 0.75
    assert values["reverse_kl"] == pytest.approx(divergence)
    assert values["centre_distance"] == pytest.approx(0.25 * 4 * std, rel=1e-4)
    real = measured(store, samples)
    assert real["modes"] == 8 and real["reverse_kl"] < 0.005
    # within 3 std in the plane: 1 - exp(-9 / 2)
    assert real["high_quality"] == pytest.approx(1 - np.exp(-4.5), abs=0.006)


KEPT = {0: 200, 3: 100, 4: 60, 7: 40}
"""The number of samples of each mode that is left."""


def slopes(store: Store, loss: str, **settings: float) -> list[float]:
    """The critic's slopes of gradients in a run on the swiss roll with 12 layers, G held fixed."""
    axes = {"datasets": ["swiss-roll"], "networks": ["mlp"], "losses": [loss], "tricks": ["none"]}
    run = expand(
        tiny(
            grids=[axes],
            training={
                "budget": 32 * 40,
                "batch": 32,
                "freeze_generator": 0.0,
                "policy": "shared",
                "optimizer": {"kind": "adam", "lr": 0.03, "betas": [0.5, 0.9]},
            },
            settings={
                "networks": {"mlp": {"width": 64, "depth": 12}},
                "losses": {loss: {"n_critic": 1, **settings}},
            },
        )
    ).runs[0]
    trainer = session.build_trainer(run, store, torch.device("cpu"))
    critic = trainer.state.discriminator
    weights = [p for p in critic.parameters() if p.dim() > 1]
    assert [tuple(w.shape) for w in weights] == [(64, 2), *[(64, 64)] * 11, (1, 64)]
    rows = History()
    for number in range(40):
        updates = trainer.step(number)
        rows.add(*updates, trainer.state.optimizers, 1.0, None)
    return [row["d_gradient_slope"] for row in rows.rows[20:]]


def test_gradients_of_twelve_layers_by_the_constraint(tmp_path) -> None:
    """1704.00028, figure 1b: they vanish with tight clips, explode with a wide one, stay with GP.

    Weights at a clip c of either sign let a gradient grow by c sqrt(width / 2) in a layer: the .1
    that explodes in the article's 512 units is no wide one in 64.
    """
    store = prepared("swiss-roll", tmp_path, n_train=400, n_test=300)
    medians = [float(np.nanmedian(slopes(store, "wgan", clip=clip))) for clip in (0.001, 0.01, 0.5)]
    penalised = float(np.nanmedian(slopes(store, "wgan-gp")))
    print(medians, penalised)
    assert medians[0] < medians[1] < -3 and medians[2] > 3 and abs(penalised) < 2


def test_the_slope_of_gradients_by_hand() -> None:
    """Linear layers of one unit: the gradient at each is the product of the weights behind it."""
    spec = Spec(latent=2, shape=(1,), outputs=1)
    layers = [nn.Linear(1, 1, bias=False) for _ in range(3)]
    critic = Discriminator(nn.Sequential(*layers), 1, spec)
    with torch.no_grad():
        for layer, weight in zip([*layers, critic.head], (7.0, -10.0, 5.0, 2.0), strict=True):
            layer.weight.fill_(weight)
    before = {name: value.clone() for name, value in critic.state_dict().items()}
    slope = gradient_slope(critic, torch.tensor([[1.0], [-3.0]]))
    assert slope == pytest.approx(math.log10(10 * 5 * 2))
    assert all(torch.equal(value, before[name]) for name, value in critic.state_dict().items())
    assert all(parameter.grad is None for parameter in critic.parameters())
    with torch.no_grad():
        layers[1].weight.zero_()
    assert math.isnan(gradient_slope(critic, torch.ones(2, 1)))
