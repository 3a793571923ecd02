"""R1: a zero-centred gradient penalty on real data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.settings import NonNegativeFloat
from ganlore.steps import penalties
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class R1(Trick):
    """A zero-centred gradient penalty on real data only."""

    paper = "arXiv:1801.04406"
    deviations = (
        "Under the policy `shared` gamma is .1, which suits small data; under `published` the "
        "paper's 10. The authors' code has no half before its weight, so that its 10 is a gamma "
        "of 20 here.",
    )
    published = {"gamma": 10.0}
    tip = "a zero-centred gradient penalty on real data"
    differentiates_real = True
    gamma: NonNegativeFloat = 0.1

    def penalty(self, step: Step) -> Tensor:
        """Equation 9: gamma / 2 E |grad D|^2, from the step's logits of real samples."""
        return self.gamma / 2 * penalties.on_real(step)


TRICK = R1
