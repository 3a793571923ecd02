"""PacGAN's networks for 2-D points: a wide generator, and a discriminator of maxout layers."""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from ganlore.networks import Discriminator, Initialiser, Spec, Stages, initialise_normal
from ganlore.networks.mlp import MultilayerPerceptron
from ganlore.settings import PositiveInt


class Maxout(nn.Module):
    """The largest of several linear functions, for each unit (Goodfellow et al. 2013, 1302.4389).

    Args:
        inputs: width of the input.
        units: width of the output.
        pieces: linear functions for each unit.
    """

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, units * pieces)
        self.shape = units, pieces

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, inputs) to (N, units)."""
        out: Tensor = self.linear(inputs).reshape(-1, *self.shape).max(2).values
        return out


@dataclass
class PacGan(MultilayerPerceptron):
    """The networks of PacGAN's experiments with 2-D data, VEEGAN's except for the maxout layers.

    Appendix A: four hidden layers of 400 with batch norm and ReLU in the generator; three maxout
    layers of 200 units with 5 pieces in the discriminator, without batch norm; N(0, .02).
    """

    deviations = (
        "Batch norm's running averages take .1 of each batch, in the authors' code .05, and it "
        "brings them up to date with 50 batches before it measures; its epsilon is 1e-4, here "
        "1e-5.",
        "Theirs normalises the batches of a pack's members one by one; here all samples of a step "
        "are one batch.",
    )
    requires = {"points": "these networks were made for two-dimensional points"}
    width: PositiveInt = 400
    depth: PositiveInt = 4
    units: PositiveInt = 200
    pieces: PositiveInt = 5
    layers: PositiveInt = 3

    def discriminator(self, spec: Spec) -> Discriminator:
        """A point, or a pack of points -> maxout layers -> logits."""
        parts: list[tuple[nn.Module, tuple[int, ...]]] = []
        for index in range(self.layers):
            inputs = math.prod(spec.shape) if index == 0 else self.units
            parts.append((Maxout(inputs, self.units, self.pieces), (self.units,)))
        return Discriminator(Stages(parts), self.units, spec)

    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Weights N(0, 0.02), gains 1, biases 0."""
        initialise_normal(module, rng)


NETWORK = PacGan
