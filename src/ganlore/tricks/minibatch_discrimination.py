"""Minibatch discrimination: a sample's similarity to the rest of its batch as a feature."""

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
    """Similarity to the samples of the batch, under `kernels` learned distances.

    The paper's sum over all samples, which grows with the batch; a sample's similarity to itself
    adds a constant 1, which the head's bias can remove.

    Args:
        features: width of the features.
        kernels: B in the paper.
        dimension: C in the paper.
    """

    def __init__(self, features: int, kernels: int, dimension: int) -> None:
        super().__init__(kernels)
        self.dimension = dimension
        # the tensor T as a linear layer, so that spectral normalisation applies to it
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
        """Scale each kernel so that nearest neighbours have a mean distance of 2.

        Without it the exponentials are all near 0 or all near 1 for features of another scale. The
        authors' code does the same with a first batch of data.
        """
        distances = self.distances(features)
        distances.diagonal(dim1=0, dim2=1).fill_(torch.inf)
        nearest = distances.amin(1).mean(0)
        scale = torch.where(nearest > 0, NEAREST / nearest, 1)  # equal samples have no scale
        self.rows.weight.mul_(scale.repeat_interleave(self.dimension)[:, None])


@dataclass
class MinibatchDiscrimination(BatchStatistic):
    """A sample's similarity to the rest of its batch joins its features.

    A gradient penalty at a sample then includes its effect on the others' logits. The kernels'
    initial scale fits the features; spectral normalisation must come before this trick in a
    combination, or it removes that scale.
    """

    paper = "arXiv:1606.03498"
    deviations = (
        "The kernels are scaled to features of noise; the authors' to a first batch of data.",
        "The features are those before the last layer, and a sample's similarity to itself counts.",
    )
    tip = "similarity to the rest of the batch as a feature of the discriminator"
    incompatible = {
        "wgan": "with weights clipped to 0.01 all distances under the kernels are near 0, so that "
        "the statistic is the same for all samples, whatever the batch"
    }
    kernels: PositiveInt = 100
    dimension: PositiveInt = 5

    def statistic(self, critic: Discriminator) -> Statistic:
        """Section 3.2, with the kernels' scale from noise, since no data are available yet."""
        kernels = Kernels(critic.width, self.kernels, self.dimension)
        with torch.no_grad():
            kernels.calibrate(critic.features(torch.randn(SAMPLES, *critic.spec.shape)))
        return kernels


TRICK = MinibatchDiscrimination
