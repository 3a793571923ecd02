"""Published data sets of fixed size, from torchvision's loader or from a folder of images."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from ganlore.data import SPLITS, Dataset, Split
from ganlore.data._listing import listing
from ganlore.data._pictures import Frame, load
from ganlore.errors import GanloreError
from ganlore.settings import Source
from ganlore.study import needs


@dataclass(frozen=True)
class Archive:
    """A file that torchvision reads, its expected MD5, its URL, and servers that have it."""

    path: Path
    md5: str
    url: str
    servers: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """The state of the file on disk, for a message."""
        from torchvision.datasets.utils import calculate_md5

        if not self.path.is_file():
            return "missing"
        md5 = calculate_md5(self.path)
        size = self.path.stat().st_size
        altered = f"truncated or altered, {size} bytes with md5 {md5}"
        return "whole" if md5 == self.md5 else altered


@dataclass
class Published(Dataset):
    """A published data set, whose number of images is checked.

    Facts:
        names: class names in the order of labels; none without labels.
        counts: samples of each split.
        packages: what fetching needs beside torchvision.
    """

    reads = {"path": {"source": ("folder",)}}
    names: ClassVar[tuple[str, ...]] = ()
    counts: ClassVar[dict[str, int]] = {}
    packages: ClassVar[tuple[str, ...]] = ()
    source: Source = "torchvision"
    path: str = "data/raw"

    def load(self) -> dict[str, Split]:
        """Both splits as published, in a random order that is always the same.

        Raises:
            GanloreError: if files are missing or damaged, or their number is wrong.
        """
        splits = self.from_folder() if self.source == "folder" else self.from_torchvision()
        self.check_counts({split: len(part.samples) for split, part in splits.items()})
        return splits

    @abstractmethod
    def archives(self) -> list[Archive]:
        """The files that torchvision reads."""

    @abstractmethod
    def fetch(self) -> None:
        """Download the archives that are missing or have a wrong checksum, with torchvision."""

    @abstractmethod
    def unpack(self) -> dict[str, Split]:
        """Both splits from the archives, in the random order of `_pictures.positions`."""

    @abstractmethod
    def frame(self) -> Frame:
        """The common format of images from a folder."""

    def classes(self) -> list[str] | None:
        """The class names."""
        return list(self.names) or None

    def form(self) -> tuple[tuple[int, ...], int] | None:
        """The images' shape, and the number of named classes."""
        shape = self.frame().shape
        return None if shape is None else (shape, len(self.classes() or ()))

    def from_torchvision(self) -> dict[str, Split]:
        """Both splits from torchvision's archives, which are downloaded if missing.

        Raises:
            GanloreError: for any failure; it names the files and their places.
        """
        try:
            self.fetch()
            return self.unpack()
        except GanloreError:
            raise
        except Exception as error:  # from the network, archives or torchvision itself
            files = "".join(
                f"\n    {file.path}: {file.state}\n      expected md5 {file.md5}, from {file.url}"
                for file in self.archives()
            )
            raise GanloreError(
                f"data set {self.name}: torchvision cannot load it: {type(error).__name__}: {error}"
                f"\n  put these files there, and prepare it again:{files}\n  or use your own copy "
                f"of the pictures: {self._layout}"
            ) from error

    def unpacked(self) -> Path | None:
        """The folder that is used in place of the archives where it is there, if there is one."""
        return None

    def needs(self) -> list[needs.Need]:
        """The folders of pictures, or archives that are not there and what fetches them."""
        owner = f"data set {self.name}"
        if self.source == "folder":
            paths = [Path(self.path, split) for split in SPLITS]
            return needs.folders(paths, owner, f"  put the pictures there; {self._layout}")
        files = [file for file in self.archives() if not file.path.is_file()]
        if not files or ((folder := self.unpacked()) and folder.is_dir()):
            return []
        by_hand = "".join(f"\n    {f.path} (md5 {f.md5}, from {f.url})" for f in files)
        archives = needs.Need(
            f"{owner}: {', '.join(str(file.path) for file in files)}",
            f"  by hand: put there{by_hand}\n"
            f"  or use your own copy of the pictures: {self._layout}",
            files[0].servers or (files[0].url,),
        )
        install = f"  to install it: pip install {' '.join(self.packages)}"
        return [*needs.packages(self.packages, owner, install), archives]

    @property
    def _layout(self) -> str:
        return (
            "the settings `source: folder` and `path: <folder>` want "
            f"<folder>/train/{'<class>/' if self.names else ''}*.png (or jpg, webp, bmp) and "
            "<folder>/test/ likewise"
        )

    def from_folder(self) -> dict[str, Split]:
        """Both splits from `train/` and `test/`, with a folder for each class."""
        listings = {split: listing(Path(self.path, split), bool(self.names)) for split in SPLITS}
        self.check_counts({split: len(part) for split, part in listings.items()})
        return load(listings, self.frame(), self.names or None, self.name)

    def check_counts(self, counts: dict[str, int]) -> None:
        """Compare the numbers of samples with those that were published."""
        for split, expected in self.counts.items():
            if counts[split] != expected:
                raise GanloreError(
                    f"data set {self.name}: {self.path} has {counts[split]} pictures for the split "
                    f"{split}, expected {expected}\n  for a selection of pictures use the data set "
                    "`folder`, which takes any number"
                )
