"""DCGAN's convolutional networks, for square images of any size that can be halved."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from ganlore.networks import Discriminator, Generator, Spec, Stages
from ganlore.networks._convolutional import Convolutional, Seed, stages


@dataclass
class Dcgan(Convolutional):
    """Strided 4x4 convolutions, batch norm and ReLU in the generator.

    The discriminator has no batch norm, which departs from the paper for the reason given in
    `ganlore.networks`. The width is that of the authors' code; the paper's figure has twice as
    many channels. Section 4: weights N(0, 0.02), batch norm's gains N(1, 0.02).
    """

    paper = "arXiv:1511.06434"

    gain_spread: ClassVar[float] = 0.02

    def generator(self, spec: Spec) -> Generator:
        """Noise -> inner picture -> transposed convolutions -> tanh."""
        inner, doublings = stages(spec.shape)
        channels = self.width * 2 ** (doublings - 1)
        bias = not spec.batch_norm
        layer: nn.Module = Seed(spec.inputs, channels, inner, bias)
        parts: list[tuple[nn.Module, tuple[int, ...]]] = []
        size = inner
        for index in range(doublings):
            if index:
                layer = nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1, bias=bias)
                channels, size = channels // 2, 2 * size
            active = self.active(channels, spec)
            parts.append((nn.Sequential(layer, *active), (channels, size, size)))
        last = nn.ConvTranspose2d(channels, spec.shape[0], 4, 2, 1)
        parts.append((nn.Sequential(last, nn.Tanh()), spec.shape))
        return Generator(Stages(parts), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """Strided convolutions down to the inner picture -> a linear head."""
        inner, halvings = stages(spec.shape)
        parts: list[tuple[nn.Module, tuple[int, ...]]] = []
        inputs, channels, size = spec.shape[0], self.width, spec.shape[1]
        for _ in range(halvings):
            size //= 2
            layers = nn.Sequential(nn.Conv2d(inputs, channels, 4, 2, 1), nn.LeakyReLU(0.2))
            parts.append((layers, (channels, size, size)))
            inputs, channels = channels, channels * 2
        return Discriminator(Stages(parts), inputs * inner * inner, spec)


NETWORK = Dcgan
