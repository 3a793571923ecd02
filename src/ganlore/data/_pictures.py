"""Folders of picture files: what lies in them, and reading pictures into one array."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ganlore.console import Progress, say
from ganlore.data import SPLITS, Split
from ganlore.errors import GanloreError
from ganlore.settings import Channels

if TYPE_CHECKING:
    from PIL.Image import Image

EXTENSIONS = (".bmp", ".jpeg", ".jpg", ".png", ".webp")
SHOWN = 10
"""So many of the pictures that cannot be used are named."""
MODES = {"rgb": "RGB", "grey": "L"}

ORDER = 20180715
"""The key of the random order of samples, the same in every study."""

Picture = tuple[str, Callable[[], bytes]]
"""What a picture is called in a message, and what reads the bytes of its file."""

Listing = list[tuple[Path, str]]
"""The files of pictures, and the class of each, "" without labels."""


@dataclass(frozen=True)
class Frame:
    """What all pictures are brought to.

    Attributes:
        channels: "rgb", or "grey" by ITU-R 601's weights. Alpha is laid on white first.
        size: side of the square in the end, in pixels; None: as the pictures are.
        crop: side of the centre square that is cut out before; None: the largest.
        exact: whether pictures must have the size from the start, and nothing is cut or resized.
    """

    channels: Channels
    size: int | None = None
    crop: int | None = None
    exact: bool = False

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """The shape of a picture in it, (C, H, W), where its size is known."""
        channels = 3 if self.channels == "rgb" else 1
        return None if self.size is None else (channels, self.size, self.size)

    def cut(self, image: Image) -> Image:
        """A picture's centre square, resized with Pillow's antialiased bicubic filter.

        Raises:
            ValueError: if the picture is not of the exact size, or smaller than the square.
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
        # not `resize(box=...)`, whose filter sees what lies outside the box
        return centre.resize((size, size), Resampling.BICUBIC)


def places(n: int, split: str) -> NDArray[np.int64]:
    """Where each of n samples goes: 0 to n - 1 in an order that is random, but always the same."""
    return np.random.default_rng([ORDER, SPLITS.index(split)]).permutation(n)


def shuffled(splits: dict[str, Split]) -> dict[str, Split]:
    """Splits in the random order of `places`."""
    ordered = {}
    for name, split in splits.items():
        order = np.argsort(places(len(split.samples), name))
        labels = None if split.labels is None else split.labels[order]
        ordered[name] = Split(split.samples[order], labels)
    return ordered


def read(pictures: dict[str, list[Picture]], frame: Frame, what: str) -> dict[str, Split]:
    """Read the pictures of all splits, (N, C, size, size), each into the random order of `places`.

    All splits are parts of one array, so that nothing is in memory twice.

    Raises:
        GanloreError: with all pictures that are unreadable or do not fit, the first ten by name.
    """
    n_train = len(pictures["train"])
    every = [picture for split in SPLITS for picture in pictures[split]]
    put = np.concatenate([places(n_train, "train"), n_train + places(len(every) - n_train, "test")])
    images, side = np.empty(0, np.uint8), frame.size
    bad: list[str] = []
    with Progress(f"pictures of {what}", len(every)) as progress:
        for index, (name, content) in enumerate(every):
            try:
                image = frame.cut(decode(content(), frame.channels))
                side = side or _square(image)
                if image.size != (side, side):
                    raise ValueError(
                        f"{image.width}x{image.height} pixels where others have {side}x{side}; "
                        "with the setting `size` all are cut and resized to one"
                    )
            except Exception as error:  # Pillow tells damage by a dozen kinds of exception
                bad.append(f"{name}: {error or type(error).__name__}")
                continue
            if not images.size:
                images = np.empty((len(every), len(image.getbands()), side, side), np.uint8)
            images[put[index]] = np.asarray(image).reshape(side, side, -1).transpose(2, 0, 1)
            progress.update(index + 1)
    if bad:
        more = [f"... and {len(bad) - SHOWN} more"] if len(bad) > SHOWN else []
        head = f"data set {what}: {len(bad)} of {len(every)} pictures cannot be used:"
        raise GanloreError("\n  ".join([head, *bad[:SHOWN], *more, "mend, replace or remove them"]))
    return {"train": Split(images[:n_train]), "test": Split(images[n_train:])}


