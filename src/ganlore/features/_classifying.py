"""The base of extractors that are classifiers of the data set's own classes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ganlore.console import Progress
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.features import Description, Extractor
from ganlore.features._learning import LEVEL, by_guessing, majority_share, obstacle
from ganlore.settings import PositiveFloat, PositiveInt
from ganlore.steps import seeding
from ganlore.steps.scaling import to_network
from ganlore.study.compatibility import instead_of

CHUNK = 128
"""Images at a time; their activations fit in a processor's cache."""


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
    """An extractor that is a classifier; a sample's mode is its predicted class.

    Attributes:
        epochs: passes over the training split.
        batch: images in a step; all of them, where there are fewer.
        rate: the one-cycle schedule's highest learning rate.
        shift: the largest translation of a batch, in pixels.
        channels_last: use the channels-last memory format, which is faster for large colour images
            and changes the last bits.
        seed: of initialisation and shuffling.
    """

    requires = {
        "images": "a convolutional network needs images",
        "labels": "a classifier is trained on class labels",
    }
    epochs: PositiveInt = 30
    batch: PositiveInt = 64
    rate: PositiveFloat = 4e-3
    shift: PositiveInt = 1
    channels_last: bool = False
    seed: PositiveInt = 1

    @abstractmethod
    def build(self, store: Store) -> Classes:
        """Build the network for a data set, initialised from torch's global generator."""

    def fit(self, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
        """Train on the training split; the record has the test accuracy.

        Images are randomly translated, and flipped if the data set allows it.

        Raises:
            GanloreError: if the data set has no labels, a single class, or too few test pictures.
        """
        labels = store.labels("train")
        if labels is None:
            raise GanloreError(
                f"data set {store.name}: the extractor {self.name} is a classifier, and the data "
                "have no labels to fit it to\n"
                + instead_of(self.name, store.name, store.manifest["settings"])
            )
        if why := obstacle(store):
            raise GanloreError(
                f"data set {store.name}: it cannot be measured by the extractor {self.name}: it "
                f"{why}\n  use an extractor that needs no classes, such as inception"
            )
        torch.set_num_threads(1)  # the same features on every machine, under any load
        images = torch.from_numpy(store.samples("train").copy())
        mirrored = bool(store.manifest.get("mirrored"))
        with seeding.scope(self.seed, self.name, store.name):
            network = self._laid_out(self.build(store))
            self._optimise(network, images, torch.from_numpy(labels), mirrored)
        self.network = network.eval()
        features, logits = self.predict(store.samples("test"))
        accuracy = float((logits.argmax(axis=1) == store.labels("test")).mean())
        share = majority_share(store)
        record = {
            "test_accuracy": accuracy,
            "majority_share": share,
            "by_guessing": by_guessing(accuracy, share, len(logits)),
            "dimensions": features.shape[1],
        }
        return network.state_dict(), record

    def check(self, record: dict[str, Any], store: Store) -> None:
        """Refuse a classifier whose accuracy may well be that of guessing (`_learning`).

        Raises:
            GanloreError: with accuracy, share and probability.
        """
        if record["by_guessing"] > LEVEL:
            raise GanloreError(
                f"data set {store.name}: the extractor {self.name} has not learned its classes: "
                f"{record['test_accuracy']:.1%} of the test pictures are right, and always "
                f"guessing the commonest class gives {record['majority_share']:.1%}; by guessing "
                f"one gets so far with a probability of {record['by_guessing']:.2g}, and at most "
                f"{LEVEL} is allowed\n  metrics in its features would mean nothing: add training "
                "pictures, check the labels, or use an extractor that needs none, such as inception"
            )

    def _laid_out(self, network: Classes) -> Classes:
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return network.to(memory_format=layout)

    def _optimise(self, network: Classes, images: Tensor, labels: Tensor, mirrored: bool) -> None:
        size = min(self.batch, len(images))
        per_epoch = len(images) // size
        optimizer = torch.optim.AdamW(network.parameters(), lr=self.rate / 2, weight_decay=1e-2)
        steps = self.epochs * per_epoch
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.rate, total_steps=steps)
        with Progress(f"{self.name}", steps) as progress:
            for epoch in range(self.epochs):
                order = torch.randperm(len(images)).split(size)[:per_epoch]
                for step, chosen in enumerate(order):
                    batch = self._augmented(to_network(images[chosen]), mirrored)
                    loss = functional.cross_entropy(network(batch), labels[chosen])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    progress.update(epoch * per_epoch + step + 1, f"epoch {epoch + 1}")

    def _augmented(self, images: Tensor, mirrored: bool) -> Tensor:
        """Translate a batch by up to `shift` pixels; with `mirrored`, flip half of the images."""
        height, width = images.shape[2:]
        images = functional.pad(images, (self.shift,) * 4, value=-1.0)
        dy, dx = (int(torch.randint(2 * self.shift + 1, ())) for _ in range(2))
        images = images[:, :, dy : dy + height, dx : dx + width]
        if not mirrored:
            return images
        return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images)

    def load(self, weights: dict[str, Any], store: Store) -> None:
        """Build the network with fixed weights."""
        self.network = self._laid_out(self.build(store)).eval().requires_grad_(False)
        self.network.load_state_dict(weights)

    @torch.no_grad()
    def predict(self, samples: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Features (N, d) and class logits (N, classes), in chunks."""
        features, logits = [], []
        device = self.network.head.weight.device
        # chunks of equal size, since torch has a setup cost whenever the size changes
        for chunk in np.array_split(samples, -(-len(samples) // CHUNK)):
            images = to_network(torch.from_numpy(np.array(chunk)).to(device))
            hidden = self.network.features(images)
            features.append(hidden.cpu())
            logits.append(self.network.head(hidden).cpu())
        return torch.cat(features).double().numpy(), torch.cat(logits).double().numpy()

    def to(self, device: torch.device) -> Classifying:
        """Move the network to a device."""
        self.network.to(device)
        return self

    def describe(self, samples: NDArray[Any]) -> Description:
        """Features, and the predicted class of each image as its mode."""
        features, logits = self.predict(samples)
        return Description(features, logits.argmax(axis=1))
