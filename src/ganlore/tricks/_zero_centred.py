"""What zero-centred gradient penalties share: R1 on real samples, R2 on generated ones."""

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
class ZeroCentred(Trick, ABC):
    """gamma / 2 times the mean squared gradient of a batch of logits."""

    paper = "arXiv:1801.04406"
    gamma: NonNegativeFloat = 0.1

    @abstractmethod
    def logits_and_inputs(self, step: Step) -> tuple[Tensor, Tensor]:
        """Logits of the step's own, (N,), and the samples that they were computed from."""

    def penalty(self, step: Step) -> Tensor:
        """Equations 9 and 10: gamma / 2 E |grad D|^2, from the step's own logits."""
        return self.gamma / 2 * penalties.squared_gradients(*self.logits_and_inputs(step)).mean()
