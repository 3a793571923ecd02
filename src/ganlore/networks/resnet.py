"""SNGAN's residual networks, for square images of any even size from 4."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import torch
from torch import Tensor, nn

from ganlore.networks import (
    Discriminator,
    Generator,
    Initialiser,
    Spec,
    Stages,
    norm_gains,
    one_hot,
)
from ganlore.networks._convolutional import Convolutional, Seed, stages

SMALL = 32
"""The largest size with the same number of channels in all layers."""
WIDEST = 16
HALVINGS = 5

Norm = Callable[[int], nn.Module]


class Residual(nn.Module):
    """A residual block, body(x) + shortcut(x).

    Args:
        body: convolutions.
        shortcut: maps the input to the output's resolution and channels.
    """

    def __init__(self, body: nn.Sequential, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C', H', W')."""
        out: Tensor = self.body(features) + self.shortcut(features)
        return out


def up(inputs: int, outputs: int, norm: Norm) -> Residual:
    """A generator's block, which doubles the resolution."""
    double = nn.Upsample(scale_factor=2)
    first = [norm(inputs), nn.ReLU(), double, nn.Conv2d(inputs, outputs, 3, 1, 1)]
    second = [norm(outputs), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, 1, 1)]
    # the 1x1 convolution commutes with the doubling; before it there are a quarter of the pixels
    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1), double)
    return Residual(nn.Sequential(*first, *second), shortcut)


def down(inputs: int, outputs: int, halves: bool, first: bool = False) -> Residual:
    """A discriminator's block; the first one, on an image, has no activation before it."""
    hidden = outputs if first else inputs
    pool = [nn.AvgPool2d(2)] if halves else []
    active = [] if first else [nn.ReLU()]
    body = [nn.Conv2d(inputs, hidden, 3, 1, 1), nn.ReLU(), nn.Conv2d(hidden, outputs, 3, 1, 1)]
    same = inputs == outputs and not halves
    # as in `up`: the 1x1 convolution commutes with the mean
    shortcut = nn.Identity() if same else nn.Sequential(*pool, nn.Conv2d(inputs, outputs, 1))
    return Residual(nn.Sequential(*active, *body, *pool), shortcut)


class SumPool(nn.Module):
    """ReLU, then each channel's sum over all positions."""

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C)."""
        return features.relu().sum((2, 3))


class ConditionalNorm(nn.Module):
    """Batch norm with gains and shifts of each class (Dumoulin et al. 2017, arXiv:1610.07629).

    Args:
        channels: of the picture.
        classes: number of classes.

    Attributes:
        class_labels: the labels as one-hot, (N, classes), there during a pass alone.
    """

    class_labels: Tensor | None = None

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Parameter(torch.ones(classes, channels))
        self.bias = nn.Parameter(torch.zeros(classes, channels))

    def forward(self, picture: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        labels = self.class_labels
        assert labels is not None, "its generator sets them"
        gain, bias = ((labels @ table)[:, :, None, None] for table in (self.gain, self.bias))
        out: Tensor = self.norm(picture) * gain + bias
        return out


class ConditionalGenerator(Generator):
    """A generator whose batch norms receive the label; its first layer sees the noise alone."""

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *shape), in [-1, 1]."""
        assert labels is not None, "a conditional generator needs labels"
        condition = one_hot(labels, self.classes).to(latent.dtype)
        norms = [part for part in self.modules() if isinstance(part, ConditionalNorm)]
        for norm in norms:
            norm.class_labels = condition
        out: Tensor = self.body(latent)
        for norm in norms:  # a module keeps nothing from one step to the next
            norm.class_labels = None
        return out