def decode(data: bytes, channels: Channels) -> Image:
    """A picture from the bytes of its file: upright, 8 bits a channel, alpha laid on white.

    Of an animation this is the first picture.

    Raises:
        ValueError: if it has more than 8 bits a channel.
        Exception: of many kinds, if the file is damaged.
    """
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(data)) as image:
        if image.mode[0] in "IF":
            raise ValueError(f"mode {image.mode}; expected 8 bits a channel")
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            upright = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
        return upright.convert(MODES[channels])


def _square(image: Image) -> int:
    width, height = image.size
    if width != height:
        raise ValueError(f"{width}x{height} pixels, no square; give the setting `size`")
    return width


def listing(folder: Path, labelled: bool) -> Listing:
    """The pictures below a folder, sorted by name; with labels, each of its folders is a class.

    Hidden files are passed over; other files that are no pictures by their extension are told.

    Raises:
        GanloreError: if there is no such folder or no picture in it; with labels also if pictures
            lie beside the folders of classes, or a class is empty.
    """
    if not folder.is_dir():
        raise GanloreError(f"{folder}: no such folder; expected one with pictures")
    everything = sorted(_files(folder), key=lambda file: file.relative_to(folder).parts)
    files = [file for file in everything if file.suffix.lower() in EXTENSIONS]
    if not files:
        raise GanloreError(f"{folder}: no pictures; expected files *{', *'.join(EXTENSIONS)}")
    if others := [file for file in everything if file.suffix.lower() not in EXTENSIONS]:
        say(f"{folder}: {len(others)} files are no pictures and left out, the first {others[0]}")
    if not labelled:
        return [(file, "") for file in files]
    if stray := [file for file in files if file.parent == folder]:
        raise GanloreError(
            f"{folder}: {len(stray)} of {len(files)} pictures are in no class, the first "
            f"{stray[0].name}\n  expected {folder}/<class>/<picture>"
        )
    classes = [file.relative_to(folder).parts[0] for file in files]
    there = {path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."}
    if empty := sorted(there - set(classes)):
        raise GanloreError(f"{folder}: no pictures in the classes {', '.join(empty)}")
    return list(zip(files, classes, strict=True))


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name[0] != "."]
        yield from (Path(place, name) for name in files if name[0] != ".")


def load(
    listings: dict[str, Listing], frame: Frame, names: Sequence[str] | None, what: str
) -> dict[str, Split]:
    """Read the pictures of all splits, and their labels.

    Args:
        listings: of each split.
        frame: what the pictures are brought to.
        names: classes in the order of labels; None without labels.
        what: they are, for messages.

    Raises:
        GanloreError: if the classes are others, or pictures cannot be used.
    """
    labels = {
        split: None if names is None else _labels(files, names, split, what)
        for split, files in listings.items()
    }
    pictures: dict[str, list[Picture]] = {
        split: [(str(file), file.read_bytes) for file, _ in files]
        for split, files in listings.items()
    }
    splits = read(pictures, frame, what)
    return {split: Split(part.samples, labels[split]) for split, part in splits.items()}


def _labels(files: Listing, names: Sequence[str], split: str, what: str) -> NDArray[np.int64]:
    """Labels in the order in which `read` puts the pictures."""
    classes = [name for _, name in files]
    if unknown := sorted(set(classes) - set(names)):
        raise GanloreError(
            f"data set {what}: the split {split} has the classes {_some(unknown)}, which are not "
            f"among those expected: {_some(names)}"
        )
    index = {name: label for label, name in enumerate(names)}
    labels = np.empty(len(classes), dtype=np.int64)
    labels[places(len(labels), split)] = [index[name] for name in classes]
    return labels


def _some(names: Sequence[str]) -> str:
    text = ", ".join(names[:SHOWN])
    return f"{text}, ... ({len(names)} in all)" if len(names) > SHOWN else text
