"""R3GAN: the paired relativistic loss with R1 and R2, a modern baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import softplus

from ganlore.losses import LogitLoss, Optimizer
from ganlore.settings import NonNegativeFloat
from ganlore.steps import penalties
from ganlore.steps.schedule import Moment, cosine

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class R3gan(LogitLoss):
    """Each real sample should score higher than its generated partner; zero-centred penalties.

    gamma follows half a cosine from `gamma` to `gamma_end` over the whole budget, as in the
    authors' code. The schedules of learning rate and beta2 are part of the published optimiser.
    """

    paper = "arXiv:2501.05441"
    deviations = (
        "Samples come from the trained weights; the authors' come from their moving average "
        "(the trick `ema`).",
        "The networks are the study's, with batch norm in the generator, and inputs are not "
        "augmented; the authors' networks have no normalisation and their inputs are.",
        "The schedules end with the study's budget, and the batch is the study's; the authors' end "
        "after 20 million images in batches of 512.",
    )
    logs = ("r1", "r2")
    formula = (
        "E sp(f - r) + g/2 (E |grad D(x)|^2 + E |grad D(G)|^2), g .05 -> .005",
        "E sp(r - f)",
    )
    incompatible = {
        "relativistic": "the loss already compares logits in pairs; comparing them with their "
        "means first only shifts every difference by that of the means",
        "r1": "the loss already includes this penalty, with its own weight",
    }
    relative = True
    differentiates_real = True
    differentiates_fake = True
    optimizer: Optimizer = Optimizer(
        kind="adam", lr=2e-4, lr_end=5e-5, betas=(0.0, 0.9), beta2_end=0.99
    )
    gamma: NonNegativeFloat = 0.05
    gamma_end: NonNegativeFloat = 0.005

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """The weight gamma along half a cosine."""
        return {"gamma": cosine(self.gamma, self.gamma_end, moment.progress)}

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Minus equation 2 with f(t) = -log(1 + exp(-t)), without the penalties."""
        return softplus(fake - real).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """The generator's loss against real logits of 0, for callers without real logits.

        A step uses `relative_generator_loss`, E sp(r - f), as the authors' code does.
        """
        return softplus(-fake).mean()

    def discriminator(self, step: Step) -> Tensor:
        """Section 2.2: the paired loss with R1 (real) and R2 (generated samples)."""
        r1, r2 = penalties.on_real(step), penalties.on_fake(step)
        step.log["r1"], step.log["r2"] = r1.detach(), r2.detach()
        penalty: Tensor = step.scheduled(self, "gamma") / 2 * (r1 + r2)
        return super().discriminator(step) + penalty


LOSS = R3gan
