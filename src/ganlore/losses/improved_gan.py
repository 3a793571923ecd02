"""Improved GAN: the generator matches the mean of the discriminator's features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.losses import Optimizer
from ganlore.losses.nonsaturating import Nonsaturating

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class FeatureMatching(Nonsaturating):
    """A discriminator as ever; the generator matches the mean of its features on real samples.

    Tricks that compare logits change the discriminator's part alone: the generator's has none.
    """

    paper = "arXiv:1606.03498"
    formula = ("E sp(-r) + E sp(f)", "|E h(x) - E h(G)|^2, h = the discriminator's features")
    optimizer: Optimizer = Optimizer(kind="adam", lr=3e-4, betas=(0.5, 0.999))

    def generator(self, step: Step) -> Tensor:
        """Section 3.1: the squared L2 distance of the two means."""
        return (step.real_features.mean(0) - step.fake_features.mean(0)).square().sum()


LOSS = FeatureMatching
