"""Adversarial loss with an L2 reconstruction error."""

from dataclasses import dataclass

from torch import Tensor

from ganlore.losses._reconstruction import Reconstruction


@dataclass
class SquaredReconstruction(Reconstruction):
    """The non-saturating loss plus the mean squared error of reconstructions."""

    paper = "arXiv:1611.07004"
    deviations = (
        "An encoder's code takes the place of the paper's input image, and the discriminator "
        "sees no pair.",
        "The paper reports no results with squared errors; the weight of 10 is this package's.",
    )
    logs = ("reconstruction",)
    formula = ("E sp(-r) + E sp(f)", "adversarial E sp(-f) + weight mean (x - G(Enc(x)))^2")

    def error(self, original: Tensor, reconstruction: Tensor) -> Tensor:
        """Mean squared error."""
        return (original - reconstruction).square().mean()


LOSS = SquaredReconstruction
