"""R1: the discriminator's squared gradient on real data is held near 0."""

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
class R1(Trick):
    """A zero-centred gradient penalty on real data only."""

    paper = "arXiv:1801.04406"
    tip = "a zero-centred gradient penalty on real data"
    differentiates_real = True
    gamma: NonNegativeFloat = 0.1

    def penalty(self, game: Game) -> Tensor:
        """Equation 9: gamma / 2 E |grad D(x)|^2, from the step's own logits."""
        squared = penalties.squared_gradients(game.real_logits, game.real)
        return self.gamma / 2 * squared.mean()


TRICK = R1
