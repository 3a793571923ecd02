"""DRAGAN's gradient penalty on top of any loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.settings import NonNegativeFloat
from ganlore.steps import penalties
from ganlore.tricks.gradient_penalty import GradientPenalty

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class DraganPenalty(GradientPenalty):
    """A one-centred gradient penalty around real data."""

    paper = "arXiv:1705.07215"
    deviations = (
        "Under the policy `shared` the noise is the paper's, normal; under `published` that of "
        "the authors' code, uniform and interpolated (`uniform`).",
        "The paper has it on the original GAN's loss alone.",
    )
    published = {"uniform": True}
    tip = "a one-centred gradient penalty around real data"
    incompatible = {"dragan": "the loss already includes this penalty, so it would count twice"}
    scale: NonNegativeFloat = 0.5
    uniform: bool = False

    def norms(self, step: Step) -> Tensor:
        """Section 2.3: at x + delta, delta ~ N(0, (scale std(x))^2)."""
        return penalties.norms_around(step, self.scale, self.uniform)


TRICK = DraganPenalty
