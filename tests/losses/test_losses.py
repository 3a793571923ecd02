"""Each loss against a calculation by hand, and every loss against what all must do."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from ganlore.losses import LogitLoss
from ganlore.losses._fgan import exp
from ganlore.networks import Spec
from ganlore.steps import Moment, Step, TrainState, penalties
from ganlore.study import registry
from tiny import at_step

REAL = torch.tensor([2.0, 0.0])
FAKE = torch.tensor([-2.0, 0.0])


def sp(x: float) -> float:
    """Softplus by its definition, log(1 + e^x)."""
    return math.log1p(math.exp(x))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


E = math.e
CROSS_ENTROPY = (sp(-2) + sp(0)) / 2 + (sp(-2) + sp(0)) / 2
# mean of -r sigmoid(-r) over real logits, and of f sigmoid(f) over generated ones
STEEPER = -2 * sigmoid(-2) / 2 - 2 * sigmoid(-2) / 2
# log 2 + mean of log softmax(-2, 2)[0] and log softmax(0, 0)[1]; and .1 times the bound of a Gaussian
# around 0, for codes of square 1 that are uniform in [-1, 1]
INFORMATION = (
    math.log(2)
    - (sp(4) + math.log(2)) / 2
    + 0.1 * (math.log(2) - 0.5 * math.log(2 * math.pi) - 0.5)
)

GOLDEN: dict[str, tuple[float, float, Any, float]] = {
    # name: (discriminator, generator, slope, critic's slope), by hand, in the scene below: real logits (2, 0) and
    # generated logits (-2, 0), and a slope of the discriminator of 1, so that norms are 1 as well.
    # The slope is d/df of one sample's generator loss at a real logit r, for losses of logits; for
    # the others, d/db of the generator's loss where G(z) = z + b. The critic's slope is d/ds of the
    # discriminator's loss at s = 1 where D(x) = s x.
    "minimax": (CROSS_ENTROPY, -(sp(-2) + sp(0)) / 2, lambda r, f: -sigmoid(f), STEEPER),
    "nonsaturating": (CROSS_ENTROPY, (sp(2) + sp(0)) / 2, lambda r, f: -sigmoid(-f), STEEPER),
    # .5 ((2-1)^2 + (0-1)^2) / 2 + .5 ((-2)^2 + 0) / 2 = .5 + 1;  .5 ((-2-1)^2 + (0-1)^2) / 2
    # ((2-1) 2 + 0) / 2 + (2^2 + 0) / 2
    "lsgan": (1.5, 2.5, lambda r, f: f - 1, 3.0),
    # -1 - 1;  -(-1)
    "wgan": (-2.0, 1.0, lambda r, f: -1.0, -2.0),
    # and 10 (s - 1)^2, at its bottom
    "wgan-gp": (-2.0, 1.0, lambda r, f: -1.0, -2.0),
    "dragan": (CROSS_ENTROPY, (sp(2) + sp(0)) / 2, lambda r, f: -sigmoid(-f), STEEPER),
    # (0 + 1) / 2 + (0 + 1) / 2;  -(-1)
    # beyond the margins, and 0 where a logit stays 0
    "hinge": (1.0, 1.0, lambda r, f: -1.0, 0.0),
    # -(2 + 0) / 2 + (e^-3 + e^-1) / 2;  -(-2 + 0) / 2
    # -(2 + 0) / 2 + (-2 e^-3 + 0) / 2
    "fgan-kl": (-1 + (E**-3 + E**-1) / 2, 1.0, lambda r, f: -1.0, -1 - E**-3),
    # (e^-2 + 1) / 2 + (-3 - 1) / 2;  (e^2 + 1) / 2
    # -2 e^-2 / 2 + -2 / 2
    "fgan-reverse-kl": (
        (E**-2 + 1) / 2 - 2,
        (E**2 + 1) / 2,
        lambda r, f: -math.exp(-f),
        -(E**-2) - 1,
    ),
    "fgan-jensen-shannon": (
        CROSS_ENTROPY - 2 * math.log(2),
        (sp(2) + sp(0)) / 2 - math.log(2),
        lambda r, f: -sigmoid(-f),
        STEEPER,
    ),
    # -(2 + 0) / 2 + ((4/4 - 2) + 0) / 2;  -(-2 + 0) / 2
    # -2 / 2 + ((-2) (-2) / 2 - 2) / 2
    "fgan-pearson": (-1.5, 1.0, lambda r, f: -1.0, -1.0),
    # (e^-2 - 1 + 1 - 1) / 2 + (e^-2 - 1 + 1 - 1) / 2;  (e^2 - 1 + 1 - 1) / 2
    # -2 e^-2 / 2 + -2 e^-2 / 2
    "fgan-squared-hellinger": (E**-2 - 1, (E**2 - 1) / 2, lambda r, f: -math.exp(-f), -2 * E**-2),
    # pairs: sp(-2 - 2) and sp(0 - 0);  sp(2 + 2) and sp(0 - 0)
    # and .05 / 2 (s^2 + s^2) for R1 and R2
    "r3gan": (
        (sp(-4) + sp(0)) / 2 + 0.05,
        (sp(4) + sp(0)) / 2,
        lambda r, f: -sigmoid(r - f),
        -4 * sigmoid(-4) / 2 + 0.1,
    ),
    # the critic redraws s / 2 of what it sees: L(x) = (1 + 0) / 2 = L(G), both fall by .5, and k = .3
    "began": (0.5 - 0.3 * 0.5, 0.5, -0.25, -0.5 + 0.3 * 0.5),
    # labels 0 and 1 with the projections .5 x and -x: logits (3, 0) and (-3, 0)
    "cgan": (sp(-3) + sp(0), (sp(3) + sp(0)) / 2, -1.5 * sigmoid(3) / 2, -3 * sigmoid(-3)),
    # Q reads (x, -x) for the categories and 0 for the code: categories 0, 1 and codes 1, -1
    "infogan": (
        CROSS_ENTROPY - INFORMATION,
        (sp(2) + sp(0)) / 2 - INFORMATION,
        # dI/db: 2 sigmoid(4) for category 0 at -2, and -2 sigmoid(0) for category 1 at 0
        -(sigmoid(2) + sigmoid(0)) / 2 - (2 * sigmoid(4) - 2 * sigmoid(0)) / 2,
        # features are s x too: dI/ds = -4 sigmoid(4) / 2
        STEEPER + 2 * sigmoid(4),
    ),
    # the features are x: (1 - -1)^2, and its slope -2 (1 - -1)
    "improved-gan": (CROSS_ENTROPY, 4.0, -4.0, STEEPER),
    # E(x) = x - 1, so that every reconstruction is 1 too small; weight 10
    "gan-mse": (
        CROSS_ENTROPY,
        (sp(2) + sp(0)) / 2 + 10,
        -(sigmoid(2) + sigmoid(0)) / 2 - 20,
        STEEPER,
    ),
    "gan-mae": (
        CROSS_ENTROPY,
        (sp(2) + sp(0)) / 2 + 10,
        -(sigmoid(2) + sigmoid(0)) / 2 - 10,
        STEEPER,
    ),
    # the same, with log-variance -200: no noise, KL = .5 (1 + 0 - 1 + 200); reconstructions (1, -1),
    # feature error .5 with weight .1
    "vaegan": (
        CROSS_ENTROPY + (sp(1) + sp(-1)) / 2,
        (sp(2) + sp(0)) / 2 + (sp(-1) + sp(1)) / 2 + 0.05 + 100,
        -(sigmoid(2) + sigmoid(0)) / 2 - (sigmoid(-1) + sigmoid(1)) / 2 - 0.1,
        STEEPER + (sigmoid(1) - sigmoid(-1)) / 2,
    ),
}

SETTINGS: dict[str, dict[str, Any]] = {"infogan": {"categories": 2, "continuous": 1}}

LOSSES = [
    name for name in registry.find("loss") if issubclass(registry.load("loss", name), LogitLoss)
]


# -- the scene: one dimension, everything linear ---------------------------------------------------


class Shift(nn.Module):
    """G(z) = z + b, of the noise's first number."""

    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.zeros(()))

    def forward(self, latent: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        return latent[:, :1] + self.b


class Line(nn.Module):
    """D(x) = s x with the feature s x; with labels (1 + v_y) s x."""

    spec = Spec((1,), 1)
    width = 1
    reads_out = True

    def __init__(self) -> None:
        super().__init__()
        self.s = nn.Parameter(torch.ones(()))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.s * images

    def classify(self, features: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        projection = 0.0 if labels is None else torch.tensor([0.5, -1.0])[labels]
        return (1 + projection) * features.squeeze(1)


class Redraw(Line):
    """AE(v) = s v / 2."""

    reads_out = False

    def classify(self, features: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        return features / 2


class Known(nn.Module):
    """An encoder or a head: slopes x + offsets."""

    def __init__(self, slopes: list[float], offsets: list[float]) -> None:
        super().__init__()
        self.slopes, self.offsets = torch.tensor(slopes), torch.tensor(offsets)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images * self.slopes + self.offsets


def balance() -> nn.Module:
    state = nn.Module()
    state.register_buffer("k", torch.tensor(0.3))
    return state


MODULES: dict[str, Callable[[], dict[str, nn.Module]]] = {
    "began": lambda: {"balance": balance()},
    "infogan": lambda: {"q": Known([1, -1, 0], [0, 0, 0])},
    "gan-mse": lambda: {"encoder": Known([1], [-1])},
    "gan-mae": lambda: {"encoder": Known([1], [-1])},
    "vaegan": lambda: {"encoder": Known([1, 0], [-1, -200])},
}


def scene(name: str, phase: Any) -> Step:
    """A step in which all networks are known: real samples (2, 0), generated ones (-2, 0)."""
    loss = registry.create("loss", name, SETTINGS.get(name, {}))
    critic: Any = Redraw() if name == "began" else Line()
    modules = nn.ModuleDict(MODULES.get(name, dict)())
    train_state = TrainState(cast("Any", Shift()), critic, modules, loss, (), loss.n_critic)
    real, labels = torch.tensor([[2.0], [0.0]]), torch.tensor([0, 1])
    training_step = Step(
        train_state, phase, real, labels, torch.Generator().manual_seed(0), at_step(train_state), 1
    )
    # the noise; then, for who asks, the category as one-hot and the code
    training_step.latent = torch.tensor([[-2.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, -1.0]])
    return training_step


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values(name: str) -> None:
    """Every loss: what both networks minimise in a step, and the gradient of each."""
    critic, actor, slope, steeper = GOLDEN[name]
    training_step = scene(name, "discriminator")
    value = training_step.state.loss.discriminator(training_step)
    assert float(value.detach()) == pytest.approx(critic, abs=1e-5)
    (actual,) = torch.autograd.grad(value, cast("Any", training_step.state.discriminator).s)
    assert float(actual) == pytest.approx(steeper, abs=1e-5)
    training_step = scene(name, "generator")
    value = training_step.state.loss.generator(training_step)
    assert float(value.detach()) == pytest.approx(actor, abs=1e-5)
    (actual,) = torch.autograd.grad(value, cast("Any", training_step.state.generator).b)
    if callable(slope):
        slope = (slope(2.0, -2.0) + slope(0.0, 0.0)) / 2
    assert float(actual) == pytest.approx(slope, abs=1e-5)


def make(name: str) -> LogitLoss:
    loss = registry.create("loss", name, {})
    assert isinstance(loss, LogitLoss)
    return loss


def generator_loss(loss: LogitLoss, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """What a generator's step minimises without tricks."""
    return loss.relative_generator_loss(real, fake) if loss.relative else loss.generator_loss(fake)


def test_calculations_by_hand_are_of_losses_that_exist() -> None:
    assert set(GOLDEN) <= set(registry.find("loss"))


@pytest.mark.parametrize("name", [name for name, row in GOLDEN.items() if callable(row[2])])
@pytest.mark.parametrize("logit", [-2.0, 0.0, 3.0])
def test_generator_gradient_by_hand(name: str, logit: float) -> None:
    real, fake = torch.tensor([1.5]), torch.tensor([logit], requires_grad=True)
    generator_loss(make(name), real, fake).backward()
    assert float(fake.grad) == pytest.approx(GOLDEN[name][2](1.5, logit), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [1.0, 100.0, 1e4])
def test_finite_at_large_logits(name: str, size: float) -> None:
    for sign in (1, -1):
        real = torch.tensor([sign * size, 0.0], requires_grad=True)
        fake = torch.tensor([-sign * size, 0.0], requires_grad=True)
        loss = make(name)
        critic, actor = loss.discriminator_loss(real, fake), generator_loss(loss, real, fake)
        for value in (critic, actor, loss.relative_generator_loss(real, fake)):
            assert value.isfinite()
            for gradient in torch.autograd.grad(value, (real, fake), allow_unused=True):
                assert gradient is None or gradient.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_signs(name: str) -> None:
    """The discriminator gains when real logits rise or generated ones fall; the generator when
    generated ones rise: within margins, and on the far side of least squares' targets."""
    loss = make(name)
    real, fake = torch.zeros(4, requires_grad=True), torch.full((4,), 0.5, requires_grad=True)
    loss.discriminator_loss(real, fake).backward()
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()
    fake = torch.full((4,), -0.5, requires_grad=True)
    generator_loss(loss, real, fake).backward()
    assert (fake.grad < 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_independent_of_batch_size(name: str) -> None:
    loss = make(name)
    once = loss.discriminator_loss(REAL, FAKE)
    assert loss.discriminator_loss(REAL.repeat(5), FAKE.repeat(5)) == pytest.approx(float(once))
    once = generator_loss(loss, REAL, FAKE)
    assert generator_loss(loss, REAL.repeat(5), FAKE.repeat(5)) == pytest.approx(float(once))


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


def step_of(critic, real, fake, rng):
    """What a loss sees of a step in which the critic has seen both batches."""
    logits = (critic(real), critic(fake))
    return SimpleNamespace(
        real=real, fake=fake, rng=rng, discriminate=critic, log={}, logits=logits, relative=False
    )


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
    step = step_of(critic, real, fake, rng)
    loss = make(name)
    plain = float(loss.discriminator_loss(critic(real), critic(fake)))
    assert float(loss.discriminator(step)) == pytest.approx(plain + 40, rel=1e-5)
    assert float(step.log["penalty_norm"]) == pytest.approx(3, rel=1e-5)


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

    step = step_of(critic, real, fake, rng)
    make(name).discriminator(step)
    assert float(step.log["penalty_norm"]) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("name", LOSSES)
def test_the_relative_form_of_the_generator(name: str) -> None:
    """Swapped roles; but a saturating loss stays one: minus the discriminator's."""
    loss = make(name)
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-1.0, 0.25])
    actual = float(loss.relative_generator_loss(real, fake))
    saturating = name == "minimax"
    discriminator = loss.relative_discriminator_loss
    expected = -discriminator(real, fake) if saturating else discriminator(fake, real)
    assert actual == pytest.approx(float(expected))


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
    training_step = SimpleNamespace(discriminator_parameters=parameters, log={})
    make("wgan").after_discriminator(training_step)
    assert all(p.abs().max() <= 0.01 for p in parameters)
    # what the history has of it: the share of the twenty weights that stand at the bound
    at_bound = sum(int((p.abs() == 0.01).sum()) for p in parameters)
    assert float(training_step.log["share_at_bound"]()) == pytest.approx(at_bound / 20)


F_DIVERGENCES = {
    # name: (f, the activation g, the conjugate f*), from tables 1, 2 and 6 of arXiv:1606.00709
    "fgan-kl": (lambda u: u * np.log(u), lambda v: v, lambda t: np.exp(t - 1)),
    "fgan-reverse-kl": (
        lambda u: -np.log(u), lambda v: -np.exp(-v), lambda t: -1 - np.log(-t)
    ),
    "fgan-jensen-shannon": (
        lambda u: u * np.log(u) - (u + 1) * np.log((1 + u) / 2),
        lambda v: np.log(2) - np.log(1 + np.exp(-v)),
        lambda t: -np.log(2 - np.exp(t)),
    ),
    "fgan-pearson": (lambda u: (u - 1) ** 2, lambda v: v, lambda t: t**2 / 4 + t),
    "fgan-squared-hellinger": (
        lambda u: (np.sqrt(u) - 1) ** 2, lambda v: 1 - np.exp(-v), lambda t: t / (1 - t)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_the_conjugates_of_the_f_divergences(name: str) -> None:
    """g and f*(g) are the paper's, and f* is what its definition gives: sup_u (u t - f(u))."""
    f, g, conjugate = F_DIVERGENCES[name]
    loss = make(name)
    logits = np.linspace(-1.8, 3, 25)  # best logits, and Pearson's conjugate, begin at -2
    v = torch.from_numpy(logits)
    np.testing.assert_allclose(loss.activation(v).numpy(), g(logits), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        loss.conjugate(v).numpy(), conjugate(g(logits)), rtol=1e-9, atol=1e-12
    )
    u = np.exp(np.linspace(-9, 9, 200_001))
    by_definition = [float((u * t - f(u)).max()) for t in g(logits)]
    np.testing.assert_allclose(loss.conjugate(v).numpy(), by_definition, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", F_DIVERGENCES)
def test_no_divergence_where_the_densities_are_equal(name: str) -> None:
    """f(1) = 0: at the best logit, where g(v) = f'(1), discriminator and bound are 0."""
    best = {"fgan-kl": 1.0}.get(name, 0.0)
    v = torch.full((3,), best)
    assert float(make(name).discriminator_loss(v, v)) == pytest.approx(0, abs=1e-6)


def test_the_bounded_exponential() -> None:
    """The exponential up to its bound; then a tangent: continuous, convex, never flat."""
    v = torch.tensor([-1e4, -3.0, 0.0, 9.99, 10.01, 12.0, 1e4], requires_grad=True)
    values = exp(v)
    (slopes,) = torch.autograd.grad(values.sum(), v)
    top = math.exp(10)
    assert values.tolist()[:4] == pytest.approx([0, E**-3, 1, E**9.99], rel=1e-5)
    assert slopes.tolist()[:4] == pytest.approx([0, E**-3, 1, E**9.99], rel=1e-5)
    assert values.tolist()[4:] == pytest.approx([1.01 * top, 3 * top, 9991 * top], rel=1e-5)
    assert slopes.tolist()[4:] == pytest.approx([top] * 3, rel=1e-5)
    assert (slopes.diff() >= 0).all()


@pytest.mark.parametrize("name", ["fgan-reverse-kl", "fgan-squared-hellinger"])
def test_a_hopeless_sample_still_pulls(name: str) -> None:
    """Beyond the bound the generator's gradient is large and finite, not cut off."""
    fake = torch.tensor([-1e4], requires_grad=True)
    make(name).generator_loss(fake).backward()
    assert float(fake.grad) == pytest.approx(-math.exp(10), rel=1e-5)


def test_jensen_shannon_and_nonsaturating_are_one_loss() -> None:
    """They differ by constants, so the gradients are the same for both networks."""
    actual = []
    for name in ("fgan-jensen-shannon", "nonsaturating"):
        real = torch.linspace(-20, 20, 64, requires_grad=True)
        fake = torch.linspace(15, -25, 64, requires_grad=True)
        loss = make(name)
        critic = torch.autograd.grad(loss.discriminator_loss(real, fake), (real, fake))
        actor = torch.autograd.grad(loss.generator_loss(fake), fake)
        actual.append([*critic, *actor])
    for one, other in zip(*actual, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("progress, gamma", [(0.0, 0.05), (0.5, 0.0275), (1.0, 0.005)])
def test_r3gan_penalises_both_kinds_with_a_falling_weight(progress: float, gamma: float) -> None:
    """With the critic w.x both squared gradients are |w|^2: gamma/2 (R1 + R2) = gamma |w|^2."""
    weight = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(0))
    weight *= 3 / weight.norm()
    critic = Linear(weight)
    rng = torch.Generator().manual_seed(1)
    real = torch.randn(5, 2, 3, 3, generator=rng).requires_grad_()
    fake = torch.randn(5, 2, 3, 3, generator=rng).requires_grad_()
    logits = critic(real), critic(fake)
    training_step = SimpleNamespace(
        real=real, fake=fake, real_logits=logits[0], fake_logits=logits[1], logits=logits,
        log={}, scheduled=lambda plugin, name: plugin.scheduled(Moment(0, 0, progress))[name],
        relative=True, real_points=real, fake_points=fake,
    )  # fmt: skip
    loss = make("r3gan")
    plain = float(loss.discriminator_loss(*logits).detach())
    assert float(loss.discriminator(training_step).detach()) == pytest.approx(
        plain + 9 * gamma, rel=1e-5
    )
    assert float(training_step.log["r1"]) == pytest.approx(9, rel=1e-5)
    assert float(training_step.log["r2"]) == pytest.approx(9, rel=1e-5)


def test_r3gan_compares_partners_and_not_all_with_all() -> None:
    """The pairing is that of the batch: other partners, another value."""
    loss = make("r3gan")
    real, fake = torch.tensor([3.0, -1.0]), torch.tensor([2.0, -4.0])
    assert float(loss.discriminator_loss(real, fake)) == pytest.approx((sp(-1) + sp(-3)) / 2)
    assert float(loss.discriminator_loss(real, fake.flip(0))) == pytest.approx((sp(-7) + sp(3)) / 2)
