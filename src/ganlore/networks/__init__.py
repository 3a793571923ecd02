"""The interface of networks: each file is one family with a generator and a discriminator.

By default no discriminator has batch norm, since penalties, packing and relativistic tricks need
outputs that do not depend on the rest of the batch.
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
    """The dimensions of the networks.

    Attributes:
        shape: of one sample, (C, H, W) for images or (D,) for points.
        latent: dimensions of the generator's noise.
        classes: number of classes of a conditional network, 0 for an unconditional one.
        outputs: width of the discriminator's last layer, 1 for logits; an encoder has more.
        codes: further inputs of a generator, available to each of its parts.
        pack: samples in one input of a discriminator, each with its own label.
        batch_norm: whether a generator may use batch norm. The decoder of a critic must not: its
            score of a sample would depend on the rest of the batch.
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
        """Width of the generator's input: noise, codes, one-hot label."""
        return self.latent + self.codes + self.classes

    @property
    def images(self) -> bool:
        """Whether samples are images rather than points."""
        return len(self.shape) == 3


class Stages(nn.Sequential):
    """The parts of a network, in order, and the shapes of their outputs.

    Tricks work on these parts: attention follows one, progressive growing adds one after the other.
    A replacement of a part must keep the shape of its output.

    Args:
        parts: each part, and the shape of its output for one sample: (C, H, W) of a feature map,
            (width,) of a vector.
    """

    def __init__(self, parts: list[tuple[nn.Module, tuple[int, ...]]]) -> None:
        super().__init__(*(part for part, _ in parts))
        self.shapes = [shape for _, shape in parts]


def one_hot(labels: Tensor, classes: int) -> Tensor:
    """1 at each label's place and 0 elsewhere, (N, classes), in single precision.

    torch's own reads the labels back from the device to check them.

    Args:
        labels: (N,), in [0, classes).
        classes: their number.
    """
    return (labels[:, None] == torch.arange(classes, device=labels.device)).float()


class Generator(nn.Module):
    """From noise (N, latent), and labels (N,) where it is conditional, to samples.

    The one-hot label is concatenated to the noise (Mirza and Osindero 2014, arXiv:1411.1784,
    section 3.2); the first layer's weights turn it into an embedding.

    Args:
        body: from (N, `spec.inputs`) to samples, or to flattened samples.
        spec: the dimensions.
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
            latent = torch.cat([latent, one_hot(labels, self.classes).to(latent.dtype)], dim=1)
        out: Tensor = self.body(latent)
        return out if out.dim() > 2 else out.reshape(len(latent), *self.shape)


class Critic(nn.Module, ABC):
    """A network that scores samples, in two halves: features, and the output from them.

    Attributes:
        spec: the dimensions.
        width: number of features.
    """

    reads_out: ClassVar[bool] = True
    """Whether `classify` is a cheap head on the features. A head always runs in single precision:
    8 bits are too few for a logit, or for a sample's distance to the rest of the batch."""

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.width = width

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """From samples (N, *spec.shape) to features, (N, width)."""

    @abstractmethod
    def classify(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """From features to logits, or to reconstructions.

        Args:
            features: (N, width).
            labels: class labels of a conditional critic, (N,), or (N, pack) with packing.
        """

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """From samples to logits, or to reconstructions."""
        return self.classify(self.features(images), labels)


class Discriminator(Critic):
    """A trunk that computes features, and a linear head that computes logits.

    A conditional one adds the inner product of features and label embedding to the logit (Miyato
    and Koyama 2018, arXiv:1802.05637, equation 4); with packing, that of each sample's label.

    Args:
        trunk: from samples (N, *spec.shape) to features, (N, ...), `width` for each sample.
        width: number of features.
        spec: the dimensions.
    """

    def __init__(self, trunk: nn.Module, width: int, spec: Spec) -> None:
        super().__init__(spec, width)
        self.trunk = trunk
        self.head: nn.Module = nn.Linear(width, spec.outputs)
        # separate embeddings for each position in a pack: it matters which sample has which label
        self.embedding = nn.Embedding(spec.classes * spec.pack, width) if spec.classes else None

    def features(self, images: Tensor) -> Tensor:
        """The last layer before the head, (N, width)."""
        out: Tensor = self.trunk(images)
        return out.flatten(1)

    def classify(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits from features, (N,), or (N, outputs) where there are several outputs."""
        out: Tensor = self.head(features)
        if self.embedding is not None:
            assert labels is not None, "a conditional discriminator needs labels"
            packed = labels.reshape(len(features), -1)
            offsets = torch.arange(packed.shape[1], device=packed.device) * self.spec.classes
            projection = (self.embedding(packed + offsets).sum(1) * features).sum(1, keepdim=True)
            out = out + projection
        return out.squeeze(1) if out.shape[1] == 1 else out


class AutoEncoder(Critic):
    """A critic whose output is a reconstruction of its input.

    Args:
        encoder: from samples to codes, (N, width).
        decoder: from codes to samples; without batch norm.
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
    """A family of networks; its annotated attributes are settings.

    Facts (class attributes without annotation, literals): paper, requires, provides, incompatible,
    and `deviations`, where it differs from its paper, a tuple of sentences; empty: as published.

    Attributes:
        least_batch: the fewest samples that it can be trained with; 2 with batch norm of vectors,
            since one value has no variance.
    """

    name: ClassVar[str] = ""
    deviations: ClassVar[tuple[str, ...]] = ()
    least_batch: ClassVar[int] = 1

    @abstractmethod
    def generator(self, spec: Spec) -> Generator:
        """Build a generator."""

    @abstractmethod
    def discriminator(self, spec: Spec) -> Discriminator:
        """Build a discriminator, or with more outputs an encoder."""

    @abstractmethod
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """Initialise all parameters of a module.

        Each parameter has its own random generator, keyed by its name: if two cells of a study
        differ in one layer, all others still start equal.
        """


def norm_gains(module: nn.Module) -> set[int]:
    """The identities of batch norm's gains among a module's parameters, for initialisation."""
    norms = nn.BatchNorm1d | nn.BatchNorm2d
    return {id(part.weight) for part in module.modules() if isinstance(part, norms)}


@torch.no_grad()
def initialise_normal(module: nn.Module, rng: Initialiser, gain_spread: float = 0.0) -> None:
    """Weights N(0, 0.02), batch norm's gains N(1, gain_spread), biases 0."""
    gains = norm_gains(module)
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
        elif id(parameter) not in gains:
            parameter.normal_(0.0, 0.02, generator=rng(name))
        elif gain_spread:
            parameter.normal_(1.0, gain_spread, generator=rng(name))
        else:
            parameter.fill_(1.0)
