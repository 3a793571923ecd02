"""Least squares GAN, on logits rather than on probabilities."""

from dataclasses import dataclass

from torch import Tensor

from ganlore.losses import LogitLoss, Optimizer


@dataclass
class LeastSquares(LogitLoss):
    """Squared distance of logits to 1 for real and to 0 for generated images.

    Relativistic tricks give it differences of logits, whose targets are 1 and -1. Its factors .5
    are those of the paper and of the relativistic authors' code; the relativistic paper's RaLSGAN
    has none, so that its loss is twice this one.
    """

    paper = "arXiv:1611.04076"
    deviations = (
        "The optimiser is DCGAN's; the paper's rates, which depend on the data set, were not "
        "checked.",
    )
    formula = (".5 E (r-1)^2 + .5 E f^2", ".5 E (f-1)^2")
    provides = ("a label for real",)
    targets = (1.0, 0.0)
    optimizer: Optimizer = Optimizer(kind="adam", lr=2e-4, betas=(0.5, 0.999))

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Equation 9: a = 0, b = 1."""
        return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Equation 9: c = 1."""
        return 0.5 * (fake - 1).square().mean()


LOSS = LeastSquares
