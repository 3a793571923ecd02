"""R1: the discriminator's squared gradient on real data is held near 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.tricks._zero_centred import ZeroCentred

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class R1(ZeroCentred):
    """A zero-centred gradient penalty on real data only."""

    tip = "a zero-centred gradient penalty on real data"
    differentiates_real = True

    def logits_and_inputs(self, step: Step) -> tuple[Tensor, Tensor]:
        """Real samples."""
        return step.real_logits, step.real


TRICK = R1
