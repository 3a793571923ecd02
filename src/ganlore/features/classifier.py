"""A small convolutional classifier of the data set's own classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ganlore import seeding
from ganlore.batches import as_seen
from ganlore.data import Store
from ganlore.features import Description, Extractor
from ganlore.settings import PositiveInt

CHUNK = 128
"""Images at a time: so many that their activations stay in a processor's cache."""


class Halve(nn.MaxPool2d):
    """The largest of each 2x2 pixels."""

    def __init__(self) -> None:
        super().__init__(2)

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H // 2, W // 2)."""
        if self.training or images.shape[2] % 2 or images.shape[3] % 2:
            halved: Tensor = super().forward(images)
            return halved
        # the same numbers in a fifth of the time; only gradients of ties are others
        tall = torch.maximum(images[:, :, ::2], images[:, :, 1::2])
        return torch.maximum(tall[..., ::2], tall[..., 1::2])


class Network(nn.Module):
    """Three 3x3 convolutions, halving once or more down to 4x4, then features and classes."""

    def __init__(self, shape: tuple[int, ...], classes: int, width: int, features: int) -> None:
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
            size //= 2
        self.trunk = nn.Sequential(*layers, nn.Flatten())
        self.embed = nn.Linear(width * size * size, features)
        self.head = nn.Linear(features, classes)

    def features(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] to (N, features), not negative."""
        out: Tensor = functional.relu(self.embed(self.trunk(images)))
        return out

    def forward(self, images: Tensor) -> Tensor:
        """Class logits, (N, classes)."""
        out: Tensor = self.head(self.features(images))
        return out


@dataclass
class Classifier(Extractor):
    """The last hidden layer of a classifier; a sample's mode is the class it is taken for.

    A feature space that knows what a digit is, where Inception (made for 299x299 photographs) does
    not, and which needs no download.
    """

    paper = "arXiv:1801.01973 (why features should fit the data)"
    width: PositiveInt = 32
    dimensions: PositiveInt = 64
    epochs: PositiveInt = 30
    batch: PositiveInt = 64
    seed: PositiveInt = 1

    def fit(self, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
        """Train on the training split with small shifts; the record has the test accuracy."""
        torch.set_num_threads(1)  # the same features whatever machine and load
        images = as_seen(torch.from_numpy(store.samples("train").copy()))
        labels = torch.from_numpy(store.labels("train"))
        with seeding.scope(self.seed, "classifier", store.name):
            network = Network(store.shape, store.classes, self.width, self.dimensions)
            self._optimise(network, images, labels)
        self.network = network.eval()
        test = self.predict(store.samples("test"))[1].argmax(axis=1)
        accuracy = float((test == store.labels("test")).mean())
        return network.state_dict(), {"test_accuracy": accuracy, "dimensions": self.dimensions}

    def _optimise(self, network: Network, images: Tensor, labels: Tensor) -> None:
        optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-2)
        steps = self.epochs * (len(images) // self.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
        for _ in range(self.epochs):
            for chosen in torch.randperm(len(images)).split(self.batch)[
                : len(images) // self.batch
            ]:
                batch = functional.pad(images[chosen], (1, 1, 1, 1), value=-1.0)
                dy, dx = (int(torch.randint(3, ())) for _ in range(2))
                height, width = images.shape[2:]
                batch = batch[:, :, dy : dy + height, dx : dx + width]
                loss = functional.cross_entropy(network(batch), labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()

    def load(self, weights: dict[str, Any], store: Store) -> None:
        """Build the network and take the weights."""
        self.network = Network(store.shape, store.classes, self.width, self.dimensions).eval()
        self.network.load_state_dict(weights)

    @torch.no_grad()
    def predict(self, samples: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Features (N, d) and class logits (N, classes), in chunks."""
        features, logits = [], []
        # parts of one size: torch makes ready anew whenever the size changes
        for part in np.array_split(samples, -(-len(samples) // CHUNK)):
            images = as_seen(torch.from_numpy(np.array(part)))
            features.append(self.network.features(images))
            logits.append(self.network.head(features[-1]))
        return torch.cat(features).double().numpy(), torch.cat(logits).double().numpy()

    def describe(self, samples: NDArray[Any]) -> Description:
        """Features, and the class that each image is taken for."""
        features, logits = self.predict(samples)
        return Description(features, logits.argmax(axis=1))


EXTRACTOR = Classifier
