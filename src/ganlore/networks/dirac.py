"""The Dirac-GAN's networks: a generator of one point, and a linear discriminator."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganlore.networks import Discriminator, Generator, Initialiser, Network, Spec


class Point(nn.Module):
    """The same point theta for every noise.

    Args:
        size: dimensions of the point.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(size))

    def forward(self, latent: Tensor) -> Tensor:
        """From noise (N, inputs) to (N, size), N times theta."""
        # a copy: a view of theta would move with its update under samples that are kept
        return self.theta.repeat(len(latent), 1)


@dataclass
class DiracGan(Network):
    """G(z) = theta and D(x) = psi x, two parameters on the data set `dirac`, both without bias.

    Training is a discrete dynamical system in the plane of (theta, psi) with its equilibrium at
    (0, 0), where the eigenvalues of an update say whether it converges (section 2).
    """

    paper = "arXiv:1801.04406"
    deviations = (
        "Both parameters begin at a point of [1/2, 3/2] that is drawn for each seed; the "
        "paper's figures begin at one point.",
    )
    requires = {"points": "the generator is one point, and the discriminator linear in points"}
    incompatible = {
        "vaegan": "the generator ignores its code, so that no reconstruction can train an encoder"
    }

    def generator(self, spec: Spec) -> Generator:
        """The point theta, in as many dimensions as a sample."""
        return Generator(Point(math.prod(spec.shape)), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """The inner product with psi; the features are the sample itself."""
        size = math.prod(spec.shape)
        discriminator = Discriminator(nn.Flatten(), size, spec)
        discriminator.head = nn.Linear(size, spec.outputs, bias=False)
        return discriminator

    @torch.no_grad()
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Uniform on [1/2, 3/2], off the equilibrium; biases of a loss's own modules 0."""
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.uniform_(0.5, 1.5, generator=rng(name))


NETWORK = DiracGan
