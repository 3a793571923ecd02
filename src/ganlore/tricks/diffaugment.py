"""DiffAugment: differentiable augmentation of the discriminator's real and generated inputs."""

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
    """Differentiable augmentation of every image that the discriminator receives.

    It applies to the steps of both networks, so that the generator learns through it and need not
    imitate it. The paper's policy: colour, translation up to 1/8, cutout of 1/2; a share of 0
    disables one. The images of a pack are augmented independently, whatever the order of tricks.
    R1 and R2 differentiate through the augmentation, with respect to the image (`augments`), as the
    code of StyleGAN2-ADA, R3GAN and this paper's PyTorch version; its TensorFlow version takes the
    gradient with respect to the augmented image.
    """

    paper = "arXiv:2006.10738"
    deviations = ("The authors' scripts for CIFAR-10 leave colour out (`colour: false`).",)
    tip = "differentiable augmentation of all inputs of the discriminator"
    requires = {"images": "colour, translation and cutout are defined for images only"}
    no_effect = {
        "translation": "if it is the same number of whole pixels",
        "cutout": "if it is the same number of whole pixels",
    }
    augments = True
    colour: bool = True
    translation: Fraction = 0.125
    cutout: Fraction = 0.5

    def view(self, images: Tensor, step: Step) -> Tensor:
        """T(x), of the same shape; translation and cutout leave zeros."""
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
