"""SNGAN's standard CNN, also called SNDCGAN: seven convolutions in the discriminator."""

from dataclasses import dataclass

from torch import nn

from ganlore.networks import Discriminator, Generator, Spec, Stages
from ganlore.networks._convolutional import Convolutional, Parts, normed_seed, stages

HALVINGS = 3


@dataclass
class Sndcgan(Convolutional):
    """SNGAN's standard CNN: 3x3 convolutions between the strided ones in the discriminator.

    Table 3, for 32x32 and 48x48; others use it at 64x64 and 128x128 with the same layers. For sizes
    that can be halved less than three times, the layers with most channels are omitted. Spectral
    normalisation is not included; it is the trick `spectral-norm`. Weights N(0, 0.02) and batch
    norm of each unit of the generator's first layer follow the authors' code, whose strided
    convolutions have twice the channels; here they follow the table.
    """

    paper = "arXiv:1802.05957"
    deviations = (
        "The strided convolutions have the channels of the paper's table; the authors' code has "
        "twice as many.",
        "Sizes that can be halved less than three times have fewer layers.",
    )
    least_batch = 2  # batch norm over single values

    def generator(self, spec: Spec) -> Generator:
        """Noise -> inner feature map -> transposed convolutions -> 3x3 convolution -> tanh."""
        size, doublings = stages(spec.shape, HALVINGS)
        channels = self.width * 2**doublings
        shape: tuple[int, ...] = (channels, size, size)
        parts = self.doubled([(normed_seed(spec.inputs, shape, spec), shape)], doublings, spec)
        return self.finished(parts, nn.Conv2d(parts[-1][1][0], spec.shape[0], 3, 1, 1), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """A 3x3 and a strided 4x4 convolution at each size, one more 3x3 -> a linear head."""
        inner, halvings = stages(spec.shape, HALVINGS)
        parts: Parts = []
        inputs, channels, size = spec.shape[0], self.width, spec.shape[1]
        for _ in range(halvings):
            size //= 2
            layers = [nn.Conv2d(inputs, channels, 3, 1, 1), nn.LeakyReLU(0.1)]
            layers += [nn.Conv2d(channels, channels, 4, 2, 1), nn.LeakyReLU(0.1)]
            parts.append((nn.Sequential(*layers), (channels, size, size)))
            inputs, channels = channels, 2 * channels
        last = nn.Sequential(nn.Conv2d(inputs, channels, 3, 1, 1), nn.LeakyReLU(0.1))
        parts.append((last, (channels, size, size)))
        return Discriminator(Stages(parts), channels * inner * inner, spec)


NETWORK = Sndcgan
