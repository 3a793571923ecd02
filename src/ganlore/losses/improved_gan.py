"""Improved GAN's feature matching."""

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
    """The generator matches the mean of the discriminator's features on real samples.

    The discriminator has the usual loss. Relativistic tricks change that loss only: the generator's
    uses no logits.
    """

    paper = "arXiv:1606.03498"
    deviations = (
        "Feature matching alone: without the semi-supervised classes, weight normalisation and "
        "historical averaging.",
        "The features are those before the last layer, as in the authors' code for CIFAR-10; the "
        "paper's text says an intermediate one.",
        "The distance of the means is the squared L2 of the paper; that code has the mean absolute "
        "difference, and its rate falls over the last third of training.",
    )
    formula = ("E sp(-r) + E sp(f)", "|E h(x) - E h(G)|^2, h = the discriminator's features")
    optimizer: Optimizer = Optimizer(kind="adam", lr=3e-4, betas=(0.5, 0.999))

    def generator(self, step: Step) -> Tensor:
        """Section 3.1: the squared L2 distance of the two means."""
        return (step.real_features.mean(0) - step.fake_features.mean(0)).square().sum()


LOSS = FeatureMatching
