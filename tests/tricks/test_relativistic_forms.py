"""Every loss under each relativistic trick, against the published or derived form by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ganlore.losses import LogitLoss
from ganlore.steps import Step
from ganlore.study import registry
from ganlore.study.expand import expand
from ganlore.training import build
from ganlore.training.batches import Batches
from tiny import PLACES, at_step, tiny, tiny_run

CPU = torch.device("cpu")
RELATIVISTIC = ("relativistic", "relativistic-paired")


def sp(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


CROSS_ENTROPY = (lambda r: sp(-r), sp)
HALVES = {
    # what a sample adds to the discriminator's loss, by its difference of logits: of real samples
    # and of generated ones. RSGAN, RaSGAN, RaLSGAN and RaHingeGAN are in 1807.00734; the f-GANs are
    # its general form, f1 of the one and f2 of the other difference, with 1606.00709's table 6.
    "lsgan": (lambda r: (r - 1) ** 2 / 2, lambda f: (f + 1) ** 2 / 2),
    "hinge": (lambda r: relu(1 - r), lambda f: relu(1 + f)),
    "fgan-kl": (lambda r: -r, lambda f: np.exp(f - 1)),
    "fgan-reverse-kl": (lambda r: np.exp(-r), lambda f: f - 1),
    "fgan-pearson": (lambda r: -r, lambda f: f**2 / 4 + f),
    "fgan-squared-hellinger": (lambda r: np.exp(-r) - 1, lambda f: np.exp(f) - 1),
    "fgan-jensen-shannon": (lambda r: sp(-r) - np.log(2), lambda f: sp(f) - np.log(2)),
    **dict.fromkeys(["nonsaturating", "minimax", "cgan", "infogan", "dragan"], CROSS_ENTROPY),
    **dict.fromkeys(["improved-gan", "gan-mse", "gan-mae", "vaegan"], CROSS_ENTROPY),
}
PLAIN_GENERATORS = {
    "lsgan": lambda f: (f - 1) ** 2 / 2,
    "minimax": lambda f: -sp(f),
    "hinge": lambda f: -f,
    "fgan-kl": lambda f: -f,
    "fgan-reverse-kl": lambda f: np.exp(-f),
    "fgan-pearson": lambda f: -f,
    "fgan-squared-hellinger": lambda f: np.exp(-f) - 1,
    "fgan-jensen-shannon": lambda f: sp(-f) - np.log(2),
    "improved-gan": np.zeros_like,  # it matches features
}
PLAIN_REAL = {"lsgan": lambda r: (r - 1) ** 2 / 2}
PLAIN_FAKE = {"lsgan": lambda f: f**2 / 2}

PLAN = expand(
    tiny(
        grids=[
            {
                "datasets": ["digits"],
                "networks": [PLACES["digits"]],
                "losses": "all",
                "tricks": list(RELATIVISTIC),
                "training": {"budget": 16 * 5, "snapshots": 1},
            }
        ]
    )
)


def differences(trick: str, r: np.ndarray, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if trick == "relativistic":
        return r - f.mean(), f - r.mean()
    return r - f, f - r


def step_of(stores, loss: str, trick: str, phase: str) -> tuple[Step, np.ndarray, np.ndarray]:
    """A step of fresh networks with larger logits, and its raw logits."""
    torch.manual_seed(0)
    changes = {"training": {"budget": 16 * 5, "snapshots": 1}}
    run = tiny_run("digits", loss, trick, **changes)
    store = stores["digits"]
    state = build.train_state(run, store.shape, store.classes, CPU)
    classify = state.discriminator.classify
    state.discriminator.classify = lambda features, labels=None: 3000 * classify(features, labels)
    batch = Batches(store, 16, 0, CPU)[0]
    step = Step(state, phase, *batch, torch.Generator().manual_seed(1), at_step(state), 4)
    value = getattr(state.loss, phase)(step)
    step.value = float(value.detach().double())
    r, f = (t.detach().double().numpy() for t in (step.real_logits, step.fake_logits))
    return step, r, f


def reconstructed(step: Step) -> np.ndarray:
    """The logits of vaegan's reconstructions."""
    images = step.once("reconstructed", step.state.loss.reconstructed).images
    return step.discriminate(images).detach().double().numpy()


