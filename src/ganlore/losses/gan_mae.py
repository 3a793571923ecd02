"""Adversarial loss with an L1 reconstruction error, as in pix2pix."""

from dataclasses import dataclass

from torch import Tensor

from ganlore.losses._reconstruction import Reconstruction


@dataclass
class AbsoluteReconstruction(Reconstruction):
    """The non-saturating loss plus the mean absolute error of reconstructions."""

    paper = "arXiv:1611.07004"
    deviations = (
        "An encoder's code takes the place of the paper's input image, and the discriminator "
        "sees no pair.",
        "Under the policy `shared` the weight is 10; under `published` the paper's 100.",
    )
    published = {"weight": 100.0}
    logs = ("reconstruction",)
    formula = ("E sp(-r) + E sp(f)", "adversarial E sp(-f) + weight mean |x - G(Enc(x))|")

    def error(self, original: Tensor, reconstruction: Tensor) -> Tensor:
        """Equation 3, for a reconstruction in place of a translation."""
        return (original - reconstruction).abs().mean()


LOSS = AbsoluteReconstruction
