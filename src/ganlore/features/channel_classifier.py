"""One classifier for all channels of a picture, where each channel shows something of its own."""

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
    """A data set seen channel by channel: three times as many grey pictures of ten classes.

    A label is a number whose digits are the channels' classes, the first channel's first: with
    three channels of ten classes 100 a + 10 b + c.

    Attributes:
        most: training pictures that are shown; 0 means all.
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
        """Channels as pictures, (N, 1, H, W), those of one picture after each other."""
        return self._shown(apart(super().samples(split)), split)

    def labels(self, split: str) -> NDArray[np.int64]:
        """The class of each channel, (N,)."""
        numbers = super().labels(split)
        assert numbers is not None
        powers = self.classes ** np.arange(super().shape[0])[::-1]
        return self._shown((numbers[:, None] // powers % self.classes).reshape(-1), split)

    def _shown(self, array: NDArray[Any], split: str) -> NDArray[Any]:
        return array[: self.most or None] if split == "train" else array


def apart(images: NDArray[Any]) -> NDArray[Any]:
    """(N, C, H, W) to (N C, 1, H, W)."""
    return images.reshape(-1, 1, *images.shape[2:])


@dataclass
class ChannelClassifier(Classifier):
    """A classifier of single channels; a picture's features are those of its channels in a row.

    Its mode is the number whose digits are the classes that its channels are taken for: how the
    1000 modes of stacked MNIST are counted (Metz et al. 2017, appendix; 1712.04086, section 4.2).
    The test accuracy in its record is that of single channels.
    """

    requires = {
        "digits in channels": "each channel must show a class of its own, told by the label",
    }
    paper = "arXiv:1611.02163, arXiv:1712.04086"
    epochs: PositiveInt = 5
    pictures: PositiveInt = 60_000

    def fit(self, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
        """Train on single channels."""
        return super().fit(self._channels(store))

    def load(self, weights: dict[str, Any], store: Store) -> None:
        """Build the network for one channel, and take the weights."""
        channels = self._channels(store)
        self.each = channels.classes
        super().load(weights, channels)

    def describe(self, samples: NDArray[Any]) -> Description:
        """Features (N, C d) of the channels in a row, and the number that they are taken for."""
        channels = samples.shape[1]
        features, logits = self.predict(apart(samples))
        digits = logits.argmax(axis=1).reshape(-1, channels)
        return Description(
            features.reshape(len(samples), -1), digits @ self.each ** np.arange(channels)[::-1]
        )

    def _channels(self, store: Store) -> Channels:
        return Channels(store.folder, store.manifest, self.pictures)


EXTRACTOR = ChannelClassifier
