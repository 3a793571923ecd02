"""R1 and R2 differentiate through an augmentation, with respect to the image itself."""

from __future__ import annotations

import pytest
import torch

from ganlore.steps import Step, penalties
from ganlore.training import build
from ganlore.training.batches import Batches
from tiny import at_step, tiny_run

CPU = torch.device("cpu")


def step_of(stores, loss: str, trick: str, phase: str = "discriminator") -> Step:
    store = stores["digits"]
    state = build.train_state(tiny_run("digits", loss, trick), store.shape, store.classes, CPU)
    batch = Batches(store, 16, 0, CPU)[0]
    return Step(state, phase, *batch, torch.Generator().manual_seed(1), at_step(state), 4)


def by_hand(step: Step, images: torch.Tensor, rng: torch.Tensor) -> float:
    """E |d D(T(x)) / dx|^2 for each logit, with the augmentation that a state of numbers draws."""
    x = images.detach().clone().requires_grad_()
    inputs, now = x, step.rng.get_state()
    step.rng.set_state(rng)
    for trick in step.state.tricks:
        inputs = trick.view(inputs, step)
    step.rng.set_state(now)
    logits = step.state.discriminator(inputs)
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    return float(gradient.double().square().sum()) / len(logits)


@pytest.mark.parametrize("others", ["diffaugment", "diffaugment+packing", "packing+diffaugment"])
@pytest.mark.parametrize("loss, penalties", [("nonsaturating", "r1+r2"), ("r3gan", "")])
def test_the_gradient_is_that_of_the_image_before_its_augmentation(
    stores, loss: str, penalties: str, others: str
) -> None:
    step = step_of(stores, loss, "+".join(filter(None, [penalties, others])))
    states = [step.rng.get_state()]
    _ = step.real
    states.append(step.rng.get_state())
    expected = [
        by_hand(step, images, rng)
        for images, rng in zip((step.images, step.generated), states, strict=True)
    ]
    if loss == "r3gan":
        step.state.loss.discriminator(step)
        actual = [float(step.log[name]) for name in ("r1", "r2")]
    else:
        actual = [2 / 0.1 * float(step.state.tricks[i].penalty(step).detach()) for i in (0, 1)]
    assert actual == pytest.approx(expected, rel=1e-4)
    # and not that of the discriminator's input, which cutout and contrast make another
    inputs = step.real.detach().requires_grad_()
    logits = step.state.discriminator(inputs)
    (gradient,) = torch.autograd.grad(logits.sum(), inputs)
    without = float(gradient.square().sum()) / len(logits)
    assert actual[0] != pytest.approx(without, rel=5e-3)


@pytest.mark.parametrize("trick", ["r1", "r1+packing", "r1+instance-noise"])
def test_without_an_augmentation_that_bends_it_is_the_input_s(stores, trick: str) -> None:
    step = step_of(stores, "nonsaturating", trick)
    inputs = step.real.detach().requires_grad_()
    logits = step.state.discriminator(inputs)
    (gradient,) = torch.autograd.grad(logits.sum(), inputs)
    expected = 0.05 * float(gradient.flatten(1).square().sum(1).mean())
    assert float(step.state.tricks[0].penalty(step).detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", ["nonsaturating", "r3gan"])
def test_an_unrolled_step_augments_as_the_step_and_penalises_alike(stores, loss: str) -> None:
    """The penalties of the look-ahead are those of a discriminator's step on the same samples."""
    tricks = "diffaugment" if loss == "r3gan" else "r1+r2+diffaugment"
    step = step_of(stores, loss, tricks, "generator")
    inner = step.look_ahead(step.state.discriminator)
    assert torch.equal(inner.real, step.real) and torch.equal(inner.fake, step.fake)
    before = step_of(stores, loss, tricks, "generator").rng.get_state()
    expected = by_hand(step, step.images, before)
    assert float(penalties.on_real(inner).detach()) == pytest.approx(expected, rel=1e-4)
    after_real = step_of(stores, loss, tricks, "generator")
    _ = after_real.real
    expected = by_hand(step, step.generated, after_real.rng.get_state())
    assert float(penalties.on_fake(inner).detach()) == pytest.approx(expected, rel=1e-4)
