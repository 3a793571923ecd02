"""Instance noise: decreasing Gaussian noise on all of the discriminator's inputs."""

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
    """Gaussian noise on real and generated samples, whose standard deviation decreases.

    The noisy distributions overlap even where data lie on a thin manifold (section 3; likewise
    arXiv:1610.04490). The noise is part of the discriminator's input: an auto-encoding critic
    reconstructs it too, and penalties are taken at noisy samples. Reconstruction errors that do not
    involve the discriminator use samples without noise.
    """

    paper = "arXiv:1701.04862"
    deviations = (
        "The papers give no numbers: a standard deviation from .1 to 0, linearly, is this "
        "package's.",
    )
    tip = "decreasing noise on real and generated samples"
    augments = True
    start: NonNegativeFloat = 0.1
    end: NonNegativeFloat = 0.0

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """The noise's standard deviation, linear from `start` to `end`."""
        return {"strength": self.start + (self.end - self.start) * moment.progress}

    def view(self, images: Tensor, step: Step) -> Tensor:
        """The images plus N(0, s^2), of the same shape."""
        noise = torch.randn(images.shape, generator=step.rng, device=images.device)
        noisy: Tensor = images + step.scheduled(self, "strength") * noise
        return noisy


TRICK = InstanceNoise
