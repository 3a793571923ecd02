"""A small convolutional classifier of the data set's own classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlore.data import Store
from ganlore.features._classifying import Classes, Classifying
from ganlore.settings import PositiveInt


class Halve(nn.MaxPool2d):
    """Max pooling over 2x2 pixels."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H // 2, W // 2)."""
        if self.training or images.shape[2] % 2 or images.shape[3] % 2:
            halved: Tensor = super().forward(images)
            return halved
        # the same numbers in a fifth of the time; only gradients of ties differ
        tall = torch.maximum(images[:, :, ::2], images[:, :, 1::2])
        return torch.maximum(tall[..., ::2], tall[..., 1::2])


class Network(Classes):
    """Two 3x3 convolutions at each resolution down to 4x4, then features and classes.

    Args:
        shape: of an image, (C, H, W).
        classes: number of classes.
        width: channels at the full resolution.
        growth: factor on the channels after each halving.
        features: number of features.
    """

    def __init__(
        self, shape: tuple[int, ...], classes: int, width: int, growth: int, features: int
    ) -> None:
        super().__init__()
        channels, size = shape[0], shape[1]
        layers: list[nn.Module] = []
        while True:
            layers += [nn.Conv2d(channels, width, 3, 1, 1), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.Conv2d(width, width, 3, 1, 1), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
            if size <= 4:
                break
            layers.append(Halve())
            width, size = growth * width, size // 2
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.embed = nn.Linear(width * size * size, features)
        self.head = nn.Linear(features, classes)

    def features(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] to (N, features), non-negative."""
        out: Tensor = functional.relu(self.embed(self.trunk(images)))
        return out


@dataclass
class Classifier(Classifying):
    """The last hidden layer of a classifier; a sample's mode is its predicted class.

    Its features are trained on the data's own classes, unlike Inception's, which are made for
    299x299 photographs; and it needs no download.
    """

    paper = "arXiv:1801.01973 (why features should fit the data)"
    width: PositiveInt = 32
    growth: PositiveInt = 1
    dimensions: PositiveInt = 64

    def build(self, store: Store) -> Network:
        """Build the network for a data set's shape and classes."""
        return Network(store.shape, store.classes, self.width, self.growth, self.dimensions)


EXTRACTOR = Classifier
