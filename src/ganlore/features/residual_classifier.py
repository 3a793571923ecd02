"""A small residual classifier whose layers training may compare images in."""

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
    """x + f(x), f of two 3x3 convolutions, each after a normalisation of the sample alone.

    No batch norm: features of an image must not depend on the rest of its batch. SiLU for ReLU:
    where the generator is trained on them, they should have no kinks.
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
        """Each resolution's features, and those that the classes are told by; (N, d) each."""
        outputs, out = [], images
        for stage in self.stages:
            out = stage(out)
            outputs.append(out.flatten(1))
        return [*outputs, functional.silu(self.norm(out)).mean((2, 3))]

    def features(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] to (N, width)."""
        return self.activations(images)[-1]


@dataclass
class ResidualClassifier(Classifying):
    """The layers of a residual classifier, for training; evaluation has features of its own.

    Another architecture, another start and another order of the images than `classifier` has: what
    is gained in these features alone is not counted where runs are compared.
    """

    paper = "arXiv:1603.08155 (layers of a classifier as a loss)"
    width: PositiveInt = 16
    seed: PositiveInt = 2

    def build(self, store: Store) -> Network:
        """The network for a data set's shape and classes."""
        return Network(store.shape, store.classes, self.width)

    def fit(self, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
        """Also each layer's total variance over the training split, E |phi - E phi|^2."""
        _, record = super().fit(store)
        assert isinstance(self.network, Network)
        images = to_network(torch.from_numpy(store.samples("train").copy()))
        with torch.no_grad():
            self.network.variances.copy_(_total_variances(self.network, images))
        return self.network.state_dict(), record

    def layers(self, images: Tensor) -> list[Tensor]:
        """Each layer's features, in units in which the data's total variance is 1."""
        assert isinstance(self.network, Network)
        outputs = self.network.activations(images)
        return [
            phi * unit for phi, unit in zip(outputs, self.network.variances.rsqrt(), strict=True)
        ]


def _total_variances(network: Network, images: Tensor) -> Tensor:
    """The sum of each layer's variances over images, (layers,), summed in double precision."""
    means, squares = [], []
    for chunk in images.split(CHUNK):
        outputs = [phi.double() for phi in network.activations(chunk)]
        means.append([phi.sum(0) / len(images) for phi in outputs])
        squares.append(torch.stack([phi.square().sum() / len(images) for phi in outputs]))
    lengths = [sum(parts).square().sum() for parts in zip(*means, strict=True)]
    return torch.stack(squares).sum(0) - torch.stack(lengths)


EXTRACTOR = ResidualClassifier
