"""One-sided label smoothing: the discriminator is to be less than sure of real data."""

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
    """The discriminator's label for real data is .9 in place of 1; that of generated data stays 0.

    A smaller label s changes cross-entropy and least squares by the same linear term:

        s sp(-r) + (1 - s) sp(r) = sp(-r) + (1 - s) r,    as sp(r) = sp(-r) + r,
        .5 (r - s)^2 = .5 (r - 1)^2 + (1 - s) r + a constant.

    Where a trick compares logits, r is the compared one. The generator's labels are not smoothed.
    """

    paper = "arXiv:1606.03498"
    tip = "a label of .9 for real data"
    requires = {
        "a label for real": "the loss holds the logit of real data against no label of 1, so that "
        "there is none to be smoothed"
    }
    label: Fraction = 0.9

    def penalty(self, step: Step) -> Tensor:
        """Section 3.4, as what it adds to the loss with the label 1: (1 - label) E r."""
        return (1 - self.label) * step.logits[0].mean()


TRICK = LabelSmoothing
