"""DCGAN's convolutional networks, for square images of any even size from 4."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from ganlore.networks import Discriminator, Generator, Spec, Stages
from ganlore.networks._convolutional import Convolutional, Seed, doubling, stages
from ganlore.settings import PositiveInt


@dataclass
class Dcgan(Convolutional):
    """Strided convolutions, batch norm and ReLU in the generator.

    The discriminator has no batch norm, which departs from the paper for the reason in
    `ganlore.networks`. The width is that of the authors' code for MNIST. Section 4: weights
    N(0, 0.02), batch norm's gains N(1, 0.02).
    """

    paper = "arXiv:1511.06434"
    deviations = (
        "Kernels are 4x4; the paper's are 5x5 (`kernel: 5`).",
        "The discriminator has no batch norm, since penalties, packing and relativistic tricks "
        "need logits that do not depend on the batch.",
        "The width is that of the authors' code for MNIST; theirs for faces, and the paper's "
        "figure, have twice as many channels.",
    )

    gain_spread: ClassVar[float] = 0.02
    kernel: PositiveInt = 4

    def generator(self, spec: Spec) -> Generator:
        """Noise -> inner feature map -> transposed convolutions -> tanh."""
        inner, doublings = stages(spec.shape)
        channels = self.width * 2 ** (doublings - 1)
        first = Seed(spec.inputs, channels, inner, bias=not spec.batch_norm)
        seeded = nn.Sequential(first, *self.active(channels, spec))
        parts = self.doubled([(seeded, (channels, inner, inner))], doublings - 1, spec)
        return self.finished(parts, doubling(self.width, spec.shape[0], self.kernel), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """Strided convolutions down to the inner feature map -> a linear head."""
        inner, halvings = stages(spec.shape)
        parts = self.halved(halvings, spec)
        return Discriminator(Stages(parts), parts[-1][1][0] * inner * inner, spec)


NETWORK = Dcgan
