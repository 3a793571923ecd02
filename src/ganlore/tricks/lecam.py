"""LeCam regularisation: logits are held near the moving average of those of the other kind."""

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
    """Exponential moving averages of two numbers that begin as a plain mean.

    Sums begin at 0 and are divided by the weight that they have gathered, 1 - decay^n after n
    steps (as Adam does, Kingma and Ba 2015, arXiv:1412.6980, section 3). An average that begins
    with the first batch would be little else for 1 / (1 - decay) steps, much of a short run.
    """

    sums: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sums", torch.zeros(2))
        self.register_buffer("weight", torch.zeros(()))

    @property
    def started(self) -> Tensor:
        """1 once there is an average, 0 before the first step."""
        return self.weight.sign()

    @property
    def means(self) -> Tensor:
        """The averages, (2,); 0 where nothing is known."""
        return self.sums / (self.weight + (1 - self.started))

    @torch.no_grad()
    def follow(self, values: Tensor, decay: float) -> None:
        """Take two numbers in, (2,)."""
        self.sums.lerp_(values, 1 - decay)
        self.weight.lerp_(torch.ones_like(self.weight), 1 - decay)


@dataclass
class LeCam(Trick):
    """The discriminator's logits stay near the other kind's average over past steps.

    The logits are the discriminator's own, before any trick compares them: they are what has no
    bound. Only the discriminator is regularised, in its first step not yet.
    """

    paper = "arXiv:2104.03310"
    tip = "logits held near the moving average of the other kind's"
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
        """The averages take in the step's own logits."""
        means = torch.stack([step.real_logits.mean(), step.fake_logits.mean()])
        cast("Anchors", step.modules["lecam"]).follow(means, self.decay)


TRICK = LeCam
