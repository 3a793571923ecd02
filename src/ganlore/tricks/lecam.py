"""LeCam regularisation: real logits near the moving average of generated ones, and vice versa."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from ganlore.settings import Fraction, NonNegativeFloat
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps import Step


class Anchors(nn.Module):
    """Bias-corrected exponential moving averages of two numbers.

    Sums start at 0 and are divided by their total weight, 1 - decay^n after n steps (as in Adam,
    Kingma and Ba 2015, arXiv:1412.6980, section 3). An average that starts at the first batch would
    be dominated by it for 1 / (1 - decay) steps, much of a short run.
    """

    sums: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(2))
        self.register_buffer("weight", torch.zeros(()))

    @property
    def started(self) -> Tensor:
        """0 before the first step, 1 after it."""
        return self.weight.sign()

    @property
    def means(self) -> Tensor:
        """The averages, (2,); 0 before the first step."""
        return self.sums / (self.weight + (1 - self.started))

    def including(self, values: Tensor, decay: float) -> Tensor:
        """The averages after two more numbers, (2,), without changing the state."""
        sums, weight = self._after(values, decay)
        return sums / weight

    @torch.no_grad()
    def _after(self, values: Tensor, decay: float) -> tuple[Tensor, Tensor]:
        weight = self.weight.lerp(torch.ones_like(self.weight), 1 - decay)
        return self.sums.lerp(values, 1 - decay), weight

    @torch.no_grad()
    def update(self, values: Tensor, decay: float) -> None:
        """Average two more numbers, (2,)."""
        sums, weight = self._after(values, decay)
        self.sums.copy_(sums)
        self.weight.copy_(weight)


@dataclass
class LeCam(Trick):
    """A penalty on real logits above the moving average of generated ones, and vice versa.

    relu(r - a_f)^2 and relu(a_r - f)^2, with averages that include the batch, is what the authors'
    code (google/lecam-gan) and PyTorch-StudioGAN compute. The paper's equations have plain squares
    (`one_sided` off), which also pull together logits that are on the wrong side of the average,
    and averages of past batches (`current` off, no penalty in the first step). Where logits overlap
    plain squares are 1.7 to 2 times as large; where all real ones are above all generated ones both
    are equal. The averages are bias-corrected, as in the authors' StyleGAN2 code, whose decay of
    .99 is used too; their BigGAN code has .9 and begins at step 1,000.

    The logits are those before any relativistic trick, since those are unbounded. Only the
    discriminator is regularised.
    """

    paper = "arXiv:2104.03310"
    deviations = (
        "Squares are one-sided and averages include the batch, as in the authors' code; the "
        "paper's equations have neither (`one_sided`, `current`).",
        "The averages are bias-corrected from the first step on; the authors' BigGAN code "
        "begins at step 1,000, with a decay of .9.",
    )
    tip = "real logits near the moving average of generated ones, and vice versa"
    weight: NonNegativeFloat = 0.3
    decay: Fraction = 0.99
    one_sided: bool = True
    current: bool = True

    def modules(
        self, generator: nn.Module, discriminator: nn.Module, evaluated: dict[str, nn.Module]
    ) -> dict[str, nn.Module]:
        """The averages of logits on real and on generated images."""
        return {"lecam": Anchors()}

    def penalty(self, step: Step) -> Tensor:
        """R_LC: weight (E relu(r - a_f)^2 + E relu(a_r - f)^2), or section 3's plain squares."""
        anchors = cast("Anchors", step.modules["lecam"])
        means, active = anchors.means, anchors.started
        if self.current:
            means, active = (
                anchors.including(self._means(step), self.decay),
                torch.ones_like(active),
            )
        anchor_real, anchor_fake = means.unbind()
        real, fake = step.real_logits - anchor_fake, anchor_real - step.fake_logits
        if self.one_sided:
            real, fake = relu(real), relu(fake)
        return self.weight * active * (real.square().mean() + fake.square().mean())

    @torch.no_grad()
    def after_discriminator(self, step: Step) -> None:
        """Update the averages with the step's mean logits."""
        cast("Anchors", step.modules["lecam"]).update(self._means(step), self.decay)

    @staticmethod
    def _means(step: Step) -> Tensor:
        """The mean logits on real and on generated images, (2,)."""
        return torch.stack([step.real_logits.detach().mean(), step.fake_logits.detach().mean()])


TRICK = LeCam
