"""DiffAugment: the discriminator sees real and generated images through random changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.settings import Fraction
from ganlore.tricks import Trick, _augment

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class DifferentiableAugmentation(Trick):
    """Every image is changed at random before it is judged, in both networks' steps.

    The changes are differentiable, so that the generator learns through them, and never has to draw
    them. The paper's policy: colour, translation up to 1/8, cutout of 1/2; a share of 0 leaves one
    out. Each image of a pack is changed by itself, whether packing comes before or after.
    """

    paper = "arXiv:2006.10738"
    tip = "random differentiable changes of all that is judged"
    requires = {"images": "colour, translation and cutout are changes of pictures"}
    colour: bool = True
    translation: Fraction = 0.125
    cutout: Fraction = 0.5

    def view(self, images: Tensor, step: Step) -> Tensor:
        """T(x), of the same shape, with zeros where there is nothing to see."""
        single = images.reshape(-1, step.images.shape[1], *images.shape[2:])
        if self.colour:
            single = _augment.recolour(single, step.rng)
        if self.translation:
            moved = _augment.moves(single, self.translation, step.rng)
            single = _augment.move(single, moved, "zeros")
        if self.cutout:
            single = _augment.cut_out(single, self.cutout, step.rng)
        return single.reshape(images.shape)


TRICK = DifferentiableAugmentation
