"""One classifier for all channels of an image, each of which has its own class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganlore.data import Store
from ganlore.features import Description
from ganlore.features.classifier import Classifier
from ganlore.settings import PositiveInt


@dataclass(frozen=True)
class Channels(Store):
    """The channels of a data set as single images: three times as many grey images of ten classes.

    The digits of an image's label are the channels' classes, the first channel's first: with three
    channels of ten classes 100 a + 10 b + c.

    Attributes:
        most: the largest number of training images; 0 means all.
    """

    most: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """One channel, (1, H, W)."""
        return (1, *super().shape[1:])

    @property
    def classes(self) -> int:
        """Classes of one channel."""
        root: float = super().classes ** (1 / super().shape[0])
        return round(root)

    def samples(self, split: str) -> NDArray[Any]:
        """Channels as images, (N, 1, H, W); the channels of one image are consecutive."""
        return self._limited(apart(super().samples(split)), split)

    def labels(self, split: str) -> NDArray[np.int64]:
        """The class of each channel, (N,)."""
        numbers = super().labels(split)
        assert numbers is not None
        powers = self.classes ** np.arange(super().shape[0])[::-1]
        return self._limited((numbers[:, None] // powers % self.classes).reshape(-1), split)

    def _limited(self, array: NDArray[Any], split: str) -> NDArray[Any]:
        return array[: self.most or None] if split == "train" else array


def apart(images: NDArray[Any]) -> NDArray[Any]:
    """(N, C, H, W) to (N C, 1, H, W)."""
    return images.reshape(-1, 1, *images.shape[2:])


@dataclass
class ChannelClassifier(Classifier):
    """A classifier of single channels; an image's features are those of its channels, concatenated.

    The digits of an image's mode are its channels' predicted classes, which is how the 1000 modes
    of stacked MNIST are counted (Metz et al. 2017, appendix; 1712.04086, section 4.2). The test
    accuracy in its record is that of single channels.
    """

    requires = {"digits in channels": "each channel must have its own class, encoded in the label"}
    paper = "arXiv:1611.02163, arXiv:1712.04086"
    epochs: PositiveInt = 5
    pictures: PositiveInt = 60_000

    def fit(self, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
        """Train on single channels."""
        return super().fit(self._channels(store))

    def load(self, weights: dict[str, Any], store: Store) -> None:
        """Build the network for one channel with fixed weights."""
        channels = self._channels(store)
        self.each = channels.classes
        super().load(weights, channels)

    def describe(self, samples: NDArray[Any]) -> Description:
        """The channels' features concatenated, (N, C d), and the predicted label as mode, (N,)."""
        channels = samples.shape[1]
        features, logits = self.predict(apart(samples))
        digits = logits.argmax(axis=1).reshape(-1, channels)
        return Description(
            features.reshape(len(samples), -1), digits @ self.each ** np.arange(channels)[::-1]
        )

    def _channels(self, store: Store) -> Channels:
        return Channels(store.folder, store.manifest, self.pictures)


EXTRACTOR = ChannelClassifier
