"""Consistency regularisation: a real image and a slightly changed one are judged alike."""

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
    """The logit of a real image is held near that of the same image, moved by a few pixels.

    The paper also mirrors images, left to right, which here is `flip`. It is off unless a study
    asks for it: the change must make of a sample another one, and a mirrored digit is no digit.
    What moves in from outside is the nearest pixel's colour. No image stays where it is, unless a
    pixel is more than the shift: it would be judged twice, to find no difference.
    """

    paper = "arXiv:1910.12027"
    tip = "a real image and its shifted copy are judged alike"
    requires = {"images": "a shift by pixels and a mirror image are changes of pictures"}
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
        """L_cr on the last layer: weight E (D(x) - D(T(x)))^2, with a gradient through both."""
        changed = step.discriminate(step.view_as_real(self.transform(step.images, step)))
        return self.weight * (step.real_logits - changed).square().mean()


TRICK = Consistency
