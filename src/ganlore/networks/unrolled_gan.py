"""The networks of unrolled GAN's experiment with 2-D points."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from ganlore.networks import Discriminator, Generator, Initialiser, Network, Spec, Stages
from ganlore.settings import PositiveFloat, PositiveInt


class Divided(nn.Module):
    """Its input over a constant, so that the points of a ring of radius 2 lie well within 1."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, inputs: Tensor) -> Tensor:
        """The same shape."""
        return inputs / self.by


@dataclass
class UnrolledGan(Network):
    """ReLU, orthogonal weights and no norm; a generator that is deeper than its discriminator.

    Appendix A: two hidden layers of 128 in the generator; in the discriminator, which first divides
    its input by 4, one. Weights are orthogonal with a gain of 0.8.
    """

    paper = "arXiv:1611.02163"
    deviations = (
        "The paper's appendix does not say how wide the discriminator's hidden layer is; it is as "
        "wide as the generator's. The text was not at hand to be checked against.",
    )
    requires = {"points": "these networks were made for two-dimensional points"}
    provides = ("stages",)
    width: PositiveInt = 128
    depth: PositiveInt = 2
    gain: PositiveFloat = 0.8
    scale: PositiveFloat = 4.0

    def generator(self, spec: Spec) -> Generator:
        """Noise -> hidden layers -> a point."""
        widths = [spec.inputs] + [self.width] * self.depth
        parts: list[tuple[nn.Module, tuple[int, ...]]] = [
            (nn.Sequential(nn.Linear(before, after), nn.ReLU()), (after,))
            for before, after in pairwise(widths)
        ]
        last = nn.Linear(self.width, math.prod(spec.shape))
        return Generator(Stages([*parts, (last, spec.shape)]), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """A point, or a pack of points -> one hidden layer -> logits."""
        linear = nn.Linear(math.prod(spec.shape), self.width)
        hidden = nn.Sequential(Divided(self.scale), linear, nn.ReLU())
        return Discriminator(Stages([(hidden, (self.width,))]), self.width, spec)

    @torch.no_grad()
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Orthogonal weights (Saxe et al. 2014, arXiv:1312.6120) times the gain; biases 0."""
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1:
                nn.init.orthogonal_(parameter, self.gain, generator=rng(name))
            else:
                parameter.zero_()


NETWORK = UnrolledGan
