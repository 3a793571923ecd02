"""What one-centred gradient penalties share: the slope of the discriminator is held at 1."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.settings import NonNegativeFloat
from ganlore.steps import penalties
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class OneCentred(Trick, ABC):
    """The weighted mean of (|grad D| - 1)^2 over points that a subclass chooses."""

    weight: NonNegativeFloat = 10.0

    @abstractmethod
    def norms(self, step: Step) -> Tensor:
        """The gradient's norm at each point, (N,)."""

    def penalty(self, step: Step) -> Tensor:
        """Weight E (|grad D| - 1)^2."""
        return self.weight * penalties.one_centred(self.norms(step))
