"""R2: the discriminator's squared gradient on generated samples is held near 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.tricks._zero_centred import ZeroCentred

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class R2(ZeroCentred):
    """A zero-centred gradient penalty on generated samples only."""

    tip = "a zero-centred gradient penalty on generated samples"
    incompatible = {"r3gan": "the loss has this penalty already, with a weight of its own"}
    differentiates_fake = True

    def logits_and_inputs(self, step: Step) -> tuple[Tensor, Tensor]:
        """Generated samples."""
        return step.fake_logits, step.fake


TRICK = R2
