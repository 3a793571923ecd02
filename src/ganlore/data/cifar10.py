"""CIFAR-10: small photographs of ten classes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganlore.data import SPLITS, Split
from ganlore.data._pictures import Frame, shuffled
from ganlore.data._sources import Archive, Published


@dataclass
class Cifar10(Published):
    """60,000 photographs of 32x32 pixels, ten classes."""

    provides = ("images", "labels", "power-of-two size", "halving size")
    extractors = ("inception", "classifier")
    extractor_settings = {
        "classifier": {
            "width": 24, "growth": 2, "epochs": 10, "batch": 128, "shift": 2, "channels_last": True,
        }
    }  # fmt: skip
    n_train = 50_000
    mirrored = True
    origin = "CIFAR-10, https://www.cs.toronto.edu/~kriz/cifar.html"
    licence = "none is stated; its authors ask to be cited"
    citation = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images"
    names = (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    counts = {"train": 50_000, "test": 10_000}
    path: str = "data/raw/cifar10"

    def archives(self) -> list[Archive]:
        """One archive of six batches."""
        from torchvision.datasets import CIFAR10

        return [Archive(Path(self.path, CIFAR10.filename), CIFAR10.tgz_md5, CIFAR10.url)]

    def unpacked(self) -> Path:
        """The batches."""
        from torchvision.datasets import CIFAR10

        return Path(self.path, CIFAR10.base_folder)

    def fetch(self) -> None:
        """Download the archive, unless batches with the right checksums exist."""
        self._open("train", download=True)

    def unpack(self) -> dict[str, Split]:
        """Both splits, from the batches."""
        splits = {}
        for split in SPLITS:
            cifar = self._open(split, download=False)
            images = np.ascontiguousarray(cifar.data.transpose(0, 3, 1, 2))
            splits[split] = Split(images, np.asarray(cifar.targets, dtype=np.int64))
        return shuffled(splits)

    def frame(self) -> Frame:
        """32x32, without a change."""
        return Frame("rgb", 32, exact=True)

    def _open(self, split: str, download: bool) -> Any:
        from torchvision.datasets import CIFAR10

        return CIFAR10(self.path, train=split == "train", download=download)


DATASET = Cifar10
