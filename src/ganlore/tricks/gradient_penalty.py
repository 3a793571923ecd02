"""WGAN-GP's gradient penalty on top of any loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.steps import penalties
from ganlore.tricks._one_centred import OneCentred

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class GradientPenalty(OneCentred):
    """The discriminator's gradient between real and generated samples is held at 1."""

    paper = "arXiv:1704.00028"
    tip = "a one-centred gradient penalty between real and fake"
    incompatible = {"wgan-gp": "the loss has this penalty already; it would only count twice"}

    def norms(self, step: Step) -> Tensor:
        """Equation 3's last term: at points on the lines between pairs."""
        return penalties.norms_between(step)


TRICK = GradientPenalty
