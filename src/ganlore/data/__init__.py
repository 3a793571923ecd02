"""The interface of a data set, and the store, the common format of all of them.

Each file in this folder is one data set. `prepare` writes it once, as
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

from ganlore import arrays, shapes, storage
from ganlore.data import _duplicates as duplicates
from ganlore.data import _raw
from ganlore.errors import GanloreError
from ganlore.settings import PositiveFloat, PositiveInt
from ganlore.study.needs import Need

SPLITS = ("train", "test")
DESCRIPTIVE = ("source", "licence", "citation", "raw")
"""The keys of a manifest that no result depends on."""

CHUNK = 1000
"""Images that are processed at a time, which bounds the memory of intermediate results."""


@dataclass
class Split:
    """Samples of a split.

    Attributes:
        samples: (N, C, H, W) uint8 images, or (N, D) float32 points.
        labels: (N,) int64 classes, or None.
        names: of the files that the samples were read from, for messages; None if they have none.
    """

    samples: NDArray[Any]
    labels: NDArray[np.int64] | None = None
    names: list[str] | None = None


@dataclass
class Dataset(ABC):
    """A data set; its annotated attributes are settings, the others are facts.

    Facts (literals):
        provides: properties that networks, losses, tricks and extractors may require, of "images",
            "points", "labels", "digits in channels", "power-of-two size", "halving size" (square
            images of a size that is a multiple of 4, from 8 up), "mode centres".
        provides_if: properties that depend on settings, {property: {setting: values}}.
        extractors: the feature extractors that it is evaluated with.
        extractor_settings: settings of extractors that are fitted to it, by name, if not default.
        n_train: the number of training samples, if it is fixed in advance and not a setting.
        mirrored: whether a horizontally flipped sample is still a valid one; may be a setting.
        reads: the settings that name folders of the user's pictures, {setting: {other: values}},
            each where the other settings have one of the values; Snakemake prepares the data again
            when the pictures there change.
        origin, licence, citation: for the manifest, which has the first as `source`.
    """

    name: ClassVar[str] = ""
    provides: ClassVar[tuple[str, ...]] = ()
    extractor_settings: ClassVar[dict[str, dict[str, Any]]] = {}
    mirrored: ClassVar[bool] = False
    reads: ClassVar[dict[str, dict[str, tuple[Any, ...]]]] = {}
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    citation: ClassVar[str] = ""

    @abstractmethod
    def load(self) -> dict[str, Split]:
        """Load the splits `train` and `test`, in random order."""

    def classes(self) -> list[str] | None:
        """The class names in the order of labels, after `load`; None if they have none."""
        return None

    def form(self) -> tuple[tuple[int, ...], int] | None:
        """The shape of a sample and the number of classes, None if only loading tells them.

        They allow a forecast of a study's costs before its data are downloaded.
        """
        return None

    def needs(self) -> list[Need]:
        """What `load` needs and is not here: files, folders, packages; looked for, not read."""
        return []

    def extras(self) -> dict[str, Any]:
        """Further entries of the manifest, such as the centres of modes; JSON-ready."""
        return {}


@dataclass(frozen=True)
class Store:
    """A prepared data set on disk, whose hashes are checked when it is opened."""

    folder: Path
    manifest: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open a prepared data set.

        Raises:
            GanloreError: if a file is missing, truncated or altered; with both hashes and the
                command that prepares it again.
        """
        remedy = (
            f"delete {folder} and run `ganlore prepare {folder.name} --data {folder.parents[1]}`"
        )
        return cls(
            folder, storage.read_record(folder / "manifest.json", remedy, shape=shapes.Manifest)
        )

    @property
    def name(self) -> str:
        """The data set's name."""
        return str(self.manifest["name"])

    @property
    def digest(self) -> str:
        """A hash of all of the manifest that can change a result, which a run records.

        The manifests of earlier versions, which published results have, gave that of settings and
        files alone.
        """
        if storage.SEAL in self.manifest:
            decisive = {k: v for k, v in self.manifest.items() if k not in DESCRIPTIVE}
            return storage.seal(decisive)[:16]
        text = json.dumps([self.manifest["settings"], self.manifest["files"]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def require(self, settings: dict[str, Any]) -> Store:
        """Return this store, if it was prepared with these settings.

        Raises:
            GanloreError: if it was prepared with others.
        """
        if self.manifest["settings"] != settings:
            raise GanloreError(
                f"{self.folder}: prepared with {self.manifest['settings']}, but the study has "
                f"{settings}\n  run snakemake, or `ganlore prepare {self.name} --settings ...`"
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
        return arrays.read(self.folder / f"{split}.npy", mapped=True)

    def labels(self, split: str) -> NDArray[np.int64] | None:
        """A split's labels, None if the data set has none."""
        path = self.folder / f"{split}-labels.npy"
        return arrays.read(path) if path.name in self.manifest["files"] else None

    def shares(self) -> NDArray[np.float64] | None:
        """The share of each class in the training data, None without labels."""
        labels = self.labels("train")
        if labels is None:
            return None
        return np.bincount(labels, minlength=self.classes) / len(labels)


def prepare(
    name: str, dataset: Dataset, settings: dict[str, Any], folder: Path, key: str = ""
) -> Store:
    """Write a data set to the store; the manifest comes last, so that a store is whole or absent.

    Args:
        name: the data set's.
        dataset: the plug-in.
        settings: all of its settings.
        folder: where the store goes.
        key: by which Snakemake knows the files that it is prepared from (`_raw.key`).

    Raises:
        GanloreError: if the plug-in's splits do not have the store's form, or its files change
            while they are read.
    """
    raw = _raw.Before.look(dataset.reads, settings, folder, key)
    splits = dataset.load()
    origin = raw.record()
    names = _class_names(dataset, splits)
    _check_form(name, splits, len(names))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    images = splits["train"].samples.ndim == 4
    files = _write_arrays(folder, splits)
    samples = splits["train"].samples
    manifest = {
        "name": name,
        "source": dataset.origin,
        "licence": dataset.licence,
        "citation": dataset.citation,
        "settings": settings,
        "extractor_settings": dataset.extractor_settings,
        "shape": list(samples.shape[1:]),
        "classes": len(names),
        "class_names": names,
        "mirrored": dataset.mirrored,
        **(channel_statistics(samples) if images else {}),
        **({"in_both_splits": duplicates.named(name, splits)} if images else {}),
        "counts": {split: len(splits[split].samples) for split in SPLITS},
        **dataset.extras(),
        **({"raw": origin} if origin else {}),
        "files": files,
    }
    storage.write_record(folder / "manifest.json", manifest)
    return Store.open(folder)


def _write_arrays(folder: Path, splits: dict[str, Split]) -> dict[str, Any]:
    """Write samples and labels of both splits; returns what the manifest has of each file."""
    files: dict[str, Any] = {}
    for split in SPLITS:
        part = splits[split]
        for file, array in ((f"{split}.npy", part.samples), (f"{split}-labels.npy", part.labels)):
            storage.remove_leftovers(folder / file)
            if array is not None:
                files[file] = {
                    "sha256": arrays.write_array(folder / file, array),
                    "shape": list(array.shape),
                    "dtype": str(array.dtype),
                }
    return files


def channel_statistics(images: NDArray[np.uint8]) -> dict[str, list[float]]:
    """Mean and standard deviation of each channel over all pixels, in [0, 1].

    Exact up to the last division, from the counts of the 256 grey levels.

    Args:
        images: (N, C, H, W).
    """
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)
    for start in range(0, len(images), CHUNK):
        for channel in range(len(counts)):
            pixels = images[start : start + CHUNK, channel].ravel()
            counts[channel] += np.bincount(pixels, minlength=256)
    shares, levels = counts / counts.sum(1, keepdims=True), np.arange(256) / 255
    means = shares @ levels
    variances = (shares * (levels - means[:, None]) ** 2).sum(1)
    return {"mean": means.tolist(), "std": np.sqrt(variances).tolist()}


def _class_names(dataset: Dataset, splits: dict[str, Split]) -> list[str]:
    labels = splits["train"].labels
    if labels is None:
        return []
    return dataset.classes() or [str(label) for label in range(int(labels.max()) + 1)]


def _check_form(name: str, splits: dict[str, Split], classes: int) -> None:
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
        if not len(samples):
            raise GanloreError(f"data set {name}, split {split}: no samples")
        if (labels is None) != (not classes):
            raise GanloreError(f"data set {name}: one split has labels, the other has none")
        if labels is not None and not 0 <= labels.min() <= labels.max() < classes:
            raise GanloreError(
                f"data set {name}, split {split}: labels from {labels.min()} to {labels.max()}, "
                f"but {classes} classes in the training data; expected 0 to {classes - 1}"
            )
    one, other = (splits[split].samples.shape[1:] for split in SPLITS)
    if one != other:
        raise GanloreError(
            f"data set {name}: training samples of shape {one}, test samples of shape {other}"
        )


@dataclass
class GaussianMixture(Dataset):
    """2-D points from an equal mixture of isotropic Gaussians, whose labels are the modes.

    The seed is fixed: the data are the same in every study.
    """

    provides = ("points", "labels", "mode centres")
    extractors = ("coordinates",)
    origin = "generated here"
    licence = "none needed"
    std: PositiveFloat = 0.01
    n_train: PositiveInt = 100_000
    n_test: PositiveInt = 10_000

    seed: ClassVar[int] = 0

    @abstractmethod
    def centres(self) -> NDArray[np.float64]:
        """Centres of the modes, (modes, 2)."""

    def load(self) -> dict[str, Split]:
        """Draw the points of both splits."""
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
