"""Each loss against a calculation by hand, and every loss against what all must do."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ganlore import penalties, plugins
from ganlore.losses import LogitLoss

REAL = torch.tensor([2.0, 0.0])
FAKE = torch.tensor([-2.0, 0.0])
# softplus by its definition, log(1 + e^x)
SP_M2, SP_0, SP_2 = math.log1p(math.exp(-2)), math.log(2), math.log1p(math.exp(2))
CROSS_ENTROPY = (SP_M2 + SP_0) / 2 + (SP_M2 + SP_0) / 2

GOLDEN = {
    # name: (discriminator, generator), for real logits (2, 0) and generated logits (-2, 0)
    "minimax": (CROSS_ENTROPY, -(SP_M2 + SP_0) / 2),
    "nonsaturating": (CROSS_ENTROPY, (SP_2 + SP_0) / 2),
    # .5 ((2-1)^2 + (0-1)^2) / 2 + .5 ((-2)^2 + 0) / 2 = .5 + 1;  .5 ((-2-1)^2 + (0-1)^2) / 2
    "lsgan": (1.5, 2.5),
    # -1 - 1;  -(-1)
    "wgan": (-2.0, 1.0),
    "wgan-gp": (-2.0, 1.0),
    "dragan": (CROSS_ENTROPY, (SP_2 + SP_0) / 2),
    # (0 + 1) / 2 + (0 + 1) / 2;  -(-1)
    "hinge": (1.0, 1.0),
}

LOSSES = list(plugins.find("loss"))


def make(name: str) -> LogitLoss:
    loss = plugins.create("loss", name, {})
    assert isinstance(loss, LogitLoss)
    return loss


@pytest.mark.parametrize("name", LOSSES)
def test_golden_values(name: str) -> None:
    loss = make(name)
    assert float(loss.discriminator_loss(REAL, FAKE)) == pytest.approx(GOLDEN[name][0], abs=1e-6)
    assert float(loss.generator_loss(FAKE)) == pytest.approx(GOLDEN[name][1], abs=1e-6)


GRADIENTS = {
    # d/df of the generator's loss at f = 0 and f = -2, for one sample
    "minimax": lambda f: -1 / (1 + math.exp(-f)),
    "nonsaturating": lambda f: -1 / (1 + math.exp(f)),
    "dragan": lambda f: -1 / (1 + math.exp(f)),
    "lsgan": lambda f: f - 1,
    "wgan": lambda f: -1.0,
    "wgan-gp": lambda f: -1.0,
    "hinge": lambda f: -1.0,
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("logit", [-2.0, 0.0, 3.0])
def test_generator_gradient_by_hand(name: str, logit: float) -> None:
    fake = torch.tensor([logit], requires_grad=True)
    make(name).generator_loss(fake).backward()
    assert float(fake.grad) == pytest.approx(GRADIENTS[name](logit), abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [1.0, 100.0, 1e4])
def test_finite_at_large_logits(name: str, size: float) -> None:
    for sign in (1, -1):
        real = torch.tensor([sign * size, 0.0], requires_grad=True)
        fake = torch.tensor([-sign * size, 0.0], requires_grad=True)
        loss = make(name)
        critic, actor = loss.discriminator_loss(real, fake), loss.generator_loss(fake)
        for value in (critic, actor, loss.relative_generator_loss(real, fake)):
            assert value.isfinite()
            for gradient in torch.autograd.grad(value, (real, fake), allow_unused=True):
                assert gradient is None or gradient.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_signs(name: str) -> None:
    """The discriminator gains when real logits rise or generated ones fall; the generator when
    generated ones rise. At 0, where no loss is beyond a margin."""
    loss = make(name)
    real, fake = torch.zeros(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    if name == "lsgan":  # its target for generated logits is 0 itself
        fake = torch.full((4,), 0.5, requires_grad=True)
    loss.discriminator_loss(real, fake).backward()
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()
    fake.grad = None
    loss.generator_loss(fake).backward()
    assert (fake.grad < 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_independent_of_batch_size(name: str) -> None:
    loss = make(name)
    once = loss.discriminator_loss(REAL, FAKE)
    assert loss.discriminator_loss(REAL.repeat(5), FAKE.repeat(5)) == pytest.approx(float(once))
    assert loss.generator_loss(FAKE.repeat(5)) == pytest.approx(float(loss.generator_loss(FAKE)))


def test_minimax_saturates_and_nonsaturating_does_not() -> None:
    """At a confidently rejected sample the saturating gradient vanishes, the other one is 1."""
    for name, expected in (("minimax", 0.0), ("nonsaturating", -1.0)):
        fake = torch.tensor([-30.0], requires_grad=True)
        make(name).generator_loss(fake).backward()
        assert float(fake.grad) == pytest.approx(expected, abs=1e-9)


class Linear(nn.Module):
    """A critic w.x over whole samples, whose gradient is w everywhere."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images * self.weight).flatten(1).sum(1)


