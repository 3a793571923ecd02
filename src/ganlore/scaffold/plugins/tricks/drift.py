"""Drift penalty: logits of real images stay near zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.settings import PositiveFloat
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class Drift(Trick):
    """A small penalty on the squared logits of real images."""

    paper = "arXiv:1710.10196"
    tip = "keep the discriminator's output from drifting away from zero"
    weight: PositiveFloat = 0.001

    def penalty(self, step: Step) -> Tensor:
        """Appendix A.1: weight E D(x)^2."""
        return self.weight * step.real_logits.square().mean()


TRICK = Drift
