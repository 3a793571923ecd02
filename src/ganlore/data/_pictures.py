"""Folders of image files: listing them, and reading them into one array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganlore.console import Progress
from ganlore.data import SPLITS, Split
from ganlore.data._decoding import decode
from ganlore.data._listing import Listing, check_apart, first, some
from ganlore.errors import GanloreError
from ganlore.settings import Channels

if TYPE_CHECKING:
    from PIL.Image import Image

ORDER = 20180715
"""The seed of the random order of samples, the same in every study."""

Picture = tuple[str, Callable[[], bytes]]
"""An image file: its name in messages, and a function that reads its bytes."""


@dataclass(frozen=True)
class Frame:
    """The common format of all images.

    Attributes:
        channels: "rgb", or "grey" by ITU-R 601's weights. Alpha is composited on white first.
        size: final side of the square images, in pixels; None: unchanged.
        crop: side of the centre crop before resizing; None: the largest square.
        exact: whether images must already have the size; they are not cropped or resized.
    """

    channels: Channels
    size: int | None = None
    crop: int | None = None
    exact: bool = False

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """The shape of an image, (C, H, W), None if its size is not fixed."""
        channels = 3 if self.channels == "rgb" else 1
        return None if self.size is None else (channels, self.size, self.size)

    def cut(self, image: Image) -> Image:
        """Crop the centre square and resize it with Pillow's antialiased bicubic filter.

        Raises:
            ValueError: if the image does not have the exact size, or is smaller than the square.
        """
        from PIL.Image import Resampling

        width, height = image.size
        if self.exact and image.size != (self.size, self.size):
            raise ValueError(f"{width}x{height} pixels; expected {self.size}x{self.size}")
        if self.exact or (self.size is None and self.crop is None):
            return image
        square = self.crop or min(image.size)
        if square > min(image.size):
            raise ValueError(f"{width}x{height} pixels; smaller than crop = {square}")
        size = self.size or square
        left, top = (width - square) // 2, (height - square) // 2
        centre = image.crop((left, top, left + square, top + square))
        # not `resize(box=...)`, whose filter also uses pixels outside the box
        return centre.resize((size, size), Resampling.BICUBIC)


def positions(n: int, split: str) -> NDArray[np.int64]:
    """The position of each of n samples in a random order that is always the same, (n,)."""
    return np.random.default_rng([ORDER, SPLITS.index(split)]).permutation(n)


def shuffled(splits: dict[str, Split]) -> dict[str, Split]:
    """Splits in the random order of `positions`."""
    for name, split in splits.items():
        order = np.argsort(positions(len(split.samples), name))
        split.samples = split.samples[order]
        split.labels = None if split.labels is None else split.labels[order]
    return splits


def read(pictures: dict[str, list[Picture]], frame: Frame, dataset: str) -> dict[str, Split]:
    """Read the images of both splits, (N, C, size, size), in the random order of `positions`.

    The splits are parts of one array, so that nothing is in memory twice.

    Raises:
        GanloreError: with the number of unusable images, and the names of the first ones.
    """
    n_train = len(pictures["train"])
    order = [positions(n_train, "train"), n_train + positions(len(pictures["test"]), "test")]
    both = [*pictures["train"], *pictures["test"]]
    parts = np.split(_read(both, np.concatenate(order), frame, dataset), [n_train])
    names = np.empty(len(both), dtype=object)
    names[np.concatenate(order)] = [name for name, _ in both]
    named = zip(SPLITS, parts, np.split(names, [n_train]), strict=True)
    return {split: Split(part, names=own.tolist()) for split, part, own in named}


def _read(
    pictures: list[Picture], order: NDArray[np.int64], frame: Frame, dataset: str
) -> NDArray[np.uint8]:
    """Read each image into its position in one array."""
    images, side = np.empty(0, np.uint8), frame.size
    bad: list[str] = []
    with Progress(f"pictures of {dataset}", len(pictures)) as progress:
        for index, (name, read_bytes) in enumerate(pictures):
            try:
                image = frame.cut(decode(read_bytes(), frame.channels))
                side = side or _square(image)
                if image.size != (side, side):
                    raise ValueError(
                        f"{image.size[0]}x{image.size[1]} pixels where others have {side}x{side}; "
                        "the setting `size` crops and resizes all to one size"
                    )
            except Exception as error:  # Pillow raises a dozen kinds of exception for damage
                bad.append(f"{name}: {error or type(error).__name__}")
                continue
            if not images.size:
                images = np.empty((len(pictures), len(image.getbands()), side, side), np.uint8)
            images[order[index]] = np.asarray(image).reshape(side, side, -1).transpose(2, 0, 1)
            progress.update(index + 1)
    if bad:
        summary = f"data set {dataset}: {len(bad)} of {len(pictures)} pictures cannot be used:"
        remedy = "repair, replace or remove them"
        raise GanloreError("\n  ".join([summary, *first(bad), remedy]))
    return images


def _square(image: Image) -> int:
    width, height = image.size
    if width != height:
        raise ValueError(f"{width}x{height} pixels, not square; use the setting `size`")
    return width


def load(
    listings: dict[str, Listing], frame: Frame, names: Sequence[str] | None, dataset: str
) -> dict[str, Split]:
    """Read the images and labels of both splits.

    Args:
        listings: of each split.
        frame: the common format of the images.
        names: class names in the order of labels; None without labels.
        dataset: name of the data set, for messages.

    Raises:
        GanloreError: if there are other classes, a file in both splits, or unusable images.
    """
    check_apart(listings, dataset)
    labels = {
        split: None if names is None else _labels(files, names, split, dataset)
        for split, files in listings.items()
    }
    pictures: dict[str, list[Picture]] = {
        split: [(str(file.path), file.path.read_bytes) for file in files]
        for split, files in listings.items()
    }
    splits = read(pictures, frame, dataset)
    return {split: replace(part, labels=labels[split]) for split, part in splits.items()}


def _labels(files: Listing, names: Sequence[str], split: str, dataset: str) -> NDArray[np.int64]:
    """Labels in the order of `positions`."""
    classes = [file.label for file in files]
    if unknown := sorted(set(classes) - set(names)):
        raise GanloreError(
            f"data set {dataset}: the split {split} has the classes {some(unknown)}, which are "
            f"not among those expected: {some(names)}"
        )
    index = {name: label for label, name in enumerate(names)}
    labels = np.empty(len(classes), dtype=np.int64)
    labels[positions(len(labels), split)] = [index[name] for name in classes]
    return labels
