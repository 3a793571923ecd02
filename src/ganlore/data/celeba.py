"""CelebA: aligned photographs of faces."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ganlore.data import SPLITS, Split
from ganlore.data._pictures import Frame, Picture, read
from ganlore.data._sources import Archive, Published
from ganlore.errors import GanloreError
from ganlore.settings import PositiveInt

NEEDED = ("img_align_celeba.zip", "list_eval_partition.txt")
"""The archives of torchvision's list that are read, without attributes and landmarks."""

PARTITION = {"0": "train", "1": "valid", "2": "test"}


@dataclass
class Celeba(Published):
    """182,732 aligned photographs of faces, the centre in 64x64 pixels.

    The training and the test part of the official partition. Its validation part, 19,867 images, is
    left out, since published FIDs are of networks that were not trained on it, and remains for
    tuning. `crop` follows compare_gan, for comparison with its published numbers; 108 (DCGAN's
    code) crops closer to the face, 178 is the images' whole width.
    """

    provides = ("images",)
    provides_if = {
        "power-of-two size": {"size": (4, 8, 16, 32, 64, 128, 256)},
        "halving size": {"size": (8, 16, 32, 48, 64, 96, 128, 256)},
    }
    extractors = ("inception",)
    n_train = 162_770
    mirrored = True
    origin = "CelebA, aligned and cropped, https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
    licence = "for non-commercial research only; pictures may not be passed on"
    citation = "Liu, Luo, Wang and Tang 2015, Deep Learning Face Attributes, arXiv:1411.7766"
    counts = {"train": 162_770, "test": 19_962}
    packages = ("gdown",)
    path: str = "data/raw/celeba"
    size: PositiveInt = 64
    crop: PositiveInt = 160

    def archives(self) -> list[Archive]:
        """The images and the partition, in torchvision's folder."""
        from torchvision.datasets import CelebA

        folder = Path(self.path, CelebA.base_folder)
        url = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html (Google Drive)"
        hashes = {name: md5 for _, md5, name in CelebA.file_list}
        servers = ("https://drive.google.com",)
        return [Archive(folder / name, hashes[name], url, servers) for name in NEEDED]

    def fetch(self) -> None:
        """Download from Google Drive, which has a daily quota."""
        from torchvision.datasets import CelebA
        from torchvision.datasets.utils import check_integrity, download_file_from_google_drive

        ids = {name: drive for drive, _, name in CelebA.file_list}
        for file in self.archives():
            if not check_integrity(file.path, file.md5):
                name = file.path.name
                download_file_from_google_drive(ids[name], file.path.parent, name, file.md5)

    def unpack(self) -> dict[str, Split]:
        """Read the images from the archive, without 202,599 files on disk."""
        pictures, partition = (file.path for file in self.archives())
        with zipfile.ZipFile(pictures) as archive:
            members = _members(partition)
            self.check_counts({split: len(members[split]) for split in SPLITS})
            present = set(archive.namelist())
            if lost := [m for split in SPLITS for m in members[split] if m not in present]:
                raise GanloreError(
                    f"{pictures}: {len(lost)} pictures that {partition} names are missing, the "
                    f"first {lost[0]}"
                )
            splits: dict[str, list[Picture]] = {
                split: [(f"{pictures}: {m}", partial(archive.read, m)) for m in members[split]]
                for split in SPLITS
            }
            return read(splits, self.frame(), self.name)

    def frame(self) -> Frame:
        """The centre crop, resized."""
        return Frame("rgb", self.size, self.crop)

    def extras(self) -> dict[str, Any]:
        """The parts of the partition in use."""
        return {"partition": "train and test; the validation part, 19,867 pictures, is left out"}


def _members(partition: Path) -> dict[str, list[str]]:
    """The names of images in the archive, for each part of the partition."""
    members: dict[str, list[str]] = {part: [] for part in PARTITION.values()}
    for number, line in enumerate(partition.read_text(encoding="utf-8").splitlines(), 1):
        name, _, part = line.partition(" ")
        if part.strip() not in PARTITION:
            raise GanloreError(f"{partition}:{number}: {line!r}; expected <picture> <0, 1 or 2>")
        members[PARTITION[part.strip()]].append(f"img_align_celeba/{name}")
    return members


DATASET = Celeba
