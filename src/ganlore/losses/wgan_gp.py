"""Wasserstein GAN with a gradient penalty in place of weight clipping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.losses import LogitLoss, Optimizer
from ganlore.settings import NonNegativeFloat, PositiveInt
from ganlore.steps import penalties

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class WassersteinGradientPenalty(LogitLoss):
    """Difference of mean scores, with a one-centred gradient penalty between real and fake."""

    paper = "arXiv:1704.00028"
    deviations = (
        "The rate is algorithm 1's, constant; the paper's residual network for CIFAR-10 has "
        "2e-4, falling linearly to 0 (`optimizer: {lr: 2.0e-4, lr_end: 0, decay: linear}`).",
        "For that network the authors' code has twice the batch in a generator's step, uniform "
        "noise of 1/128 on real images, and labels with an auxiliary classifier; here is none.",
    )
    formula = ("E f - E r + 10 E (|grad D(xh)| - 1)^2, xh = e x + (1-e) G", "-E f")
    logs = ("penalty_norm",)
    optimizer: Optimizer = Optimizer(kind="adam", lr=1e-4, betas=(0.0, 0.9))
    n_critic: PositiveInt = 5
    weight: NonNegativeFloat = 10.0

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Equation 3 without the penalty."""
        return fake.mean() - real.mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Algorithm 1, line 12."""
        return -fake.mean()

    def discriminator(self, step: Step) -> Tensor:
        """Equation 3."""
        norms = penalties.norms_between(step)
        step.log["penalty_norm"] = norms.detach().mean()
        return super().discriminator(step) + self.weight * penalties.one_centred(norms)


LOSS = WassersteinGradientPenalty
