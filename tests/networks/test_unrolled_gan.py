"""The networks and the study of unrolled GAN's ring, against the authors' notebook."""

from __future__ import annotations

import torch

from ganlore.networks import Spec
from ganlore.steps import seeding
from ganlore.steps.schedule import learning_rates
from ganlore.study import registry
from ganlore.study.expand import expand
from ganlore.study.schema import load
from tiny import REPOSITORY

SPEC = Spec((2,), 256)


def made(kind: str) -> torch.nn.Module:
    family = registry.create("network", "unrolled-gan", {})
    network: torch.nn.Module = getattr(family, kind)(SPEC)
    family.initialise(network, lambda name: seeding.generator(0, name))
    return network


def test_both_networks_have_two_hidden_layers_of_128() -> None:
    def size(network: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    assert size(made("generator")) == (256 + 1) * 128 + (128 + 1) * 128 + (128 + 1) * 2
    assert size(made("discriminator")) == (2 + 1) * 128 + (128 + 1) * 128 + 128 + 1


def test_a_generator_is_the_notebook_s_formula() -> None:
    """x = W3 tanh(W2 tanh(W1 z + b1) + b2) + b3, without norms and without a squashed output."""
    network, z = made("generator"), torch.randn(7, 256)
    (w1, b1), (w2, b2), (w3, b3) = zip(*[iter(network.parameters())] * 2, strict=True)
    expected = torch.tanh(torch.tanh(z @ w1.T + b1) @ w2.T + b2) @ w3.T + b3
    assert torch.allclose(network(z), expected, atol=1e-5)


def test_weights_are_orthogonal_with_a_gain_of_1_4_and_biases_are_zero() -> None:
    for kind in ("generator", "discriminator"):
        for parameter in made(kind).parameters():
            if parameter.dim() == 1:
                assert not parameter.any()
                continue
            short = parameter if parameter.shape[0] <= parameter.shape[1] else parameter.T
            gram = short @ short.T
            assert torch.allclose(gram, 1.4**2 * torch.eye(len(gram)), atol=1e-4)


def test_the_study_is_the_notebook_s() -> None:
    plan = expand(load(REPOSITORY / "configs/replications/unrolled-ring.yaml"))
    assert {(run.loss.name, run.trick) for run in plan.runs} == {
        ("minimax", "none"),
        ("minimax", "unrolled"),
    }
    for run in plan.runs:
        assert (run.training.batch, run.training.latent, run.training.steps) == (512, 256, 25_000)
        assert learning_rates(run.optimizer) == (1e-3, 1e-4)
        assert run.optimizer.betas == (0.5, 0.999) and run.loss.settings["n_critic"] == 1
        assert run.training.order == "generator-first"  # both move at once
        (trick,) = run.tricks
        assert trick.settings == ({"k": 5} if run.trick == "unrolled" else {})
        ring = run.dataset.settings
        assert (ring["modes"], ring["radius"], ring["std"]) == (8, 1.0, 0.01)
