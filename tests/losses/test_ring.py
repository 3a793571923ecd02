"""Each plain loss learns the ring: a short training that finds its modes.

The ring is that of the studies with wider modes (standard deviation .05), as a thousand steps have
to do. The optimiser is one for all (`ADAM`, its rate falls over the run), and what belongs to a loss is
its paper's, but for what its row says: a budget this small does not suffice for five critic steps, nor for
strong penalties.

What does not hold here, measured with 1,000 steps: with its published weight of 10 DRAGAN's generator
is still inside the ring (no mode), and WGAN-GP with weight 10 and five critic steps is spread over the
plane (7 and 8 modes, but .07 of high quality). Likely why: a discriminator whose slope is held at 1
changes by .05 over a mode's width, so its advice is weak; and 200 generator steps are few.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import pytest
import torch

from ganlore import arrays
from ganlore import data as datasets
from ganlore.data import Store
from ganlore.steps import TrainState
from ganlore.study import registry
from ganlore.study.expand import expand
from ganlore.training import build, checkpoint, session
from tiny import tiny

CPU = torch.device("cpu")
RING = {"std": 0.05, "n_train": 20_000, "n_test": 100}
ADAM = {"kind": "adam", "lr": 2e-3, "lr_end": 2e-4, "betas": [0.5, 0.999]}

LEARN: dict[str, dict[str, Any]] = {
    # name: the loss's settings that differ
    "minimax": {},
    "nonsaturating": {},
    "lsgan": {},
    "wgan": {
        "n_critic": 2, "clip": 0.1, "optimizer": {"kind": "rmsprop", "lr": 1e-3, "lr_end": 2e-4}
    },
    "wgan-gp": {"n_critic": 2, "weight": 1.0, "optimizer": {"betas": [0.0, 0.9]}},
    "dragan": {"weight": 0.1},
    "hinge": {"n_critic": 1},
    "fgan-kl": {},
    "fgan-reverse-kl": {},
    "fgan-pearson": {},
    "fgan-squared-hellinger": {},
    "r3gan": {"optimizer": {"betas": [0.0, 0.9]}},
    "cgan": {},
    "infogan": {"categories": 8, "continuous": 0},
    "improved-gan": {},
    "vaegan": {},
    "gan-mse": {"weight": 1.0},
    "gan-mae": {"weight": 1.0},
}  # fmt: skip


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Store:
    settings = registry.declaration("dataset", "ring").settings(RING)
    plugin = registry.create("dataset", "ring", settings)
    return datasets.prepare("ring", plugin, settings, tmp_path_factory.mktemp("data") / "ring")


def quality(train_state: TrainState) -> tuple[int, float]:
    """Modes found, and the share of samples within three standard deviations of one."""
    centres = registry.create("dataset", "ring", RING).centres()
    train_state.generator.eval()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        latent = train_state.loss.latent(2_500, 2, rng)
        samples = train_state.generator(latent, torch.randint(8, (2_500,), generator=rng))
    distance, mode = torch.cdist(samples, torch.from_numpy(centres).float()).min(1)
    good = distance < 3 * RING["std"]
    return len(mode[good].unique()), float(good.float().mean())


def learned(
    ring: Store,
    folder: Path,
    name: str,
    loss: dict[str, Any],
    *,
    steps: int = 1_000,
    width: int = 64,
    seed: int = 0,
) -> tuple[int, float]:
    """The quality of a loss's generator after its training; it begins elsewhere."""
    study = tiny(
        seeds=[seed],
        training={"budget": 128 * steps, "batch": 128, "latent": 2, "optimizer": ADAM},
        settings={
            "networks": {"mlp": {"width": width, "depth": 2}},
            "datasets": {"ring": RING},
            "losses": {name: loss},
        },
        grids=[{"datasets": ["ring"], "networks": ["mlp"], "losses": [name], "tricks": ["none"]}],
    )
    run = expand(study).runs[0]
    train_state = build.train_state(run, ring.shape, ring.classes, CPU)
    assert quality(train_state)[1] < 0.1
    state = checkpoint.Checkpoints(folder, checkpoint.identity(run, ring), math.inf)
    assert session.train(run, ring, state, CPU) == "done"
    checkpoint.load_networks(train_state, arrays.read_sealed(state.path)["networks"])
    modes, high_quality = quality(train_state)
    print(f"{name}, seed {seed}: {modes} modes, {high_quality:.2f} of high quality")
    return modes, high_quality


@pytest.mark.parametrize("name", LEARN)
def test_learns_the_ring(name: str, ring: Store, tmp_path: Path) -> None:
    modes, high_quality = learned(ring, tmp_path, name, LEARN[name])
    assert modes >= 7
    # a generator that fills the disc would have 8 (.15)^2 = .18
    assert high_quality > 0.25


def test_began_learns_the_ring(ring: Store, tmp_path: Path) -> None:
    """BEGAN in five draws, as one of them says little.

    Its critic's code is one number here, and its training is chaotic: starts that differ by 10^-15
    in float64 end with 3 to 7 modes, so that one run is another draw on each kind of processor.
    Ten seeds of this setting had 7, 7, 6, 7, 8, 2, 7, 7, 6 and 6 modes, .32 to .71 of high quality.
    """
    loss = {"gam": 1.0, "lam": 0.1, "optimizer": {"lr": 1e-3, "lr_end": 1e-5}}
    drawn = [
        learned(ring, tmp_path / str(seed), "began", loss, steps=2_000, width=128, seed=seed)
        for seed in range(5)
    ]
    modes, high_quality = zip(*drawn, strict=True)
    assert max(modes) >= 7
    assert statistics.median(modes) >= 6 and statistics.median(high_quality) > 0.25
