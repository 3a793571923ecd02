"""A discriminator alone, on two known densities: its best logit and what its loss is worth there.

Real samples come from P, generated ones from Q, two Gaussians on the line. The closed forms are
derived here from the losses' papers, not from the code: at a point where the densities are p and q
a discriminator minimises p a(v) + q b(v) over its logit v.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ganlore.losses import LogitLoss
from ganlore.networks import Spec
from ganlore.study import registry

P, Q = (0.0, 1.0), (0.8, 1.3)  # mean and standard deviation
GRID = np.linspace(-12, 12, 4_801)
STEP = GRID[1] - GRID[0]


def log_density(x: NDArray[np.float64], mean: float, std: float) -> NDArray[np.float64]:
    return -0.5 * ((x - mean) / std) ** 2 - math.log(std * math.sqrt(2 * math.pi))


LOG_P, LOG_Q = log_density(GRID, *P), log_density(GRID, *Q)
DENSITY_P, DENSITY_Q = np.exp(LOG_P), np.exp(LOG_Q)
LOG_RATIO = LOG_P - LOG_Q


def kl(one: tuple[float, float], other: tuple[float, float]) -> float:
    """KL(one | other) of two Gaussians."""
    (m, s), (n, t) = one, other
    return math.log(t / s) + (s**2 + (m - n) ** 2) / (2 * t**2) - 0.5


def affinity() -> float:
    """The integral of sqrt(p q) of two Gaussians."""
    (m, s), (n, t) = P, Q
    square = s**2 + t**2
    return math.sqrt(2 * s * t / square) * math.exp(-((m - n) ** 2) / (4 * square))


def pearson() -> float:
    """The integral of p^2 / q - 1 of two Gaussians, finite for s < sqrt(2) t.

    p^2/q is a Gaussian's exponential with precision c = 2/s^2 - 1/t^2 and slope 2m/s^2 - n/t^2.
    """
    (m, s), (n, t) = P, Q
    c, slope = 2 / s**2 - 1 / t**2, 2 * m / s**2 - n / t**2
    exponent = slope**2 / (2 * c) - m**2 / s**2 + n**2 / (2 * t**2)
    return t / s**2 / math.sqrt(c) * math.exp(exponent) - 1


def integral(values: NDArray[np.float64]) -> float:
    return float(values.sum() * STEP)


MIXTURE = np.log((DENSITY_P + DENSITY_Q) / 2)
TWICE_JENSEN_SHANNON = integral(DENSITY_P * (LOG_P - MIXTURE) + DENSITY_Q * (LOG_Q - MIXTURE))
TOTAL_VARIATION = integral(np.abs(DENSITY_P - DENSITY_Q)) / 2

OPTIMA: dict[str, tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], float]] = {
    # name: (the best logit as a function of z = log(p/q), the loss there)
    # d/dv [p sp(-v) + q sp(v)] = -p (1 - s) + q s = 0: s = p/(p+q), v = log(p/q);
    # E_P log(p/(p+q)) + E_Q log(q/(p+q)) = 2 JS - 2 log 2
    "minimax": (lambda z: z, 2 * math.log(2) - TWICE_JENSEN_SHANNON),
    "nonsaturating": (lambda z: z, 2 * math.log(2) - TWICE_JENSEN_SHANNON),
    # p (v - 1) + q v = 0: v = p/(p+q); .5 [p q^2 + q p^2] / (p+q)^2 = .5 p q / (p+q)
    "lsgan": (
        lambda z: 1 / (1 + np.exp(-z)),
        0.5 * integral(DENSITY_P * DENSITY_Q / (DENSITY_P + DENSITY_Q)),
    ),
    # linear between the margins: v = sign(p - q), worth 2 min(p, q), whose integral is 1 - TV
    "hinge": (np.sign, 2 * (1 - TOTAL_VARIATION)),
    # the divergences: g(v) = f'(p/q), worth -D_f(P|Q)
    # f = u log u, f' = 1 + log u, g(v) = v
    "fgan-kl": (lambda z: 1 + z, -kl(P, Q)),
    # f = -log u, f' = -1/u, g(v) = -exp(-v)
    "fgan-reverse-kl": (lambda z: z, -kl(Q, P)),
    # f = u log u - (u+1) log((u+1)/2), f' = log(2u/(u+1)), g(v) = log(2 sigmoid(v))
    "fgan-jensen-shannon": (lambda z: z, -TWICE_JENSEN_SHANNON),
    # f = (u-1)^2, f' = 2 (u-1), g(v) = v
    "fgan-pearson": (lambda z: 2 * np.expm1(z), -pearson()),
    # f = (sqrt u - 1)^2, f' = 1 - 1/sqrt u, g(v) = 1 - exp(-v)
    "fgan-squared-hellinger": (lambda z: z / 2, -2 * (1 - affinity())),
}


def make(name: str) -> LogitLoss:
    loss = registry.create("loss", name, {})
    assert isinstance(loss, LogitLoss)
    return loss


def halves(loss: LogitLoss, v: Tensor) -> tuple[Tensor, Tensor]:
    """a(v) and b(v), one for each logit: what a real and what a generated sample cost.

    The other half's constant at 0 is in both, and is taken out of one.
    """
    zero = torch.zeros(1, dtype=v.dtype)
    real = torch.vmap(lambda x: loss.discriminator_loss(x[None], zero))(v)
    fake = torch.vmap(lambda x: loss.discriminator_loss(zero, x[None]))(v)
    return real, fake - loss.discriminator_loss(zero, zero)


def train_table(loss: LogitLoss, ratio: NDArray[np.float64]) -> NDArray[np.float64]:
    """A free logit for each point, trained on p a(v) + q b(v), from 0.

    The points do not touch each other, so each is weighted by p/(p+q) and q/(p+q): the same best
    logits, and the tails learn as fast as the middle.
    """
    share = torch.from_numpy(1 / (1 + np.exp(-ratio)))
    v = torch.zeros(len(ratio), dtype=torch.float64, requires_grad=True)

    def objective() -> Tensor:
        real, fake = halves(loss, v)
        value = (share * real + (1 - share) * fake).sum()
        v.grad = torch.autograd.grad(value, v)[0]
        return value

    if loss.name == "hinge":  # not smooth: small steps, growing smaller
        for step in range(600):
            objective()
            v.data -= 0.05 * (1 - step / 600) * v.grad
    else:
        torch.optim.LBFGS(
            [v], max_iter=150, tolerance_grad=1e-8, line_search_fn="strong_wolfe"
        ).step(objective)  # fmt: skip
    return v.detach().numpy()


@pytest.mark.parametrize("name", OPTIMA)
def test_a_trained_discriminator_has_the_best_logit(name: str) -> None:
    """Wherever P or Q has samples: |x| < 4, ratios of the densities from 1/100 to 1.7."""
    seen = (np.abs(GRID) < 4) & (np.arange(len(GRID)) % 40 == 0)
    if name == "hinge":  # at p = q every logit between the margins is as good
        seen &= np.abs(LOG_RATIO) > 0.2
    actual = train_table(make(name), LOG_RATIO[seen])
    tolerance = 0.03 if name == "hinge" else 1e-3
    np.testing.assert_allclose(actual, OPTIMA[name][0](LOG_RATIO[seen]), atol=tolerance)


@pytest.mark.parametrize("name", OPTIMA)
def test_the_loss_there_is_the_divergence(name: str) -> None:
    """The loss of the best logits, integrated over both densities.

    To 1e-5: beyond a ratio of e^10 the exponential of two f-GANs goes on as a straight line.
    """
    best, worth = OPTIMA[name]
    real, fake = halves(make(name), torch.from_numpy(best(LOG_RATIO)))
    actual = integral(DENSITY_P * real.numpy() + DENSITY_Q * fake.numpy())
    assert actual == pytest.approx(worth, abs=1e-5)


@pytest.mark.parametrize("name", OPTIMA)
def test_no_other_logits_are_better(name: str) -> None:
    """The closed form, moved up, down or stretched anywhere, is worth less."""
    loss = make(name)
    best = OPTIMA[name][0](LOG_RATIO)

    def worth(logits: NDArray[np.float64]) -> float:
        real, fake = (half.numpy() for half in halves(loss, torch.from_numpy(logits)))
        return integral(DENSITY_P * real + DENSITY_Q * fake)

    for change in (0.1 * np.ones_like(GRID), 0.1 * np.sin(3 * GRID), 0.05 * best):
        for sign in (1, -1):
            assert worth(best + sign * change) > worth(best)


def test_a_network_trained_on_samples_finds_the_logit_of_nonsaturating() -> None:
    """An `mlp` that sees only batches of samples comes near log(p/q) where samples are."""
    network = registry.create("network", "mlp", {"width": 32, "depth": 2})
    discriminator = network.discriminator(Spec((1,), 1))
    network.initialise(discriminator, lambda name: torch.Generator().manual_seed(len(name)))
    loss = make("nonsaturating")
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=5e-3, betas=(0.5, 0.999))
    rng = torch.Generator().manual_seed(0)
    steps = 400
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 - step / steps)
        samples = (m + s * torch.randn(256, 1, generator=rng) for m, s in (P, Q))
        value = loss.discriminator_loss(*(discriminator(x) for x in samples))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    often = (GRID > -2) & (GRID < 2.5)
    with torch.no_grad():
        actual = discriminator(torch.from_numpy(GRID[often]).float()[:, None]).numpy()
    assert np.abs(actual - LOG_RATIO[often]).max() < 0.25
    assert np.abs(actual - LOG_RATIO[often]).mean() < 0.08
