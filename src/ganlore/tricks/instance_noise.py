"""Instance noise: all that the discriminator sees is noisy, less and less so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganlore.settings import NonNegativeFloat
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps import Moment, Step


@dataclass
class InstanceNoise(Trick):
    """Real and generated samples are judged with Gaussian noise of falling strength on them.

    With noise on both, their distributions overlap even where data lie on a thin manifold
    (section 3; likewise arXiv:1610.04490). It is part of the sample that is judged: an
    auto-encoding critic is to redraw it too, and penalties are taken at noisy samples. What
    networks are asked to rebuild without the discriminator, as by an L2 error, is without noise.
    """

    paper = "arXiv:1701.04862"
    tip = "noise of falling strength on real and generated samples"
    start: NonNegativeFloat = 0.1
    end: NonNegativeFloat = 0.0

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """The noise's standard deviation: from `start` to `end` along a straight line."""
        return {"strength": self.start + (self.end - self.start) * moment.progress}

    def view(self, images: Tensor, step: Step) -> Tensor:
        """The images plus N(0, s^2), of the same shape."""
        noise = torch.randn(images.shape, generator=step.rng, device=images.device)
        return images + step.scheduled(self, "strength") * noise


TRICK = InstanceNoise
