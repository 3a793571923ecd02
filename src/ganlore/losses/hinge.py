"""Hinge loss, as in geometric GAN, SNGAN and SAGAN."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import relu

from ganlore.losses import LogitLoss, Optimizer
from ganlore.settings import PositiveInt


@dataclass
class Hinge(LogitLoss):
    """Logits beyond a margin of 1 no longer contribute to the discriminator's loss.

    The published rates fall linearly to 0, as in the authors' code for CIFAR-10.
    """

    paper = "arXiv:1705.02894, arXiv:1802.05957"
    deviations = (
        "SNGAN's residual network has 128 samples in a generator's step and 64 in a "
        "discriminator's; here both have the batch.",
        "SNGAN's code adds uniform noise of 1/128 to real images; here is none.",
    )
    formula = ("E relu(1-r) + E relu(1+f)", "-E f")
    optimizer: Optimizer = Optimizer(
        kind="adam", lr=2e-4, lr_end=0.0, decay="linear", betas=(0.0, 0.9)
    )
    n_critic: PositiveInt = 5

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Miyato et al. 2018, equation 16."""
        return relu(1 - real).mean() + relu(1 + fake).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Miyato et al. 2018, equation 17."""
        return -fake.mean()


LOSS = Hinge
