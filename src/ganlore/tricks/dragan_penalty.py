"""DRAGAN's gradient penalty on top of any loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore import penalties
from ganlore.settings import NonNegativeFloat
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.game import Game


@dataclass
class DraganPenalty(Trick):
    """The discriminator's gradient around real data is held at 1."""

    paper = "arXiv:1705.07215"
    tip = "a one-centred gradient penalty around the data only"
    incompatible = {"dragan": "the loss has this penalty already; it would only count twice"}
    weight: NonNegativeFloat = 10.0
    scale: NonNegativeFloat = 0.5

    def penalty(self, game: Game) -> Tensor:
        """Section 2.3: weight E (|grad D(x + delta)| - 1)^2, delta ~ N(0, (scale std(x))^2)."""
        norms = penalties.norms_around(game, self.scale)
        return self.weight * penalties.one_centred(norms)


TRICK = DraganPenalty
