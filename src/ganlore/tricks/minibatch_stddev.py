"""Minibatch standard deviation: the discriminator is told how much its batch varies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ganlore.networks import Discriminator
from ganlore.settings import PositiveInt
from ganlore.tricks._batch_statistics import BatchStatistic, Statistic


def spread(features: Tensor, group: int) -> Tensor:
    """Each group's standard deviation over its samples, the mean over features; (N,).

    As in the authors' code, groups are interleaved (with M groups, sample i is in group i mod M),
    the deviation is that of the group as a whole (its squares' mean), and 1e-8 under the root keeps
    the gradient of equal samples finite. Where the batch is no multiple of the size there are as
    many groups as are full, and the samples that are left over join the first of them.

    Args:
        features: (N, F).
        group: samples in a group.
    """
    n = len(features)
    groups = max(1, n // group)
    index = torch.arange(n, device=features.device) % groups
    together = (index[:, None] == index).to(features.dtype)
    share = together / together.sum(1, keepdim=True)  # a product with it: means over groups
    variance = share @ (features - share @ features).square()
    return (variance + 1e-8).sqrt().mean(1)


class Spread(Statistic):
    """The number `spread` of each sample's group."""

    def __init__(self, group: int) -> None:
        super().__init__(1)
        self.group = group

    def forward(self, features: Tensor) -> Tensor:
        """From features (N, F) to (N, 1)."""
        return spread(features, self.group)[:, None]


@dataclass
class MinibatchStandardDeviation(BatchStatistic):
    """The features' mean standard deviation over the batch is one more feature.

    In the paper it is a further feature map towards the discriminator's end; here the last layer is
    linear on all features, and one number says the same. A penalty on the gradient at a sample then
    includes what the sample does to the logits of its group, as in the paper, which has WGAN-GP.
    """

    paper = "arXiv:1710.10196"
    tip = "the discriminator is told how much its batch varies"
    group: PositiveInt = 4

    def statistic(self, critic: Discriminator) -> Statistic:
        """Section 3."""
        return Spread(self.group)


TRICK = MinibatchStandardDeviation