@pytest.mark.parametrize("run", PLAN.runs, ids=lambda run: f"{run.loss.name}-{run.trick}")
@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_every_combination_has_its_published_or_derived_form(stores, run, phase: str) -> None:
    """The loss with the trick, minus its terms of no logits, which are those of the plain loss."""
    name, trick = run.loss.name, run.trick
    step, r, f = step_of(stores, name, trick, phase)
    plain, plain_r, plain_f = step_of(stores, name, "none", phase)
    assert np.allclose(r, plain_r) and np.allclose(f, plain_f) and r.std() > 0.1
    real, fake = HALVES[name]
    above, below = differences(trick, r, f)
    if phase == "discriminator":
        by_hand = real(above).mean() + fake(below).mean()
        before = PLAIN_REAL.get(name, real)(r).mean() + PLAIN_FAKE.get(name, fake)(f).mean()
        if name == "vaegan":
            again = reconstructed(step)
            by_hand += fake(differences(trick, r, again)[1]).mean()
            before += fake(again).mean()
    else:
        swapped = real(below).mean() + fake(above).mean()
        saturating = -(real(above).mean() + fake(below).mean())
        by_hand = {"minimax": saturating, "improved-gan": 0.0}.get(name, swapped)
        before = PLAIN_GENERATORS.get(name, lambda f: sp(-f))(f).mean()
        if name == "vaegan":
            again = reconstructed(step)
            by_hand += sp(-differences(trick, r, again)[1]).mean()
            before += sp(-again).mean()
    others = plain.value - before  # penalties, reconstruction errors, information
    assert step.value == pytest.approx(by_hand + others, rel=2e-5, abs=2e-5)


def test_the_rest_is_declared_not_to_apply() -> None:
    reasons = {(gap.loss, gap.trick): gap.reason for gap in PLAN.missing}
    assert reasons.keys() == {
        (loss, trick) for loss in ("wgan", "wgan-gp", "began", "r3gan") for trick in RELATIVISTIC
    }
    assert {run.loss.name for run in PLAN.runs} == HALVES.keys()


@pytest.mark.parametrize(
    "name", [n for n in HALVES if issubclass(registry.load("loss", n), LogitLoss)]
)
def test_the_two_terms_of_differences_do_not_contradict_each_other(name: str) -> None:
    """Where a term is smallest is the opposite of where the other is, or beyond every logit.

    Real minus generated logits can only be near g, and generated minus real ones near -g, at one g.
    """
    loss = registry.create("loss", name, {})
    grid = torch.linspace(-8, 8, 1601, dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)
    real = torch.stack([loss.relative_discriminator_loss(x[None], zero) for x in grid])
    fake = torch.stack([loss.relative_discriminator_loss(zero, x[None]) for x in grid])
    best = [
        float(grid[values.argmin()]) if values.max() > values.min() else None
        for values in (real, fake)
    ]
    inside = [place is not None and abs(place) < 7.9 for place in best]
    assert not inside[0] or best[0] > 0
    assert not inside[1] or best[1] < 0
    if all(inside):
        flat = [grid[values <= values.min() + 1e-9] for values in (real, fake)]
        gap = set(flat[0].mul(100).round().tolist()) & set((-flat[1]).mul(100).round().tolist())
        assert gap, best


def test_least_squares_is_content_at_a_gap_of_one(stores) -> None:
    """RaLSGAN's zero: every real logit 1 above every generated one, wherever both are."""
    loss = registry.create("loss", "lsgan", {})
    trick = registry.create("trick", "relativistic", {})
    for gap, expected in ((1.0, 0.0), (0.5, 0.25), (0.0, 1.0)):
        seen = trick.logits(torch.full((4,), 7.0 + gap), torch.full((4,), 7.0))
        assert float(loss.relative_discriminator_loss(*seen)) == pytest.approx(expected)
