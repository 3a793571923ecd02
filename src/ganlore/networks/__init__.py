"""What a network is: a generator and a discriminator of one family. One file is one family.

Nothing here has batch norm in a discriminator: penalties, packing and relativistic means need
outputs that do not depend on the batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

Initialiser = Callable[[str], torch.Generator]
"""From a parameter's name to its own generator."""


@dataclass(frozen=True)
class Spec:
    """What networks are built for.

    Attributes:
        shape: one sample, (C, H, W) for images or (D,) for points.
        latent: dimensions of the generator's noise.
        classes: number of classes of a conditional network, 0 for an unconditional one.
        outputs: width of the discriminator's last layer, 1 for logits; an encoder has more.
    """

    shape: tuple[int, ...]
    latent: int
    classes: int = 0
    outputs: int = 1

    @property
    def images(self) -> bool:
        """Whether samples are images rather than points."""
        return len(self.shape) == 3


class Generator(nn.Module):
    """From noise (N, latent) and labels (N,), which an unconditional one ignores, to samples."""

    def __init__(self, body: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.body = body
        self.shape = shape

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *shape): images in [-1, 1], points unbounded."""
        out: Tensor = self.body(latent)
        return out.reshape(len(latent), *self.shape)


class Discriminator(nn.Module):
    """A trunk that gives features, and a linear head that gives logits."""

    def __init__(self, trunk: nn.Module, width: int, outputs: int = 1) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(width, outputs)
        self.width = width

    def features(self, images: Tensor) -> Tensor:
        """The last layer before the head, (N, width): for feature matching and code heads."""
        out: Tensor = self.trunk(images)
        return out.flatten(1)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits, (N,), or (N, outputs) where there are several outputs."""
        return self.classify(self.features(images), labels)

    def classify(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits from features, so that who needs both computes the trunk once."""
        out: Tensor = self.head(features)
        return out.squeeze(1) if out.shape[1] == 1 else out


@dataclass
class Network(ABC):
    """A family of networks; its annotated attributes are settings."""

    name: ClassVar[str] = ""

    @abstractmethod
    def generator(self, spec: Spec) -> Generator:
        """A generator."""

    @abstractmethod
    def discriminator(self, spec: Spec) -> Discriminator:
        """A discriminator; with more outputs it serves as an encoder."""

    @abstractmethod
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Draw all weights of a module.

        Each parameter has a generator of its own, keyed by its name: where two cells of a study
        differ in one layer, all others still begin equal.
        """
