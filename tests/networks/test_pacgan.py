"""PacGAN's networks for 2-D points."""

from __future__ import annotations

import torch

from ganlore.networks import Spec
from ganlore.networks.pacgan import Maxout
from ganlore.steps import seeding
from ganlore.steps.schedule import learning_rates
from ganlore.study import registry
from ganlore.study.expand import expand
from ganlore.study.schema import load


def test_maxout_is_the_largest_of_its_pieces() -> None:
    layer = Maxout(3, 4, 5)
    x = torch.randn(7, 3)
    every = x @ layer.linear.weight.t() + layer.linear.bias  # unit by unit, its pieces in order
    by_hand = torch.stack([every[:, 5 * unit : 5 * unit + 5].amax(1) for unit in range(4)], 1)
    assert torch.allclose(layer(x), by_hand)


def test_the_networks_have_the_papers_sizes() -> None:
    family = registry.create("network", "pacgan", {})
    spec = Spec((2,), 2)
    # generator: 2 -> 400 -> 400 -> 400 -> 400 -> 2, gains and shifts in place of hidden biases
    hidden = 2 * 400 + 3 * 400 * 400 + 4 * 2 * 400
    assert _size(family.generator(spec)) == hidden + 400 * 2 + 2
    # discriminator: 2 -> 200 x 5 -> 200 x 5 -> 200 x 5 -> 1
    layers = (2 + 1) * 1000 + 2 * (200 + 1) * 1000
    assert _size(family.discriminator(spec)) == layers + 200 + 1


def _size(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_weights_begin_small() -> None:
    family = registry.create("network", "pacgan", {})
    network = family.discriminator(Spec((2,), 2))
    family.initialise(network, lambda name: seeding.generator(0, name))
    weights = torch.cat([p.flatten() for p in network.parameters() if p.dim() > 1])
    assert abs(float(weights.std()) - 0.02) < 1e-3 and abs(float(weights.mean())) < 1e-3
    assert all(not p.any() for p in network.parameters() if p.dim() == 1)


def test_the_study_is_the_papers_but_for_the_budget() -> None:
    plan = expand(load("configs/pacgan.yaml"))
    cells = {(run.trick, run.variant) for run in plan.runs}
    assert cells == {("none", "base"), ("packing", "base"), ("packing", "four-together")}
    for run in plan.runs:
        assert run.dataset.settings["std"] == 0.01 and run.dataset.settings["n_train"] == 100_000
        assert learning_rates(run.optimizer) == (1e-4, 1e-4) and run.optimizer.betas == (0.8, 0.999)
        assert (run.training.batch, run.training.latent) == (100, 2)
        assert run.protocol.n_fake == 2_500
    assert len({run.seed for run in plan.runs}) >= 5
    packed = {
        run.variant: run.tricks[0].settings["m"] for run in plan.runs if run.tricks[0].settings
    }
    assert packed == {"base": 2, "four-together": 4}
