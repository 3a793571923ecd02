"""WGAN-GP's gradient penalty on top of any loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from ganlore.settings import NonNegativeFloat
from ganlore.steps import penalties
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class GradientPenalty(Trick):
    """A one-centred gradient penalty between real and generated samples."""

    paper = "arXiv:1704.00028"
    deviations: ClassVar[tuple[str, ...]] = (
        "The paper has it on the Wasserstein loss alone, with five critic steps; here it joins "
        "any loss.",
    )
    tip = "a one-centred gradient penalty between real and generated samples"
    incompatible = {"wgan-gp": "the loss already includes this penalty, so it would count twice"}
    weight: NonNegativeFloat = 10.0

    def norms(self, step: Step) -> Tensor:
        """The gradient's norm at a point on the line between each pair, (N,)."""
        return penalties.norms_between(step)

    def penalty(self, step: Step) -> Tensor:
        """Equation 3's last term: weight E (|grad D| - 1)^2."""
        return self.weight * penalties.one_centred(self.norms(step))


TRICK = GradientPenalty
