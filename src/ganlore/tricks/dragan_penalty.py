"""DRAGAN's gradient penalty on top of any loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.settings import NonNegativeFloat
from ganlore.steps import penalties
from ganlore.tricks._one_centred import OneCentred

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class DraganPenalty(OneCentred):
    """The discriminator's gradient around real data is held at 1."""

    paper = "arXiv:1705.07215"
    tip = "a one-centred gradient penalty around the data only"
    incompatible = {"dragan": "the loss has this penalty already; it would only count twice"}
    scale: NonNegativeFloat = 0.5

    def norms(self, step: Step) -> Tensor:
        """Section 2.3: at x + delta, delta ~ N(0, (scale std(x))^2)."""
        return penalties.norms_around(step, self.scale)


TRICK = DraganPenalty
