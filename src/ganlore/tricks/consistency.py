"""Consistency regularisation: the discriminator is trained to ignore small changes of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.settings import Fraction, NonNegativeFloat
from ganlore.tricks import Trick, _augment

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class Consistency(Trick):
    """A penalty on the difference between the logits of a real image and of a shifted copy.

    The paper also flips images horizontally: the setting `flip`, off by default, since the changed
    image must still look real and a mirrored digit does not. Translated images are padded with the
    nearest pixel. The zero translation, whose penalty is 0, is excluded unless the largest shift is
    less than a pixel.
    """

    paper = "arXiv:1910.12027"
    deviations = (
        "Without the paper's flips, which `flip` switches on; translated images are padded with "
        "the nearest pixel.",
    )
    tip = "equal logits for a real image and its shifted copy"
    requires = {"images": "translations and flips are defined for images only"}
    no_effect = {"shift": "if it is the same number of whole pixels"}
    weight: NonNegativeFloat = 10.0
    shift: Fraction = 0.125
    flip: bool = False

    def transform(self, images: Tensor, step: Step) -> Tensor:
        """T(x), of the same shape."""
        if self.flip:
            images = _augment.flip(images, step.rng)
        moved = _augment.moves(images, self.shift, step.rng, stay=False)
        return _augment.move(images, moved, "nearest")

    def penalty(self, step: Step) -> Tensor:
        """L_cr of the logits: weight E (D(x) - D(T(x)))^2, with gradients through both."""
        changed = step.discriminate(step.view_as_real(self.transform(step.images, step)))
        return self.weight * (step.real_logits - changed).square().mean()


TRICK = Consistency
