"""One-sided label smoothing: a target below 1 for real data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.settings import Fraction
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class LabelSmoothing(Trick):
    """The discriminator's target for real data is .9 instead of 1, for generated data still 0.

    A smaller target s changes cross-entropy and least squares by the same linear term:

        s sp(-r) + (1 - s) sp(r) = sp(-r) + (1 - s) r,    as sp(r) = sp(-r) + r,
        .5 (r - s)^2 = .5 (r - 1)^2 + (1 - s) r + a constant.

    With a relativistic trick, r is the logit after it. The generator's targets are not smoothed.
    """

    paper = "arXiv:1606.03498"
    deviations = ()
    tip = "a target of .9 for real data"
    requires = {
        "a label for real": "the loss has no target of 1 for the logits of real data that could be "
        "smoothed"
    }
    label: Fraction = 0.9

    def penalty(self, step: Step) -> Tensor:
        """Section 3.4, as the term (1 - label) E r on top of the loss with target 1."""
        return (1 - self.label) * step.logits[0].mean()


TRICK = LabelSmoothing
