"""The small network of "Are GANs Created Equal?", which is InfoGAN's."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from ganlore.networks import Discriminator, Generator, Spec, Stages
from ganlore.networks._convolutional import Convolutional, Parts, normed_seed, stages
from ganlore.settings import PositiveInt

HALVINGS = 2


@dataclass
class InfoGanSmall(Convolutional):
    """Two strided convolutions and a hidden layer in each network, as in InfoGAN.

    Lucic et al. 2018 (arXiv:1711.10337) use it for all sizes, with an inner feature map of a
    quarter of the size; a size that can be halved only once has one convolution. Batch norm before
    the inner feature map is of each unit. The discriminator has none, for the reason in
    `ganlore.networks`. Weights N(0, 0.02) and leaky ReLU of 0.2 follow that study; InfoGAN has 0.1.
    """

    paper = "arXiv:1711.10337, arXiv:1606.03657"
    deviations: ClassVar[tuple[str, ...]] = (
        "The generator has ReLU, InfoGAN's; the study's code has leaky ReLU (`infogan- "
        "published`).",
        "The discriminator has no batch norm, which the study drew on or off; noise is normal, "
        "where theirs is uniform.",
    )
    least_batch = 2  # batch norm over single values
    hidden: PositiveInt = 1024

    def generator(self, spec: Spec) -> Generator:
        """Noise -> hidden layer -> inner feature map -> transposed convolutions -> tanh."""
        size, doublings = stages(spec.shape, HALVINGS)
        channels = self.width * 2 ** (doublings - 1)
        bias = not spec.batch_norm
        norm = [nn.BatchNorm1d(self.hidden)] if spec.batch_norm else []
        first = nn.Sequential(nn.Linear(spec.inputs, self.hidden, bias=bias), *norm, nn.ReLU())
        shape: tuple[int, ...] = (channels, size, size)
        parts: Parts = [
            (first, (self.hidden,)),
            (normed_seed(self.hidden, shape, spec), shape),
        ]
        self.doubled(parts, doublings - 1, spec)
        return self.finished(parts, nn.ConvTranspose2d(self.width, spec.shape[0], 4, 2, 1), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """Strided convolutions -> hidden layer -> a linear head."""
        inner, halvings = stages(spec.shape, HALVINGS)
        parts = self.halved(halvings, spec)
        inputs = parts[-1][1][0]
        linear = nn.Linear(inputs * inner * inner, self.hidden)
        parts.append((nn.Sequential(nn.Flatten(), linear, nn.LeakyReLU(0.2)), (self.hidden,)))
        return Discriminator(Stages(parts), self.hidden, spec)


NETWORK = InfoGanSmall