@pytest.mark.parametrize("name", ["wgan-gp", "dragan"])
def test_penalty_is_over_all_dimensions_of_a_sample(name: str) -> None:
    """|w| = 3 over channels, rows and columns together: the penalty is 10 (3 - 1)^2 = 40.

    A norm over the channel axis, or over the batch, would give another number.
    """
    weight = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0))
    weight *= 3 / weight.norm()
    critic = Linear(weight)
    rng = torch.Generator().manual_seed(1)
    real, fake = torch.randn(5, 2, 3, 3, generator=rng), torch.randn(5, 2, 3, 3, generator=rng)
    game = SimpleNamespace(
        real=real, fake=fake, rng=rng, judge=critic, log={}, logits=(critic(real), critic(fake))
    )
    loss = make(name)
    plain = float(loss.discriminator_loss(critic(real), critic(fake)))
    assert float(loss.discriminator(game)) == pytest.approx(plain + 40, rel=1e-5)
    assert float(game.log["penalty_norm"]) == pytest.approx(3, rel=1e-5)


@pytest.mark.parametrize(
    "name, expected",
    [
        # data ~ N(0, 1) in d dimensions and noise of half their spread: |x + n| = sqrt(1.25 d)
        ("dragan", math.sqrt(1.25 * 2000)),
        # on the line to samples at (10, ..., 10), weights uniform: E sqrt(e^2 d + 100 (1-e)^2 d)
        ("wgan-gp", math.sqrt(2000) * 5.15),
    ],
)
def test_penalties_look_where_their_papers_say(name: str, expected: float) -> None:
    """With the critic |x|^2 / 2 the gradient's norm at a point is the point's own length."""
    rng = torch.Generator().manual_seed(2)
    real, fake = torch.randn(400, 2000, generator=rng), torch.full((400, 2000), 10.0)

    def critic(x: torch.Tensor) -> torch.Tensor:
        return x.square().sum(1) / 2

    game = SimpleNamespace(
        real=real, fake=fake, rng=rng, judge=critic, log={}, logits=(critic(real), critic(fake))
    )
    make(name).discriminator(game)
    assert float(game.log["penalty_norm"]) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("name", LOSSES)
def test_the_relative_form_of_the_generator(name: str) -> None:
    """Swapped roles; but a saturating loss stays one: minus the discriminator's."""
    loss = make(name)
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-1.0, 0.25])
    found = float(loss.relative_generator_loss(real, fake))
    saturating = name == "minimax"
    expected = (
        -loss.discriminator_loss(real, fake) if saturating else loss.discriminator_loss(fake, real)
    )
    assert found == pytest.approx(float(expected))


def test_interpolation_has_one_weight_for_each_sample() -> None:
    real, fake = torch.ones(50, 3, 4, 4), torch.zeros(50, 3, 4, 4)
    points = penalties.interpolate(real, fake, torch.Generator().manual_seed(0)).flatten(1)
    assert (points == points[:, :1]).all()  # equal over a sample's dimensions
    weights = points[:, 0]
    assert len(weights.unique()) == 50  # its own for each sample
    assert weights.min() >= 0 and weights.max() <= 1
    assert 0.3 < float(weights.mean()) < 0.7


def test_gradient_norm_is_finite_where_the_gradient_is_zero() -> None:
    scale = torch.zeros((), requires_grad=True)
    norms = penalties.gradient_norms(lambda x: (scale * x).sum(1), torch.ones(4, 3))
    penalties.one_centred(norms).backward()
    assert scale.grad.isfinite()


def test_clipping_bounds_every_weight() -> None:
    parameters = [torch.randn(4, 4), torch.randn(4)]
    make("wgan").after_discriminator(SimpleNamespace(discriminator_parameters=parameters))
    assert all(p.abs().max() <= 0.01 for p in parameters)


OPTIMA = {
    # the logit that minimises a loss at a point where the densities are p (real) and q (generated)
    "minimax": lambda p, q: math.log(p / q),
    "nonsaturating": lambda p, q: math.log(p / q),
    "lsgan": lambda p, q: p / (p + q),
    "hinge": lambda p, q: 1.0 if p > q else -1.0,
}


@pytest.mark.parametrize("name", OPTIMA)
@pytest.mark.parametrize("p", [0.2, 0.5001, 0.9])
def test_optimal_logit_for_known_densities(name: str, p: float) -> None:
    """Minimise p l(real) + q l(fake) over one logit, and compare with the closed form."""
    q = 1 - p
    loss = make(name)
    logits = torch.linspace(-4, 4, 80_001, dtype=torch.float64)
    # the other half's logit is held where it adds a constant
    far = 0.0 if name == "lsgan" else 1e3
    constant = torch.full((1,), far, dtype=torch.float64)
    reals = torch.vmap(lambda x: loss.discriminator_loss(x[None], -constant))(logits)
    fakes = torch.vmap(lambda x: loss.discriminator_loss(constant, x[None]))(logits)
    best = float(logits[(p * reals + q * fakes).argmin()])
    assert best == pytest.approx(OPTIMA[name](p, q), abs=2e-4)
