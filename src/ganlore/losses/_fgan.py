"""f-GAN: any f-divergence as an adversarial loss. One implementation for all of them.

For a convex f with f(1) = 0, D_f(P|Q) = E_Q f(p/q). With f's convex conjugate
f*(t) = sup_u (u t - f(u)), every function T of the samples gives a lower bound (Nowozin et al.
2016, arXiv:1606.00709, equation 4):

    D_f(P|Q) >= E_P T - E_Q f*(T),    tight at T = f'(p/q).

T has to stay in the domain of f*, so the paper takes T = g(v), with v the discriminator's logit and
g an output activation into that domain (equation 6). The discriminator maximises the bound; the
generator maximises E_Q g(v), the paper's alternative to minimising -E_Q f*(g(v)), which saturates
(section 3.2). Activations and conjugates are those of the supplement's table 6; each f*(g(v)) is
written in its simplified form, without a logarithm of an exponential.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu

from ganlore.losses import LogitLoss, Optimizer

BOUND = 10.0
"""Where `exp` begins to go on as a straight line."""


def exp(v: Tensor) -> Tensor:
    """The exponential up to `BOUND`, and its tangent from there on: e^B (1 + v - B).

    This departs from the paper, whose exponential overflows float32 at a logit of 89 and gives
    steps beyond all measure long before. Value and slope are continuous, the function stays convex,
    and its gradient is never cut off, as a clamp's would be. Of the optimum it changes nothing
    where the ratio of the densities is less extreme than e^10 = 22026 (for the squared Hellinger
    distance, whose logit is half the logarithm of the ratio, e^20).
    """
    return torch.exp(v.clamp(max=BOUND)) + math.exp(BOUND) * relu(v - BOUND)


@dataclass
class FGan(LogitLoss):
    """An f-divergence, by its activation g and by its conjugate after it."""

    optimizer: Optimizer = Optimizer(kind="adam", lr=2e-4, betas=(0.5, 0.999))

    @abstractmethod
    def activation(self, v: Tensor) -> Tensor:
        """g(v), elementwise: from logits into the domain of the conjugate."""

    @abstractmethod
    def conjugate(self, v: Tensor) -> Tensor:
        """f*(g(v)), elementwise, from logits."""

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Minus equation 6: minus the lower bound of the divergence."""
        return self.conjugate(fake).mean() - self.activation(real).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Section 3.2, the alternative form."""
        return -self.activation(fake).mean()
