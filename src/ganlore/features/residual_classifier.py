"""A small residual classifier whose layers a perceptual loss uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlore.data import Store
from ganlore.features._classifying import CHUNK, Classes, Classifying
from ganlore.settings import PositiveInt
from ganlore.steps.scaling import to_network


class Residual(nn.Module):
    """x + f(x), where f has two 3x3 convolutions, each after group norm with one group.

    No batch norm, since an image's features must not depend on the rest of its batch. SiLU instead
    of ReLU, so that the generator's loss is smooth.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.GroupNorm(1, width), nn.SiLU(), nn.Conv2d(width, width, 3, 1, 1)]
        self.change = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """(N, width, H, W) to the same shape."""
        out: Tensor = images + self.change(images)
        return out


class Network(Classes):
    """A residual block at each resolution down to 4x4, then the mean over pixels, and classes."""

    variances: Tensor

    def __init__(self, shape: tuple[int, ...], classes: int, width: int) -> None:
        super().__init__()
        channels, size = shape[0], shape[1]
        first = nn.Conv2d(channels, width, 3, 1, 1)
        self.stages = nn.ModuleList([nn.Sequential(first, Residual(width))])
        while size > 4:
            halve = nn.Conv2d(width, 2 * width, 3, 2, 1)
            self.stages.append(nn.Sequential(halve, Residual(2 * width)))
            width, size = 2 * width, -(-size // 2)
        self.norm = nn.GroupNorm(1, width)
        self.head = nn.Linear(width, classes)
        self.register_buffer("variances", torch.ones(len(self.stages) + 1))

    def activations(self, images: Tensor) -> list[Tensor]:
        """The features of each resolution and the last ones, before the head; (N, d) each."""
        layers, out = [], images
        for stage in self.stages:
            out = stage(out)
            layers.append(out.flatten(1))
        return [*layers, functional.silu(self.norm(out)).mean((2, 3))]

    def features(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] to (N, width)."""
        return self.activations(images)[-1]


@dataclass
class ResidualClassifier(Classifying):
    """The layers of a residual classifier, for training; evaluation uses other features.

    Architecture, initialisation and order of the images differ from those of `classifier`, so that
    an improvement in these features alone does not count in evaluation.
    """

    paper = "arXiv:1603.08155 (layers of a classifier as a loss)"
    width: PositiveInt = 16
    seed: PositiveInt = 2

    def build(self, store: Store) -> Network:
        """Build the network for a data set's shape and classes."""
        return Network(store.shape, store.classes, self.width)

    def fit(self, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
        """Train, then measure each layer's total variance on the training split, E |phi - E phi|^2.

        Returns as the base class; the variances are a buffer of the network.
        """
        _, record = super().fit(store)
        assert isinstance(self.network, Network)
        images = to_network(torch.from_numpy(store.samples("train").copy()))
        with torch.no_grad():
            self.network.variances.copy_(_total_variances(self.network, images))
        return self.network.state_dict(), record

    def layers(self, images: Tensor) -> list[Tensor]:
        """Each layer's features, scaled to a total variance of 1 on the data."""
        assert isinstance(self.network, Network)
        scales = self.network.variances.rsqrt()
        pairs = zip(self.network.activations(images), scales, strict=True)
        return [phi * scale for phi, scale in pairs]


def _total_variances(network: Network, images: Tensor) -> Tensor:
    """The sum of each layer's variances over images, (layers,), in double precision."""
    means, squares = [], []
    for chunk in images.split(CHUNK):
        layers = [phi.double() for phi in network.activations(chunk)]
        means.append([phi.sum(0) / len(images) for phi in layers])
        squares.append(torch.stack([phi.square().sum() / len(images) for phi in layers]))
    lengths = [sum(parts).square().sum() for parts in zip(*means, strict=True)]
    return torch.stack(squares).sum(0) - torch.stack(lengths)


EXTRACTOR = ResidualClassifier