@dataclass
class Resnet(Convolutional):
    """SNGAN's residual blocks: equal widths up to 32x32, more channels at low resolution above.

    Tables 4 to 6, for 32x32 (128 and 256 channels), 48x48 and 128x128 (64 to 1024), and the
    authors' code for 64x64; smaller sizes have the widths of 32x32 and fewer blocks in the
    generator. Conditional batch norm in the generator is that of their second paper. Spectral
    normalisation is not included; it is the trick `spectral-norm`.
    """

    paper = "arXiv:1802.05957, arXiv:1802.05637"
    deviations = (
        "Sizes below 32x32 have the widths of 32x32 and fewer blocks, which the paper has not.",
        "The discriminator's last layer has a bias; the authors' has none.",
    )
    incompatible = {
        "progressive": "at 32x32 the generator starts with feature maps of 4x4, and the "
        "discriminator ends with 8x8: none of its parts has the resolution of the smallest images"
    }

    def generator(self, spec: Spec) -> Generator:
        """Noise -> inner feature map -> residual blocks -> batch norm, 3x3 convolution, tanh."""
        size, doublings = stages(spec.shape)
        if spec.shape[1] <= SMALL:
            widths = [4 * self.width] * (doublings + 1)
        else:
            widths = [self.width * min(2**i, WIDEST) for i in range(doublings, -1, -1)]
        conditional = spec.classes > 0 and spec.batch_norm

        def plain(channels: int) -> nn.Module:
            return nn.BatchNorm2d(channels) if spec.batch_norm else nn.Identity()

        def conditional_norm(channels: int) -> nn.Module:
            return ConditionalNorm(channels, spec.classes)

        inputs = spec.inputs - spec.classes if conditional else spec.inputs
        parts: list[tuple[nn.Module, tuple[int, ...]]] = [
            (Seed(inputs, widths[0], size, bias=True), (widths[0], size, size))
        ]
        for before, after in pairwise(widths):
            size *= 2
            block = up(before, after, conditional_norm if conditional else plain)
            parts.append((block, (after, size, size)))
        last = nn.Conv2d(widths[-1], spec.shape[0], 3, 1, 1)
        out = nn.Sequential(plain(widths[-1]), nn.ReLU(), last, nn.Tanh())
        made = ConditionalGenerator if conditional else Generator
        return made(Stages([*parts, (out, spec.shape)]), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """Residual blocks -> the sum over all positions -> a linear head."""
        inputs, size, _ = spec.shape
        parts: list[tuple[nn.Module, tuple[int, ...]]] = []
        for index, (outputs, halves) in enumerate(self._blocks(spec)):
            size = size // 2 if halves else size
            parts.append((down(inputs, outputs, halves, first=not index), (outputs, size, size)))
            inputs = outputs
        parts.append((SumPool(), (inputs,)))
        return Discriminator(Stages(parts), inputs, spec)

    def _blocks(self, spec: Spec) -> list[tuple[int, bool]]:
        """The channels of each of the discriminator's blocks, and whether it halves the resolution.

        Above 32x32 the last block keeps the resolution if it is more than 2x2.
        """
        size, halvings = spec.shape[1], stages(spec.shape)[1]
        if size <= SMALL:
            return [(2 * self.width, index < min(2, halvings)) for index in range(4)]
        blocks: list[tuple[int, bool]] = []
        while size % 2 == 0 and len(blocks) < HALVINGS:
            blocks.append((self.width * 2 ** len(blocks), True))
            size //= 2
        if size > 2:
            blocks.append((self.width * min(2 ** len(blocks), WIDEST), False))
        return blocks

    @torch.no_grad()
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Uniform (Glorot and Bengio 2010, equation 16), twice the variance in residual blocks.

        As in the authors' code; gains 1, biases 0.
        """
        inside = {
            id(layer.weight)
            for block in module.modules()
            if isinstance(block, Residual)
            for layer in block.body
            if isinstance(layer, nn.Conv2d)
        }
        gains = norm_gains(module)
        gains |= {id(part.gain) for part in module.modules() if isinstance(part, ConditionalNorm)}
        for name, parameter in module.named_parameters():
            if id(parameter) in gains:
                parameter.fill_(1.0)
            elif name.endswith("bias"):
                parameter.zero_()
            else:
                gain = sqrt(2) if id(parameter) in inside else 1.0
                nn.init.xavier_uniform_(parameter, gain, generator=rng(name))


NETWORK = Resnet
