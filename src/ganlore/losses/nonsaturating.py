"""The non-saturating GAN, which the original paper uses in practice."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from ganlore.losses import LogitLoss, Optimizer


@dataclass
class Nonsaturating(LogitLoss):
    """Binary cross-entropy; the generator maximises the log-probability of being real."""

    paper = "arXiv:1406.2661"
    deviations: ClassVar[tuple[str, ...]] = (
        "The optimiser is DCGAN's (arXiv:1511.06434); the paper's is SGD with momentum, and its "
        "discriminator has dropout.",
    )
    formula = ("E sp(-r) + E sp(f)", "E sp(-f)")
    provides = ("a label for real",)
    optimizer: Optimizer = Optimizer(kind="adam", lr=2e-4, betas=(0.5, 0.999))

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Equation 1, with -log sigmoid(x) = softplus(-x)."""
        return softplus(-real).mean() + softplus(fake).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Section 3: maximise log D(G(z)) instead of minimising log(1 - D(G(z)))."""
        return softplus(-fake).mean()


LOSS = Nonsaturating
