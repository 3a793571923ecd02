"""f-GAN: any f-divergence as an adversarial loss. One implementation for all of them.

For a convex f with f(1) = 0, D_f(P|Q) = E_Q f(p/q). With f's convex conjugate
f*(t) = sup_u (u t - f(u)), every function T of the samples gives a lower bound (Nowozin et al.
2016, arXiv:1606.00709, equation 4):

    D_f(P|Q) >= E_P T - E_Q f*(T),    tight at T = f'(p/q).

T must stay in the domain of f*, so the paper takes T = g(v), with v the discriminator's logit and g
an output activation into that domain (equation 6). The discriminator maximises the bound; the
generator maximises E_Q g(v), the paper's alternative to minimising -E_Q f*(g(v)), which saturates
(section 3.2). Activations and conjugates follow the supplement's table 6; each f*(g(v)) is
simplified, without a logarithm of an exponential.
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
"""The argument from which `exp` continues linearly."""


def exp(v: Tensor) -> Tensor:
    """The exponential up to `BOUND`, continued by its tangent e^B (1 + v - B).

    This departs from the paper, whose exponential overflows float32 at a logit of 89 and gives huge
    steps long before. The function stays convex and continuously differentiable, and unlike a
    clamp's its gradient does not vanish. The optimum is unchanged where the ratio of the densities
    is less extreme than e^10 = 22026 (e^20 for the squared Hellinger distance, whose logit is half
    the logarithm of the ratio).
    """
    return torch.exp(v.clamp(max=BOUND)) + math.exp(BOUND) * relu(v - BOUND)


@dataclass
class FGan(LogitLoss):
    """An f-divergence, given by its output activation g and by f* composed with g."""

    optimizer: Optimizer = Optimizer(kind="adam", lr=2e-4, betas=(0.5, 0.999))

    @abstractmethod
    def activation(self, v: Tensor) -> Tensor:
        """g(v), elementwise: from logits into the domain of the conjugate."""

    @abstractmethod
    def conjugate(self, v: Tensor) -> Tensor:
        """f*(g(v)), elementwise, from logits."""

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Minus equation 6, the lower bound of the divergence."""
        return self.conjugate(fake).mean() - self.activation(real).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Section 3.2, the alternative form."""
        return -self.activation(fake).mean()
