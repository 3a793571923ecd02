"""What a step computes: no forward pass twice, and passes counted as they are."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

import step_costs
from ganlore.losses.nonsaturating import Nonsaturating
from ganlore.study import registry
from ganlore.study.expand import expand
from step_costs import TURNS, Bench
from tiny import PLACES, tiny, tiny_run

TRICKS = ["none", "packing", "relativistic", "gradient-penalty", "r1", "spectral-norm"]
PLAN = expand(
    tiny(
        grids=[
            {"datasets": [dataset], "networks": [network], "tricks": tricks}
            for (dataset, network), tricks in zip(PLACES.items(), (TRICKS, ["none"]), strict=True)
        ]
    )
)


@pytest.mark.parametrize("run", PLAN.runs, ids=lambda run: run.id)
def test_no_forward_pass_is_computed_twice_in_a_step_for_the_same_input(run, stores) -> None:
    bench = Bench(run, stores[run.dataset.name])
    for step in range(2):  # what a loss keeps from step to step is in the second
        for phase in TURNS:
            assert not step_costs.watch(bench, phase, step).twice, phase


@dataclass
class Wasteful(Nonsaturating):
    """Judges real images once more, in a batch of another size."""

    def discriminator(self, training_step):
        return (
            super().discriminator(training_step)
            + 0 * training_step.discriminate(training_step.real[:3]).mean()
        )


@dataclass
class Forgetful(Nonsaturating):
    """Generates the step's samples once more."""

    def generator(self, training_step):
        return (
            super().generator(training_step)
            + 0 * training_step.state.generator(training_step.latent).mean()
        )


@pytest.mark.parametrize(
    "wrong, phase, reported",
    [(Wasteful, "discriminator", "D.trunk"), (Forgetful, "generator", "G.body")],
)
def test_a_pass_that_is_computed_twice_is_found(wrong, phase, reported, stores) -> None:
    bench = Bench(tiny_run(), stores["ring"])
    bench.state.loss = wrong()
    bench._generator_loss = bench.state.loss.generator
    assert reported in step_costs.watch(bench, phase).twice
    other = TURNS[1 - TURNS.index(phase)]
    assert not step_costs.watch(bench, other).twice


def test_the_same_input_with_other_weights_is_another_pass(stores) -> None:
    bench = Bench(tiny_run(), stores["ring"])
    seen = step_costs.Watch(bench.parts)
    images = torch.randn(4, 2)
    with seen():
        bench.state.discriminator(images)
        with torch.no_grad():
            for parameter in bench.state.discriminator.parameters():
                parameter.add_(1)
        bench.state.discriminator(images)
        assert not seen.twice
        bench.state.discriminator(images)
    assert set(seen.twice) >= {"D", "D.trunk"}


COUNTS = {
    # one pass over real and generated samples together counts as two
    ("nonsaturating", "none"): ("G 1f, D 2f 2b", "G 1f 1b, D 1f 1b"),
    # the penalty judges one more batch; its gradient arrives there once, in `grad`
    ("wgan-gp", "none"): ("G 1f, D 3f 3b, 1 2nd", "G 1f 1b, D 1f 1b"),
    # from the step's own logits: nothing is classified again, but the real half is gone through twice
    ("nonsaturating", "r1"): ("G 1f, D 2f 3b, 1 2nd", "G 1f 1b, D 1f 1b"),
    # real images are classified in the generator's phase, without a gradient
    ("nonsaturating", "relativistic"): ("G 1f, D 2f 2b", "G 1f 1b, D 2f 1b"),
    # half as many packs as images
    ("nonsaturating", "packing"): ("G 1f, D 1f 1b", "G 1f 1b, D 0.5f 0.5b"),
}


@pytest.mark.parametrize("cell", COUNTS)
def test_passes_are_counted_as_they_are(cell, stores) -> None:
    bench = Bench(tiny_run(loss=cell[0], trick=cell[1]), stores["ring"])
    actual = tuple(step_costs.watch(bench, phase).passes(16) for phase in TURNS)
    assert actual == COUNTS[cell]


def test_arithmetic_is_that_of_the_matrix_products(stores) -> None:
    """By hand, for networks of one hidden layer: 2 n i o for a product of (n, i) and (i, o)."""
    run = tiny_run(settings={"networks": {"mlp": {"width": 8, "depth": 1}}})
    bench = Bench(run, stores["ring"])
    generator = 2 * 16 * (4 * 8 + 8 * 2)  # 16 images, 4 -> 8 -> 2
    critic = 2 * 32 * (2 * 8 + 8 * 1)  # real and generated, 2 -> 8 -> 1
    weights = critic  # each layer's gradient of its weights
    inputs = 2 * 32 * 8 * 1  # and of its input, but for the first layer's
    assert step_costs.arithmetic(bench, "discriminator") == generator + critic + weights + inputs


def test_a_step_is_that_of_training(stores, trained) -> None:
    """The benchmark measures what training does: the same weights after the same steps."""
    run = tiny_run(loss="wgan-gp", trick="ema", training={"budget": 16 * 5, "snapshots": 1})
    bench = Bench(run, stores["ring"])
    for step in range(5):
        bench.step("discriminator", step)
    bench.step("generator", 4)
    end = trained(run)[1]["networks"]
    for part in ("generator", "discriminator"):
        for name, value in getattr(bench.state, part).state_dict().items():
            assert torch.equal(value, end[part][name]), (part, name)


def test_the_baseline_is_timed_with_the_others(stores) -> None:
    for axis in ("loss", "trick"):
        runs = step_costs.cells(axis, [], 16, 16 * 8)
        names = [run.loss.name if axis == "loss" else run.trick for run in runs]
        assert names[0] == step_costs.BASELINE[axis] and set(names) == set(registry.find(axis))
    small = [tiny_run(loss=name) for name in ("nonsaturating", "hinge")]
    first, second = step_costs.costs(small, stores["ring"], n=3, steps=1)
    assert first["image"]["ratio"] == first["discriminator"]["arithmetic"] == 1
    assert second["n_critic"] == 5 and second["image"]["arithmetic"] < 1
    assert second["generator"]["step_ms"] > 0
