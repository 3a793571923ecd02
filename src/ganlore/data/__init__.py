"""What a data set is, and the store that brings all of them into one form.

One file in this folder is one data set. `prepare` writes it once, as
`<data>/prepared/<name>/{train,test}.npy`, their labels and `manifest.json` with the hash of each
file; training memory-maps the arrays.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ganlore import storage
from ganlore.errors import GanloreError
from ganlore.settings import PositiveFloat, PositiveInt

SPLITS = ("train", "test")


@dataclass
class Split:
    """Samples of a split.

    Attributes:
        samples: (N, C, H, W) uint8 images, or (N, D) float32 points.
        labels: (N,) int64 classes, or None.
    """

    samples: NDArray[Any]
    labels: NDArray[np.int64] | None = None


@dataclass
class Dataset(ABC):
    """A data set; its annotated attributes are settings, the others are facts.

    Facts (literals):
        provides: what it has that networks, losses and tricks may require, of "images",
            "points", "labels", "power-of-two size", "mode centres".
        extractors: the feature extractors that it is evaluated with.
        n_train: the number of training samples, where it is no setting.
        source, licence, citation: for the manifest.
    """

    name: ClassVar[str] = ""
    provides: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    citation: ClassVar[str] = ""

    @abstractmethod
    def load(self) -> dict[str, Split]:
        """The splits `train` and `test`, in random order."""

    def form(self) -> tuple[tuple[int, ...], int] | None:
        """The shape of a sample and the number of classes, where they are known before loading.

        With them the costs of a study are told before its data are there.
        """
        return None

    def extras(self) -> dict[str, Any]:
        """More for the manifest, such as the centres of modes; JSON-ready."""
        return {}


@dataclass(frozen=True)
class Store:
    """A prepared data set on disk, its hashes checked when it is opened."""

    folder: Path
    manifest: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open a prepared data set.

        Raises:
            GanloreError: if a file is missing, truncated or altered; with both hashes and the
                command that makes it again.
        """
        remedy = (
            f"delete {folder} and run `ganlore prepare {folder.name} --data {folder.parents[1]}`"
        )
        return cls(folder, storage.read_record(folder / "manifest.json", remedy))

    @property
    def name(self) -> str:
        """The data set's name."""
        return str(self.manifest["name"])

    @property
    def digest(self) -> str:
        """A hash of the data's files and settings: what a run is tied to."""
        told = json.dumps([self.manifest["settings"], self.manifest["files"]], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def require(self, settings: dict[str, Any]) -> Store:
        """This store, if it was prepared with these settings.

        Raises:
            GanloreError: if it was prepared with others.
        """
        if self.manifest["settings"] != settings:
            raise GanloreError(
                f"{self.folder}: prepared with {self.manifest['settings']}, the study wants "
                f"{settings}\n  to mend it: run snakemake, or `ganlore prepare {self.name} "
                f"--settings ...`"
            )
        return self

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.manifest["shape"])

    @property
    def classes(self) -> int:
        """The number of classes, 0 without labels."""
        return int(self.manifest["classes"])

    def samples(self, split: str) -> NDArray[Any]:
        """A split's samples, memory-mapped and read-only."""
        array: NDArray[Any] = np.load(self.folder / f"{split}.npy", mmap_mode="r")
        return array

    def labels(self, split: str) -> NDArray[np.int64] | None:
        """A split's labels, None where the data set has none."""
        path = self.folder / f"{split}-labels.npy"
        return np.load(path) if path.name in self.manifest["files"] else None

    def shares(self) -> NDArray[np.float64] | None:
        """The share of each class in the training data, None without labels."""
        labels = self.labels("train")
        if labels is None:
            return None
        return np.bincount(labels, minlength=self.classes) / len(labels)


def prepare(name: str, dataset: Dataset, settings: dict[str, Any], folder: Path) -> Store:
    """Bring a data set into the store; the manifest is written last, so a store is whole or absent.

    Raises:
        GanloreError: if what the plug-in loads is not of the store's form.
    """
    splits = dataset.load()
    _check_form(name, splits)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    files: dict[str, Any] = {}
    for split in SPLITS:
        arrays = {
            f"{split}.npy": splits[split].samples,
            f"{split}-labels.npy": splits[split].labels,
        }
        for file, array in arrays.items():
            if array is not None:
                digest = storage.write_array(folder / file, array)
                files[file] = {
                    "sha256": digest,
                    "shape": list(array.shape),
                    "dtype": str(array.dtype),
                }
    labels = splits["train"].labels
    manifest = {
        "name": name,
        "source": dataset.source,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "settings": settings,
        "shape": list(splits["train"].samples.shape[1:]),
        "classes": 0 if labels is None else int(labels.max()) + 1,
        "counts": {split: len(splits[split].samples) for split in SPLITS},
        **dataset.extras(),
        "files": files,
    }
    storage.write_json(folder / "manifest.json", manifest)
    return Store.open(folder)


def _check_form(name: str, splits: dict[str, Split]) -> None:
    for split in SPLITS:
        samples, labels = splits[split].samples, splits[split].labels
        images = samples.dtype == np.uint8 and samples.ndim == 4
        points = samples.dtype == np.float32 and samples.ndim == 2
        if not (images or points):
            raise GanloreError(
                f"data set {name}, split {split}: expected uint8 (N, C, H, W) or float32 (N, D), "
                f"found {samples.dtype} {samples.shape}"
            )
        if labels is not None and labels.shape != (len(samples),):
            raise GanloreError(
                f"data set {name}, split {split}: {len(samples)} samples but labels of shape "
                f"{labels.shape}; expected one label for each sample"
            )


@dataclass
class GaussianMixture(Dataset):
    """2-D points from an equal mixture of round Gaussians; a subclass says where the modes are.

    Labels are the modes. The seed is fixed: the data are the same in every study.
    """

    provides = ("points", "labels", "mode centres")
    extractors = ("coordinates",)
    source = "generated here"
    licence = "none needed"
    std: PositiveFloat = 0.01
    n_train: PositiveInt = 100_000
    n_test: PositiveInt = 10_000

    seed: ClassVar[int] = 0

    @abstractmethod
    def centres(self) -> NDArray[np.float64]:
        """Centres of the modes, (modes, 2)."""

    def load(self) -> dict[str, Split]:
        """Points of both splits."""
        rng = np.random.default_rng(self.seed)
        return {"train": self._draw(self.n_train, rng), "test": self._draw(self.n_test, rng)}

    def form(self) -> tuple[tuple[int, ...], int]:
        """Points in the plane; a class for each mode."""
        return (2,), len(self.centres())

    def extras(self) -> dict[str, Any]:
        """Centres and spread of the modes."""
        return {"centres": self.centres().tolist(), "std": self.std}

    def _draw(self, n: int, rng: np.random.Generator) -> Split:
        centres = self.centres()
        labels = rng.integers(len(centres), size=n)
        points = centres[labels] + self.std * rng.standard_normal((n, 2))
        return Split(points.astype(np.float32), labels.astype(np.int64))
