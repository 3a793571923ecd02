"""Wasserstein GAN: a critic with clipped weights and several steps per generator step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganlore.losses import LogitLoss, Optimizer
from ganlore.settings import PositiveFloat, PositiveInt

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class Wasserstein(LogitLoss):
    """Difference of mean scores, with the critic's weights clipped after each of its steps."""

    paper = "arXiv:1701.07875"
    deviations = (
        "The critic makes n_critic steps from the start on; the authors' code makes 100 for each "
        "of the first 25 steps of the generator and for every 500th.",
    )
    formula = ("E f - E r", "-E f")
    logs = ("share_at_bound",)
    optimizer: Optimizer = Optimizer(kind="rmsprop", lr=5e-5)
    n_critic: PositiveInt = 5
    clip: PositiveFloat = 0.01

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Minus algorithm 1, line 5."""
        return fake.mean() - real.mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Algorithm 1, line 10."""
        return -fake.mean()

    def constrain(self, parameter: Tensor) -> Tensor:
        """Algorithm 1, line 7: clip to [-clip, clip]."""
        return parameter.clamp(-self.clip, self.clip)

    @torch.no_grad()
    def after_discriminator(self, step: Step) -> None:
        """Algorithm 1, line 7: clip every weight of the critic to [-clip, clip]."""
        torch._foreach_clamp_min_(step.discriminator_parameters, -self.clip)
        torch._foreach_clamp_max_(step.discriminator_parameters, self.clip)
        step.log["share_at_bound"] = lambda: self.share_at_bound(step.discriminator_parameters)

    def share_at_bound(self, parameters: list[Tensor]) -> Tensor:
        """The share of all weights that are at the clipping bound."""
        flat = torch.cat([parameter.detach().flatten() for parameter in parameters])
        return (flat.abs() >= self.clip).float().mean()


LOSS = Wasserstein
