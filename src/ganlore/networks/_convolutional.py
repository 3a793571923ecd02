"""What convolutional networks share: how often a size is halved, the first layer, N(0, 0.02)."""

from __future__ import annotations

import math
from abc import ABC
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ganlore.errors import GanloreError
from ganlore.networks import Initialiser, Network, Spec
from ganlore.settings import PositiveInt

SMALLEST = 4

Parts = list[tuple[nn.Module, tuple[int, ...]]]
"""A network's parts with the shape behind each, as `Stages` takes them."""


def stages(shape: tuple[int, ...], most: int | None = None) -> tuple[int, int]:
    """The innermost resolution, and how often it doubles up to the images' size.

    A size is halved down to 4 or more, as often as it is even: 32 and 64 from 4 as in DCGAN's
    paper, 28 from 7, 48 from 6. Sizes too small for that are halved twice where they can be, so
    that images of 8x8 have two stages too.

    Args:
        shape: the images', (C, H, W).
        most: doublings at most, any number by default.

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
    """The generator's first layer: noise to a small picture of many channels."""

    def __init__(self, inputs: int, channels: int, inner: int, bias: bool) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, channels * inner * inner, bias=bias)
        self.size = (channels, inner, inner)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, inputs) to (N, channels, inner, inner)."""
        out: Tensor = self.project(latent)
        return out.reshape(-1, *self.size)


def normed_seed(inputs: int, shape: tuple[int, ...], spec: Spec) -> nn.Sequential:
    """From (N, inputs) to a picture, normalised before it is one.

    Args:
        inputs: numbers for each sample.
        shape: of the picture, (C, H, W).
        spec: what the network is built for.
    """
    units = math.prod(shape)
    linear = nn.Linear(inputs, units, bias=not spec.batch_norm)
    norm = [nn.BatchNorm1d(units)] if spec.batch_norm else []
    return nn.Sequential(linear, *norm, nn.ReLU(), nn.Unflatten(1, shape))


@dataclass
class Convolutional(Network, ABC):
    """A network of pictures inside, from small to large, its weights drawn from N(0, 0.02)."""

    requires = {
        "images": "a convolutional network needs images",
        "halving size": "the network doubles its resolution from stage to stage",
    }
    provides = ("stages", "pictures inside")
    width: PositiveInt = 64

    gain_spread: ClassVar[float] = 0.0
    """Standard deviation of batch norm's gains around 1."""

    @staticmethod
    def active(channels: int, spec: Spec) -> list[nn.Module]:
        """What follows each of the generator's layers that give a picture, but the last."""
        return [nn.BatchNorm2d(channels), nn.ReLU()] if spec.batch_norm else [nn.ReLU()]

    @classmethod
    def doubled(cls, parts: Parts, times: int, spec: Spec) -> Parts:
        """A generator's parts, and transposed convolutions: twice the size, half as wide each.

        Args:
            parts: those before; the last one gives a picture.
            times: how often.
            spec: what the network is built for.
        """
        for _ in range(times):
            channels, size = parts[-1][1][0] // 2, 2 * parts[-1][1][1]
            bias = not spec.batch_norm
            layer = nn.ConvTranspose2d(2 * channels, channels, 4, 2, 1, bias=bias)
            active = cls.active(channels, spec)
            parts.append((nn.Sequential(layer, *active), (channels, size, size)))
        return parts

    def halved(self, times: int, spec: Spec) -> Parts:
        """A discriminator's strided 4x4 convolutions: half the size, twice as wide each."""
        parts: Parts = []
        inputs, channels, size = spec.shape[0], self.width, spec.shape[1]
        for _ in range(times):
            size //= 2
            layers = nn.Sequential(nn.Conv2d(inputs, channels, 4, 2, 1), nn.LeakyReLU(0.2))
            parts.append((layers, (channels, size, size)))
            inputs, channels = channels, 2 * channels
        return parts

    @torch.no_grad()
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Weights N(0, 0.02), batch norm's gains N(1, gain_spread), biases 0."""
        norms = nn.BatchNorm1d | nn.BatchNorm2d
        gains = {id(part.weight) for part in module.modules() if isinstance(part, norms)}
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif id(parameter) in gains and not self.gain_spread:
                parameter.fill_(1.0)
            elif id(parameter) in gains:
                parameter.normal_(1.0, self.gain_spread, generator=rng(name))
            else:
                parameter.normal_(0.0, 0.02, generator=rng(name))
