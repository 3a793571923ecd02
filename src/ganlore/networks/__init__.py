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
        codes: further inputs of a generator, which every part of it is to hear.
        pack: samples that a discriminator sees at once, each with a label of its own.
        batch_norm: whether a generator may normalise over the batch. A decoder that judges must
            not: what it says of a sample would depend on the others.
    """

    shape: tuple[int, ...]
    latent: int
    classes: int = 0
    outputs: int = 1
    codes: int = 0
    pack: int = 1
    batch_norm: bool = True

    @property
    def inputs(self) -> int:
        """Width of the generator's input: the noise, codes, the label as one-hot."""
        return self.latent + self.codes + self.classes

    @property
    def images(self) -> bool:
        """Whether samples are images rather than points."""
        return len(self.shape) == 3


class Stages(nn.Sequential):
    """The parts of a network, in order, and the shape of what is between them.

    A trick finds its place here: attention is put behind a part, a network grows from part to part.
    Whoever takes a part's place keeps the shape of what it gives.

    Args:
        parts: each part, and the shape of one sample behind it: (C, H, W) of a picture, (width,)
            of a vector.
    """

    def __init__(self, parts: list[tuple[nn.Module, tuple[int, ...]]]) -> None:
        super().__init__(*(part for part, _ in parts))
        self.shapes = [shape for _, shape in parts]


class Generator(nn.Module):
    """From noise (N, latent), and labels (N,) where it is conditional, to samples.

    The label is given as one-hot beside the noise (Mirza and Osindero 2014, arXiv:1411.1784,
    section 3.2), which the first layer's weights turn into an embedding.

    Args:
        body: from (N, `spec.inputs`) to samples, or to as many numbers for each as it has.
        spec: what it is built for.
    """

    def __init__(self, body: nn.Module, spec: Spec) -> None:
        super().__init__()
        self.body = body
        self.shape = spec.shape
        self.classes = spec.classes

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples (N, *shape): images in [-1, 1], points unbounded."""
        if self.classes:
            assert labels is not None, "a conditional generator needs labels"
            one_hot = nn.functional.one_hot(labels, self.classes).to(latent.dtype)
            latent = torch.cat([latent, one_hot], dim=1)
        out: Tensor = self.body(latent)
        return out if out.dim() > 2 else out.reshape(len(latent), *self.shape)


class Critic(nn.Module, ABC):
    """What judges samples, in two halves: features, and what is said from them.

    Attributes:
        spec: what it is built for.
        width: number of features.
    """

    reads_out: ClassVar[bool] = True
    """Whether `classify` only reads numbers out of the features. That costs little, and is always
    in single precision: 8 bits are few for a logit, or for a sample's distance to the batch."""

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.width = width

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """From samples (N, *spec.shape) to features, (N, width)."""

    @abstractmethod
    def classify(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """What is said of samples, from their features: logits, or a reconstruction.

        Args:
            features: (N, width).
            labels: of a conditional critic, (N,), or (N, pack) with packing.
        """

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """What is said of samples."""
        return self.classify(self.features(images), labels)


class Discriminator(Critic):
    """A trunk that gives features, and a linear head that gives logits.

    A conditional one adds the features' projection on its label's embedding to the logit (Miyato
    and Koyama 2018, arXiv:1802.05637, equation 4); with packing, that of each sample's label.

    Args:
        trunk: from samples (N, *spec.shape) to features, (N, ..., width in all).
        width: number of features.
        spec: what it is built for.
    """

    def __init__(self, trunk: nn.Module, width: int, spec: Spec) -> None:
        super().__init__(spec, width)
        self.trunk = trunk
        self.head: nn.Module = nn.Linear(width, spec.outputs)
        # each place in a pack has embeddings of its own: which sample has which label matters
        self.embedding = nn.Embedding(spec.classes * spec.pack, width) if spec.classes else None

    def features(self, images: Tensor) -> Tensor:
        """The last layer before the head, (N, width): for feature matching and code heads."""
        out: Tensor = self.trunk(images)
        return out.flatten(1)

    def classify(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits from features, (N,), or (N, outputs) where there are several outputs."""
        out: Tensor = self.head(features)
        if self.embedding is not None:
            assert labels is not None, "a conditional discriminator needs labels"
            columns = labels.reshape(len(features), -1)
            places = torch.arange(columns.shape[1], device=columns.device) * self.spec.classes
            projection = (self.embedding(columns + places).sum(1) * features).sum(1, keepdim=True)
            out = out + projection
        return out.squeeze(1) if out.shape[1] == 1 else out


class AutoEncoder(Critic):
    """A critic that says what it would draw in a sample's place.

    Args:
        encoder: from samples to a code, (N, width).
        decoder: from the code to a sample; without batch norm.
    """

    reads_out = False

    def __init__(self, encoder: Discriminator, decoder: Generator) -> None:
        super().__init__(encoder.spec, encoder.spec.outputs)
        self.encoder = encoder
        self.decoder = decoder

    def features(self, images: Tensor) -> Tensor:
        """The code, (N, width)."""
        out: Tensor = self.encoder(images)
        return out.reshape(len(images), self.width)

    def classify(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """The reconstruction, (N, *spec.shape)."""
        out: Tensor = self.decoder(features)
        return out


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
