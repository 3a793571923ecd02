"""The original minimax GAN, in which the generator's gradient saturates."""

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

from ganlore.losses.nonsaturating import Nonsaturating


@dataclass
class Minimax(Nonsaturating):
    """Binary cross-entropy, saturating: the generator minimises what the critic maximises."""

    paper = "arXiv:1406.2661"
    deviations = (
        "The optimiser is DCGAN's (arXiv:1511.06434); the paper's is SGD with momentum, and its "
        "discriminator has dropout.",
    )
    formula = ("E sp(-r) + E sp(f)", "-E sp(f)")

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Equation 1, the generator's half."""
        return -softplus(fake).mean()

    def relative_generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The saturating form: minus the discriminator's loss, without swapped roles."""
        return -self.relative_discriminator_loss(real, fake)


LOSS = Minimax
