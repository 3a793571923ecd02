"""The user's own images, from a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ganlore.data import SPLITS, Dataset, Split
from ganlore.data._listing import Listing, listing
from ganlore.data._pictures import Frame, load
from ganlore.errors import GanloreError
from ganlore.settings import Channels, Fraction, PositiveInt
from ganlore.study import needs

SEED = 20180717


@dataclass
class Folder(Dataset):
    """The user's own images: `train/` and `test/`, or one folder of which a share is held out.

    With `labels` each folder below these is a class, in the order of names; without, images may be
    in any folder. Each image's centre crop of `crop` pixels (default: the largest square) is
    resized to `size`; with neither, all images must be squares of one size. Transparent images are
    composited on white. Without `train/` and `test/`, `held_out` is the share of each class (or of
    all images, without labels) that forms the test split. `mirrored` tells whether a horizontally
    flipped image is still a valid one.
    """

    provides = ("images",)
    provides_if = {
        "labels": {"labels": (True,)},
        "power-of-two size": {"size": (4, 8, 16, 32, 64, 128, 256, 512, 1024)},
        "halving size": {"size": (8, 12, 16, 20, 24, 28, 32, 48, 64, 96, 128, 256, 512, 1024)},
    }
    extractors = ("inception",)
    reads = {"path": {}}
    origin = "a folder of pictures"
    licence = "that of the pictures"
    citation = "that of the pictures"
    path: str = "data/raw/folder"
    labels: bool = True
    size: PositiveInt | None = None
    crop: PositiveInt | None = None
    channels: Channels = "rgb"
    held_out: Fraction = 0.0
    mirrored: bool = False  # type: ignore[misc] # a fact of other data sets, here a setting

    def load(self) -> dict[str, Split]:
        """Both splits, in a random order that is always the same."""
        files = self._divided() if self.held_out else self._listed()
        self._names = sorted({file.label for file in files["train"]}) if self.labels else None
        return load(files, Frame(self.channels, self.size, self.crop), self._names, self.name)

    def needs(self) -> list[needs.Need]:
        """The folders of pictures that are not there."""
        root = Path(self.path)
        paths = [root] if self.held_out or not root.is_dir() else [root / name for name in SPLITS]
        remedy = (
            "  set `path` to the folder of your pictures (settings: {datasets: {folder: {path: "
            "...}}}):\n  expected train/ and test/ in it, or the setting `held_out`, the share of "
            "all pictures that is not trained on"
        )
        return needs.folders(paths, f"data set {self.name}", remedy)

    def classes(self) -> list[str] | None:
        """The names of the folders in `train/`."""
        return self._names

    def _listed(self) -> dict[str, Listing]:
        if missing := [split for split in SPLITS if not Path(self.path, split).is_dir()]:
            raise GanloreError(
                f"data set {self.name}: {self.path} has no folder {' and no folder '.join(missing)}"
                "\n  expected train/ and test/, or the setting `held_out`, the share of all "
                "pictures that is not trained on"
            )
        return {split: listing(Path(self.path, split), self.labels) for split in SPLITS}

    def _divided(self) -> dict[str, Listing]:
        if present := [split for split in SPLITS if Path(self.path, split).is_dir()]:
            raise GanloreError(
                f"data set {self.name}: {self.path} has a folder {' and a folder '.join(present)}, "
                f"but held_out = {self.held_out} would split all pictures\n"
                "  remove `held_out`, or use another `path`"
            )
        files = listing(Path(self.path), self.labels)
        classes = np.array([file.label for file in files])
        order = np.random.default_rng(SEED).permutation(len(classes))
        held = np.zeros(len(classes), dtype=bool)
        for name in np.unique(classes):
            members = order[classes[order] == name]
            held[members[: round(self.held_out * len(members))]] = True
        if held.all() or not held.any():
            raise GanloreError(
                f"data set {self.name}: held_out = {self.held_out} of {len(classes)} pictures "
                f"leaves {'no test' if not held.any() else 'no training'} pictures"
            )
        return {
            split: [files[index] for index in np.flatnonzero(chosen)]
            for split, chosen in (("train", ~held), ("test", held))
        }


DATASET = Folder
