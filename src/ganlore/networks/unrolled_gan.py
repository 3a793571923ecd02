"""The networks of unrolled GAN's demonstration on 2-D points: tanh, orthogonal weights, no norm."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from ganlore.networks import Discriminator, Generator, Initialiser, Network, Spec, Stages
from ganlore.settings import PositiveFloat, PositiveInt


@dataclass
class UnrolledGan(Network):
    """Two hidden layers of 128 with tanh in both networks, as in the authors' own notebook.

    Initial weights are orthogonal with a gain of 1.4, biases are zero (Metz et al.,
    poolio/unrolled_gan; the notebook says that its networks are not those of the paper's figure).
    """

    paper = "arXiv:1611.02163"
    deviations = (
        "Networks and settings are those of the authors' notebook, which differ from the paper's "
        "appendix; the latter's were not checked.",
    )
    requires = {"points": "these networks were made for two-dimensional points"}
    provides = ("stages",)
    width: PositiveInt = 128
    depth: PositiveInt = 2
    gain: PositiveFloat = 1.4

    def generator(self, spec: Spec) -> Generator:
        """Noise -> hidden layers -> a point."""
        last = nn.Linear(self.width, math.prod(spec.shape))
        return Generator(Stages([*self._hidden(spec.inputs), (last, spec.shape)]), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """A point, or a pack of points -> hidden layers -> logits."""
        return Discriminator(Stages(self._hidden(math.prod(spec.shape))), self.width, spec)

    def _hidden(self, inputs: int) -> list[tuple[nn.Module, tuple[int, ...]]]:
        widths = [inputs] + [self.width] * self.depth
        return [
            (nn.Sequential(nn.Linear(before, after), nn.Tanh()), (after,))
            for before, after in pairwise(widths)
        ]

    @torch.no_grad()
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Orthogonal weights (Saxe et al. 2014, arXiv:1312.6120) times the gain; biases 0."""
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1:
                nn.init.orthogonal_(parameter, self.gain, generator=rng(name))
            else:
                parameter.zero_()


NETWORK = UnrolledGan
