"""DCGAN's convolutional networks, for images of any power-of-two size from 4 up."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ganlore.networks import Discriminator, Generator, Initialiser, Network, Spec, Stages
from ganlore.settings import PositiveInt


def stages(size: int) -> tuple[int, int]:
    """The innermost resolution, and how often it doubles up to the image's size.

    4x4 inside as in the paper; images of 8x8 go down to 2x2, so that they too have two stages.

    Raises:
        ValueError: for a size that is not a power of two from 4 up.
    """
    if size < 4 or size & (size - 1):
        raise ValueError(f"dcgan needs images of a power-of-two size from 4 up, not {size}")
    inner = 4 if size > 8 else 2
    return inner, int(math.log2(size // inner))


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


@dataclass
class Dcgan(Network):
    """Strided 4x4 convolutions, batch norm and ReLU in the generator.

    The discriminator has no batch norm, which departs from the paper for the reason given in
    `ganlore.networks`.
    """

    paper = "arXiv:1511.06434"
    requires = {
        "images": "a convolutional network needs images",
        "power-of-two size": "the network doubles its resolution from stage to stage",
    }
    provides = ("stages", "pictures inside")
    width: PositiveInt = 64

    def generator(self, spec: Spec) -> Generator:
        """Noise -> inner picture -> transposed convolutions -> tanh."""
        inner, doublings = stages(spec.shape[1])
        channels = self.width * 2 ** (doublings - 1)
        bias = not spec.batch_norm
        layer: nn.Module = Seed(spec.inputs, channels, inner, bias)
        parts: list[tuple[nn.Module, tuple[int, ...]]] = []
        size = inner
        for index in range(doublings):
            if index:
                layer = nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1, bias=bias)
                channels, size = channels // 2, 2 * size
            active = self._active(channels, spec)
            parts.append((nn.Sequential(layer, *active), (channels, size, size)))
        last = nn.ConvTranspose2d(channels, spec.shape[0], 4, 2, 1)
        parts.append((nn.Sequential(last, nn.Tanh()), spec.shape))
        return Generator(Stages(parts), spec)

    @staticmethod
    def _active(channels: int, spec: Spec) -> list[nn.Module]:
        """What follows each of the generator's layers but the last."""
        return [nn.BatchNorm2d(channels), nn.ReLU()] if spec.batch_norm else [nn.ReLU()]

    def discriminator(self, spec: Spec) -> Discriminator:
        """Strided convolutions down to the inner picture -> a linear head."""
        inner, halvings = stages(spec.shape[1])
        parts: list[tuple[nn.Module, tuple[int, ...]]] = []
        inputs, channels, size = spec.shape[0], self.width, spec.shape[1]
        for _ in range(halvings):
            size //= 2
            layers = nn.Sequential(nn.Conv2d(inputs, channels, 4, 2, 1), nn.LeakyReLU(0.2))
            parts.append((layers, (channels, size, size)))
            inputs, channels = channels, channels * 2
        return Discriminator(Stages(parts), inputs * inner * inner, spec)

    @torch.no_grad()
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Section 4: weights N(0, 0.02); batch norm's gains N(1, 0.02); biases 0."""
        norms = {id(m.weight) for m in module.modules() if isinstance(m, nn.BatchNorm2d)}
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                mean = 1.0 if id(parameter) in norms else 0.0
                parameter.normal_(mean, 0.02, generator=rng(name))


NETWORK = Dcgan
