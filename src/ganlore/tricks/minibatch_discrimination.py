"""Minibatch discrimination: the discriminator is told how near a sample is to those beside it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganlore.networks import Discriminator
from ganlore.settings import PositiveInt
from ganlore.tricks._batch_statistics import BatchStatistic, Statistic

SAMPLES = 64
NEAREST = 2.0


class Kernels(Statistic):
    """Closeness to the other samples of the batch, by `kernels` learned measures of distance.

    The paper's sum, which grows with the batch, over all samples: a sample's closeness to itself
    adds 1 always, which the head's bias can take off.

    Args:
        features: width of the features.
        kernels: B in the paper.
        dimension: C in the paper.
    """

    def __init__(self, features: int, kernels: int, dimension: int) -> None:
        super().__init__(kernels)
        self.dimension = dimension
        # a linear layer, so that what normalises layers finds the tensor T
        self.rows = nn.Linear(features, kernels * dimension, bias=False)
        nn.init.normal_(self.rows.weight, std=features**-0.5)

    def distances(self, features: Tensor) -> Tensor:
        """|M_i,b - M_j,b|_1, (N, N, kernels), M = f(x) T."""
        rows: Tensor = self.rows(features).unflatten(1, (self.width, self.dimension))
        return (rows[:, None] - rows[None]).abs().sum(3)

    def forward(self, features: Tensor) -> Tensor:
        """o(x_i)_b = sum_j exp(-|M_i,b - M_j,b|_1), (N, kernels)."""
        return (-self.distances(features)).exp().sum(1)

    @torch.no_grad()
    def calibrate(self, features: Tensor) -> None:
        """Scale each kernel so that a sample's nearest is at a distance of 2, on average.

        Else the exponentials are all 0 or all 1 with features of another scale. The authors' code
        does so with a first batch of data.
        """
        apart = self.distances(features)
        apart.diagonal(dim1=0, dim2=1).fill_(torch.inf)
        nearest = apart.amin(1).mean(0)
        scale = torch.where(nearest > 0, NEAREST / nearest, 1)  # equal samples have no scale
        self.rows.weight.mul_(scale.repeat_interleave(self.dimension)[:, None])


@dataclass
class MinibatchDiscrimination(BatchStatistic):
    """A sample's closeness to the rest of its batch stands beside its features.

    A penalty on the gradient at a sample then includes what it does to the others' logits. The
    kernels begin at a scale that fits the features; a trick that normalises layers stands before
    this one, or it takes that scale away.
    """

    paper = "arXiv:1606.03498"
    tip = "the discriminator is told how near samples are to each other"
    incompatible = {
        "wgan": "clipped to a hundredth, the kernels find every sample at every other one's place: "
        "what they tell is the same for all samples, whatever the batch"
    }
    kernels: PositiveInt = 100
    dimension: PositiveInt = 5

    def statistic(self, critic: Discriminator) -> Statistic:
        """Section 3.2; there is no data yet, so that the kernels' scale is found with noise."""
        kernels = Kernels(critic.width, self.kernels, self.dimension)
        with torch.no_grad():
            kernels.calibrate(critic.features(torch.randn(SAMPLES, *critic.spec.shape)))
        return kernels


TRICK = MinibatchDiscrimination
