"""The base of convolutional networks: number of halvings, first layers, initialisation."""

from __future__ import annotations

import math
from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from ganlore.errors import GanloreError
from ganlore.networks import Generator, Initialiser, Network, Spec, Stages, initialise_normal
from ganlore.settings import PositiveInt

SMALLEST = 4

Parts = list[tuple[nn.Module, tuple[int, ...]]]
"""A network's parts with the shapes of their outputs, as for `Stages`."""


def stages(shape: tuple[int, ...], most: int | None = None) -> tuple[int, int]:
    """The innermost resolution, and the number of doublings from it to the images' size.

    A size is halved while it is even and the result at least 4: 32 and 64 to 4 as in DCGAN's paper,
    28 to 7, 48 to 6. Smaller sizes are halved up to twice, so that images of 8x8 have two stages.

    Args:
        shape: of the images, (C, H, W).
        most: the largest number of doublings; by default there is no limit.

    Raises:
        GanloreError: for images that are not square, or whose size cannot be halved once.
    """
    _, height, width = shape
    inner, doublings = height, 0
    while inner % 2 == 0 and inner > 2 and doublings != most:
        if inner < 2 * SMALLEST and doublings >= 2:
            break
        inner, doublings = inner // 2, doublings + 1
    if height != width or not doublings:
        raise GanloreError(
            f"a convolutional network needs square images of an even size from 4 up, not "
            f"{height}x{width}\n  prepare the data with another size (best a multiple of 4, from "
            "8 up), or choose the network mlp or rnn"
        )
    return inner, doublings


class Seed(nn.Module):
    """The generator's first layer: from noise to a small feature map of many channels."""

    def __init__(self, inputs: int, channels: int, inner: int, bias: bool) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, channels * inner * inner, bias=bias)
        self.size = (channels, inner, inner)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, inputs) to (N, channels, inner, inner)."""
        out: Tensor = self.project(latent)
        return out.reshape(-1, *self.size)


def normed_seed(inputs: int, shape: tuple[int, ...], spec: Spec) -> nn.Sequential:
    """From (N, inputs) to a feature map, with batch norm of each unit.

    Args:
        inputs: numbers for each sample.
        shape: of the feature map, (C, H, W).
        spec: of the network.
    """
    units = math.prod(shape)
    linear = nn.Linear(inputs, units, bias=not spec.batch_norm)
    norm = [nn.BatchNorm1d(units)] if spec.batch_norm else []
    return nn.Sequential(linear, *norm, nn.ReLU(), nn.Unflatten(1, shape))


def doubling(inputs: int, outputs: int, kernel: int = 4, bias: bool = True) -> nn.Module:
    """A transposed convolution that doubles the size, whatever its kernel is."""
    around = (kernel - 1) // 2
    return nn.ConvTranspose2d(inputs, outputs, kernel, 2, around, kernel % 2, bias=bias)


def halving(inputs: int, outputs: int, kernel: int = 4) -> nn.Module:
    """A strided convolution that halves an even size, whatever its kernel is."""
    return nn.Conv2d(inputs, outputs, kernel, 2, (kernel - 1) // 2)


@dataclass
class Convolutional(Network, ABC):
    """A network of feature maps from low to high resolution, with weights from N(0, 0.02)."""

    requires = {
        "images": "a convolutional network needs images",
        "halving size": "the network doubles its resolution from stage to stage",
    }
    provides = ("stages", "feature maps")
    width: PositiveInt = 64

    kernel = 4  # of the convolutions that change the size

    gain_spread: ClassVar[float] = 0.0
    """Standard deviation of batch norm's gains around 1."""

    @staticmethod
    def active(channels: int, spec: Spec) -> list[nn.Module]:
        """Batch norm and ReLU, after each of the generator's layers but the last."""
        return [nn.BatchNorm2d(channels), nn.ReLU()] if spec.batch_norm else [nn.ReLU()]

    def doubled(self, parts: Parts, times: int, spec: Spec) -> Parts:
        """Append transposed convolutions: double the size, half the channels each.

        Args:
            parts: the parts so far; the last one's output is a feature map.
            times: the number of doublings.
            spec: of the network.
        """
        for _ in range(times):
            channels, size = parts[-1][1][0] // 2, 2 * parts[-1][1][1]
            bias = not spec.batch_norm
            layer = doubling(2 * channels, channels, self.kernel, bias)
            active = self.active(channels, spec)
            parts.append((nn.Sequential(layer, *active), (channels, size, size)))
        return parts

    @staticmethod
    def finished(parts: Parts, last: nn.Module, spec: Spec) -> Generator:
        """The generator of some parts, a last layer to images, and tanh."""
        return Generator(Stages([*parts, (nn.Sequential(last, nn.Tanh()), spec.shape)]), spec)

    def halved(self, times: int, spec: Spec) -> Parts:
        """A discriminator's strided convolutions: half the size, twice as many channels."""
        parts: Parts = []
        inputs, channels, size = spec.shape[0], self.width, spec.shape[1]
        for _ in range(times):
            size //= 2
            layers = nn.Sequential(halving(inputs, channels, self.kernel), nn.LeakyReLU(0.2))
            parts.append((layers, (channels, size, size)))
            inputs, channels = channels, 2 * channels
        return parts

    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Weights N(0, 0.02), batch norm's gains N(1, gain_spread), biases 0."""
        initialise_normal(module, rng, self.gain_spread)
