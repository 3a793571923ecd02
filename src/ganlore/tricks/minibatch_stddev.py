"""Minibatch standard deviation as a feature of the discriminator."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganlore.networks import Discriminator
from ganlore.settings import PositiveInt
from ganlore.tricks._batch_statistics import BatchStatistic, Statistic


def spread(features: Tensor, group: int) -> Tensor:
    """The standard deviation over each sample's group, averaged over features; (N,).

    As in the authors' code, groups are interleaved (with M groups, sample i is in group i mod M),
    variances are divided by the group size, and 1e-8 under the root keeps the gradient of equal
    samples finite. If the batch is not a multiple of the group size, the remaining samples join the
    first groups.

    Args:
        features: (N, F).
        group: samples in a group.
    """
    n = len(features)
    groups = max(1, n // group)
    index = torch.arange(n, device=features.device) % groups
    together = (index[:, None] == index).to(features.dtype)
    share = together / together.sum(1, keepdim=True)  # multiplying by it averages over groups
    variance = share @ (features - share @ features).square()
    return (variance + 1e-8).sqrt().mean(1)


class Spread(Statistic):
    """`spread` of each sample's group."""

    def __init__(self, group: int) -> None:
        super().__init__(1)
        self.group = group

    def forward(self, features: Tensor) -> Tensor:
        """From features (N, F) to (N, 1)."""
        return spread(features, self.group)[:, None]


@dataclass
class MinibatchStandardDeviation(BatchStatistic):
    """The mean standard deviation of the features over the batch is one more feature.

    The paper adds a constant feature map near the discriminator's end; here the last layer is
    linear in all features, so that one number is equivalent. A gradient penalty at a sample then
    includes its effect on the logits of its group, as in the paper, which uses WGAN-GP.
    """

    paper = "arXiv:1710.10196"
    deviations = (
        "One more feature of the last layer, where the paper has a constant feature map before "
        "its last convolution.",
    )
    tip = "the batch's standard deviation as a feature of the discriminator"
    group: PositiveInt = 4

    def statistic(self, critic: Discriminator) -> Statistic:
        """Section 3."""
        return Spread(self.group)


TRICK = MinibatchStandardDeviation
