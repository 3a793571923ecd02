"""LeCam regularisation: real logits near the moving average of generated ones, and vice versa."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

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

    @torch.no_grad()
    def update(self, values: Tensor, decay: float) -> None:
        """Average two more numbers, (2,)."""
        self.sums.lerp_(values, 1 - decay)
        self.weight.lerp_(torch.ones_like(self.weight), 1 - decay)


@dataclass
class LeCam(Trick):
    """A penalty on real logits far from the mean of past generated ones, and vice versa.

    The logits are those before any relativistic trick, since those are unbounded. Only the
    discriminator is regularised, from its second step on.
    """

    paper = "arXiv:2104.03310"
    tip = "real logits near the moving average of generated ones, and vice versa"
    weight: NonNegativeFloat = 0.3
    decay: Fraction = 0.99

    def modules(
        self, generator: nn.Module, discriminator: nn.Module, evaluated: dict[str, nn.Module]
    ) -> dict[str, nn.Module]:
        """The averages of logits on real and on generated images."""
        return {"lecam": Anchors()}

    def penalty(self, step: Step) -> Tensor:
        """Section 3's R_LC: weight (E (r - a_f)^2 + E (f - a_r)^2)."""
        anchors = cast("Anchors", step.modules["lecam"])
        anchor_real, anchor_fake = anchors.means.unbind()
        real = (step.real_logits - anchor_fake).square().mean()
        fake = (step.fake_logits - anchor_real).square().mean()
        return self.weight * anchors.started * (real + fake)

    @torch.no_grad()
    def after_discriminator(self, step: Step) -> None:
        """Update the averages with the step's mean logits."""
        means = torch.stack([step.real_logits.mean(), step.fake_logits.mean()])
        cast("Anchors", step.modules["lecam"]).update(means, self.decay)


TRICK = LeCam
