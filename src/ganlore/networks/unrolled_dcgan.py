"""The convolutional networks of unrolled GAN's experiment with stacked digits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from ganlore.networks import Discriminator, Generator, Spec, Stages
from ganlore.networks._convolutional import Convolutional, Parts, stages
from ganlore.settings import PositiveInt

STRIDED = 3
"""Layers that change the size, in each network."""


def sides(shape: tuple[int, ...]) -> list[int]:
    """A side's lengths from the images' own down, each half of the one before, rounded up.

    Raises:
        GanloreError: for images that are not square, or whose size cannot be halved once.
    """
    stages(shape)  # which refuses what the other convolutional networks refuse
    sizes = [shape[1]]
    for _ in range(STRIDED):
        sizes.append(-(-sizes[-1] // 2))
    return sizes


@dataclass
class UnrolledDcgan(Convolutional):
    """Few channels, kernels of 3x3, and a discriminator much smaller than the generator.

    The generator has 8, 4, 2 and 1 times `width` channels, batch norm and ReLU, and a convolution
    to the image; images of 28x28 grow from 4x4 by 7x7 and 14x14. The discriminator has 1, 2 and 4
    times `critic_width` channels and leaky ReLU of 0.3. By channels it has a quarter of the
    generator's size with a `critic_width` of 2, and half of it with 4. With `critic_norm` it has
    batch norm: logits then depend on the rest of the batch, real and generated images are
    normalised apart, and a penalty's gradient is that of all logits' sum.
    """

    paper = "arXiv:1611.02163"
    deviations = (
        "Layers are those of PacGAN's authors, who trained these networks too (fjxmlzn/PacGAN, "
        "unrolled_GAN_experiment); the paper's text was not at hand to be checked against.",
        "The discriminator has no batch norm by default, since penalties and relativistic tricks "
        "need logits that do not depend on the batch; theirs has it (`critic_norm: true`).",
        "Theirs normalises the batches of a pack's members one by one; here all samples of a step "
        "are one batch.",
        "Weights of convolutions are normal; theirs truncated. From an even side to its half torch "
        "pads before the image, theirs after it.",
    )
    least_batch = 2  # batch norm over single values
    width: PositiveInt = 8
    critic_width: PositiveInt = 2
    critic_norm: bool = False

    def generator(self, spec: Spec) -> Generator:
        """Noise -> feature map -> transposed convolutions -> a convolution and tanh."""
        sizes = sides(spec.shape)[::-1]
        channels, bias = self.width * 2**STRIDED, not spec.batch_norm
        shape: tuple[int, ...] = (channels, sizes[0], sizes[0])
        linear = nn.Linear(spec.inputs, channels * sizes[0] ** 2, bias=bias)
        seeded = nn.Sequential(linear, nn.Unflatten(1, shape), *self.active(channels, spec))
        parts: Parts = [(seeded, shape)]
        for small, large in pairwise(sizes):
            channels //= 2
            # what a transposed convolution makes of a side is 2 small - 1, and one more if asked to
            layer = nn.ConvTranspose2d(
                2 * channels, channels, 3, 2, 1, large - 2 * small + 1, bias=bias
            )
            layers = nn.Sequential(layer, *self.active(channels, spec))
            parts.append((layers, (channels, large, large)))
        return self.finished(parts, nn.Conv2d(channels, spec.shape[0], 3, 1, 1), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """Strided convolutions -> a linear head."""
        inputs, sizes = spec.shape[0], sides(spec.shape)[1:]
        parts: Parts = []
        for stage, size in enumerate(sizes):
            channels = self.critic_width * 2**stage
            norm = [nn.BatchNorm2d(channels)] if self.critic_norm else []
            layers = nn.Sequential(nn.Conv2d(inputs, channels, 3, 2, 1), *norm, nn.LeakyReLU(0.3))
            parts.append((layers, (channels, size, size)))
            inputs = channels
        return Discriminator(Stages(parts), inputs * sizes[-1] ** 2, spec)


NETWORK = UnrolledDcgan
