"""Fitting a classifier of the data set's own classes, for the extractors that are one."""

from __future__ import annotations

from abc import ABC, abstractmethod
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


class Classes(nn.Module, ABC):
    """A network from images to features, with a linear head for the classes."""

    head: nn.Linear

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] to (N, d)."""

    def forward(self, images: Tensor) -> Tensor:
        """Class logits, (N, classes)."""
        out: Tensor = self.head(self.features(images))
        return out


@dataclass
class Classifying(Extractor):
    """An extractor that is a classifier; a sample's mode is the class that it is taken for."""

    epochs: PositiveInt = 30
    batch: PositiveInt = 64
    seed: PositiveInt = 1

    @abstractmethod
    def build(self, store: Store) -> Classes:
        """The network for a data set, initialised from torch's global generator."""

    def fit(self, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
        """Train on the training split with small shifts; the record has the test accuracy."""
        torch.set_num_threads(1)  # the same features whatever machine and load
        images = as_seen(torch.from_numpy(store.samples("train").copy()))
        labels = torch.from_numpy(store.labels("train"))
        with seeding.scope(self.seed, self.name, store.name):
            network = self.build(store)
            self._optimise(network, images, labels)
        self.network = network.eval()
        features, logits = self.predict(store.samples("test"))
        accuracy = float((logits.argmax(axis=1) == store.labels("test")).mean())
        return network.state_dict(), {"test_accuracy": accuracy, "dimensions": features.shape[1]}

    def _optimise(self, network: Classes, images: Tensor, labels: Tensor) -> None:
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
        """Build the network, take the weights and freeze them."""
        self.network = self.build(store).eval().requires_grad_(False)
        self.network.load_state_dict(weights)

    @torch.no_grad()
    def predict(self, samples: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Features (N, d) and class logits (N, classes), in chunks."""
        features, logits = [], []
        device = self.network.head.weight.device
        # parts of one size: torch makes ready anew whenever the size changes
        for part in np.array_split(samples, -(-len(samples) // CHUNK)):
            images = as_seen(torch.from_numpy(np.array(part)).to(device))
            found = self.network.features(images)
            features.append(found.cpu())
            logits.append(self.network.head(found).cpu())
        return torch.cat(features).double().numpy(), torch.cat(logits).double().numpy()

    def to(self, device: torch.device) -> Classifying:
        """With the network on a device."""
        self.network.to(device)
        return self

    def describe(self, samples: NDArray[Any]) -> Description:
        """Features, and the class that each image is taken for."""
        features, logits = self.predict(samples)
        return Description(features, logits.argmax(axis=1))
