"""R2: a zero-centred gradient penalty on generated samples."""

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
class R2(Trick):
    """A zero-centred gradient penalty on generated samples only."""

    paper = "arXiv:1801.04406"
    deviations = (
        "Under the policy `shared` gamma is .1, which suits small data; under `published` the "
        "paper's 10. The authors' code has no half before its weight, so that its 10 is a gamma "
        "of 20 here.",
    )
    published = {"gamma": 10.0}
    tip = "a zero-centred gradient penalty on generated samples"
    incompatible = {"r3gan": "the loss already includes this penalty, with its own weight"}
    differentiates_fake = True
    gamma: NonNegativeFloat = 0.1

    def penalty(self, step: Step) -> Tensor:
        """Equation 10: gamma / 2 E |grad D|^2, from the step's logits of generated samples."""
        return self.gamma / 2 * penalties.on_fake(step)


TRICK = R2
