"""The networks and studies of unrolled GAN's ring and of its stacked digits."""

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


def test_the_generator_has_two_hidden_layers_of_128_and_no_squashed_output() -> None:
    network, z = made("generator"), torch.randn(7, 256)
    (w1, b1), (w2, b2), (w3, b3) = zip(*[iter(network.parameters())] * 2, strict=True)
    assert (w1.shape, w2.shape, w3.shape) == ((128, 256), (128, 128), (2, 128))
    expected = torch.relu(torch.relu(z @ w1.T + b1) @ w2.T + b2) @ w3.T + b3
    assert torch.allclose(network(z), expected, atol=1e-5)


def test_the_discriminator_divides_by_four_and_has_one_hidden_layer() -> None:
    network, x = made("discriminator"), 2 * torch.randn(7, 2)
    parameters = dict(network.named_parameters())
    (w1, b1), (w2, b2) = zip(*[iter(parameters.values())] * 2, strict=True)
    assert (w1.shape, w2.shape) == ((128, 2), (1, 128))
    expected = torch.relu((x / 4) @ w1.T + b1) @ w2.T + b2
    assert torch.allclose(network(x).flatten(), expected.flatten(), atol=1e-5)


def test_weights_are_orthogonal_with_a_gain_of_0_8_and_biases_are_zero() -> None:
    for kind in ("generator", "discriminator"):
        for parameter in made(kind).parameters():
            if parameter.dim() == 1:
                assert not parameter.any()
                continue
            short = parameter if parameter.shape[0] <= parameter.shape[1] else parameter.T
            gram = short @ short.T
            assert torch.allclose(gram, 0.8**2 * torch.eye(len(gram)), atol=1e-4)


def test_the_study_looks_ten_steps_ahead_at_one_rate_for_both_networks() -> None:
    plan = expand(load(REPOSITORY / "configs/replications/unrolled-ring.yaml"))
    assert {run.trick for run in plan.runs} == {"none", "unrolled"}
    for run in plan.runs:
        assert (run.training.batch, run.training.latent, run.training.steps) == (512, 256, 12_500)
        assert learning_rates(run.optimizer) == (1e-4, 1e-4)
        assert run.optimizer.betas == (0.5, 0.999) and run.loss.settings["n_critic"] == 1
        (trick,) = run.tricks
        assert trick.settings == ({"k": 10} if run.trick == "unrolled" else {})
        ring = run.dataset.settings
        assert (ring["modes"], ring["radius"], ring["std"]) == (8, 2.0, 0.02)


STACKED = Spec((3, 28, 28), latent=256)


def convolutional(**settings: object) -> tuple[torch.nn.Module, torch.nn.Module]:
    family = registry.create("network", "unrolled-dcgan", settings)
    return family.generator(STACKED), family.discriminator(STACKED)


def test_the_convolutional_networks_are_those_of_pacgans_authors() -> None:
    """Feature maps by stage, layers in order, and parameters counted by hand (`model.py`)."""
    generator, critic = convolutional(critic_norm=True)
    assert generator.body.shapes == [
        (64, 4, 4), (32, 7, 7), (16, 14, 14), (8, 28, 28), (3, 28, 28),
    ]  # fmt: skip
    assert critic.trunk.shapes == [(2, 14, 14), (4, 7, 7), (8, 4, 4)]
    kinds = [
        [type(part).__name__ for part in network.modules() if not list(part.children())]
        for network in (generator, critic)
    ]
    assert kinds == [
        ["Linear", "Unflatten", "BatchNorm2d", "ReLU"]
        + ["ConvTranspose2d", "BatchNorm2d", "ReLU"] * 3
        + ["Conv2d", "Tanh"],
        ["Conv2d", "BatchNorm2d", "LeakyReLU"] * 3 + ["Linear"],
    ]
    slopes = {p.negative_slope for p in critic.modules() if isinstance(p, torch.nn.LeakyReLU)}
    assert slopes == {0.3}
    for part in (*generator.modules(), *critic.modules()):
        if isinstance(part, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            assert part.kernel_size == (3, 3)

    def count(network: torch.nn.Module) -> int:
        return sum(p.numel() for p in network.parameters())

    def of_critic(widths: tuple[int, ...]) -> int:
        layers = zip((3, *widths), widths, strict=False)
        return sum(9 * i * o + 3 * o for i, o in layers) + 16 * widths[-1] + 1

    assert count(critic) == of_critic((2, 4, 8)) == 585
    assert count(convolutional(critic_norm=True, critic_width=4)[1]) == of_critic((4, 8, 16))
    # its biases before batch norm, which the authors have, are left out
    seeded = 256 * 1024 + 2 * 64
    grown = sum(9 * i * o + 2 * o for i, o in ((64, 32), (32, 16), (16, 8)))
    assert count(generator) == seeded + grown + 9 * 8 * 3 + 3


def test_the_stacked_study_has_the_set_up_of_pacgans_authors() -> None:
    """`config.py` and `pacgan_task.py`: 500,000 steps of 128 packs; and a fiftieth of it."""
    folder = REPOSITORY / "configs/replications"
    for name, steps in (
        ("unrolled-stacked-mnist", 500_000),
        ("unrolled-stacked-mnist-short", 10_000),
    ):
        for run in expand(load(str(folder / f"{name}.yaml"))).runs:
            m = 2 if run.trick == "packing" else 1
            assert (run.training.steps, run.training.batch) == (steps, 128 * m), run.id
            assert run.network.settings["critic_norm"] and run.training.latent == 256
            assert run.network.settings["critic_width"] == (4 if "half" in run.variant else 2)
            assert learning_rates(run.optimizer) == (1e-4, 2e-4)
            assert run.optimizer.betas == (0.5, 0.99) and run.protocol.n_fake == 25_600
            assert [trick.settings["m"] for trick in run.applied if trick.name == "packing"] == [
                2
            ] * (m - 1)
