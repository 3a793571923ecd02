"""MNIST's archives and images, for the data sets that use them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import numpy as np

from ganlore.data import SPLITS, Split
from ganlore.data._pictures import Frame, shuffled
from ganlore.data._sources import Archive, Published

PADDING = 2
"""Black pixels on each side, to get 32 from 28."""


@dataclass
class HandwrittenDigits(Published):
    """A data set of MNIST's 60,000 and 10,000 digits."""

    origin = "MNIST, http://yann.lecun.com/exdb/mnist"
    licence = "CC BY-SA 3.0"
    counts = {"train": 60_000, "test": 10_000}
    names = tuple("0123456789")
    path: str = "data/raw/mnist"
    padded: bool = False

    def archives(self) -> list[Archive]:
        """Images and labels of each split, in torchvision's folder."""
        from torchvision.datasets import MNIST

        raw = Path(self.path, "MNIST", "raw")
        return [
            Archive(raw / name, md5, urls[0], urls)
            for name, md5 in MNIST.resources
            if (urls := tuple(mirror + name for mirror in MNIST.mirrors))
        ]

    def fetch(self) -> None:
        """Download each archive from the first mirror that has it.

        torchvision's own class would accept a file that was only partly unpacked.
        """
        from torchvision.datasets import MNIST
        from torchvision.datasets.utils import download_url

        for file in self.archives():
            for mirror in MNIST.mirrors:
                try:
                    url = mirror + file.path.name
                    download_url(url, file.path.parent, file.path.name, file.md5)
                    break
                except (RuntimeError, URLError):
                    if mirror == MNIST.mirrors[-1]:
                        raise

    def unpack(self) -> dict[str, Split]:
        """Both splits; the archives are always unpacked again, next to themselves."""
        from torchvision.datasets.mnist import read_image_file, read_label_file
        from torchvision.datasets.utils import extract_archive

        files = self.archives()
        for file in files:
            extract_archive(file.path, file.path.parent)
        images, labels = files[::2], files[1::2]
        splits = {
            split: Split(
                read_image_file(images[i].path.with_suffix("")).numpy()[:, None],
                read_label_file(labels[i].path.with_suffix("")).numpy().astype(np.int64),
            )
            for i, split in enumerate(SPLITS)
        }
        return shuffled(splits)

    def frame(self) -> Frame:
        """28x28 grey, without a change."""
        return Frame("grey", 28, exact=True)

    def form(self) -> tuple[tuple[int, ...], int]:
        """28x28 grey, or 32x32."""
        size = 28 + 2 * PADDING * self.padded
        return (1, size, size), len(self.classes() or ())

    def load(self) -> dict[str, Split]:
        """Both splits, with a black edge if `padded`."""
        splits = super().load()
        if self.padded:
            for split in splits.values():
                split.samples = np.pad(split.samples, ((0, 0), (0, 0), *[(PADDING, PADDING)] * 2))
        return splits
