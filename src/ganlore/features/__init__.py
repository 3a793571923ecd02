"""What an extractor is: from samples to features that metrics compare. One file is one extractor.

An extractor may have to be fitted to a data set; that is a job of its own, done once, with its
weights and a record (such as the classifier's test accuracy) in
`<data>/extractors/<data set>/<extractor>/`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ganlore import plugins, storage
from ganlore.data import SPLITS, Store

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Description:
    """What an extractor says of N samples.

    Attributes:
        features: (N, d).
        modes: (N,) index of each one's mode, None where the data have none.
        high_quality: (N,) whether a sample is within 3 standard deviations of its mode's centre;
            None where centres are not known.
    """

    features: NDArray[np.float64]
    modes: NDArray[np.int64] | None = None
    high_quality: NDArray[np.bool_] | None = None


@dataclass
class Extractor(ABC):
    """A feature extractor for one data set.

    Facts (literals):
        requires: what a data set must provide for it, with the reason.
        paper: where it is from.
    """

    name: ClassVar[str] = ""

    def fit(self, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
        """Weights (tensors by name) and a JSON-ready record; nothing to fit by default."""
        return {}, {}

    def load(self, weights: dict[str, Any], store: Store) -> None:
        """Make ready to describe samples of a data set."""

    @abstractmethod
    def describe(self, samples: NDArray[Any]) -> Description:
        """Describe samples in the store's form: uint8 (N, C, H, W) or float32 (N, D)."""

    def layers(self, images: Tensor) -> list[Tensor]:
        """Features of several layers, (N, d) each, through which a trick may train a generator.

        Differentiable in the images, and of each image alone. Weights are fixed. An extractor that
        is only evaluated with has none.

        Args:
            images: as networks see them, (N, C, H, W) in [-1, 1], on the extractor's device.
        """
        raise NotImplementedError(f"the extractor {self.name} has no layers to train with")

    def to(self, device: torch.device) -> Extractor:
        """This extractor, with what `layers` needs on a device."""
        return self


def create(name: str, store: Store) -> Extractor:
    """An extractor with the settings that a data set has for it."""
    settings = store.manifest.get("extractor_settings", {}).get(name, {})
    extractor: Extractor = plugins.create("extractor", name, settings)
    return extractor


def fit(name: str, store: Store, folder: Path) -> None:
    """Fit an extractor to a data set; write weights, the features of both splits, and a record."""
    extractor = create(name, store)
    weights, record = extractor.fit(store)
    files = {"weights.pt": storage.write_torch(folder / "weights.pt", weights)}
    extractor.load(weights, store)
    for split in SPLITS:
        features = extractor.describe(store.samples(split)).features.astype(np.float32)
        files[f"{split}.npy"] = storage.write_array(folder / f"{split}.npy", features)
    full = {"extractor": name, "dataset": store.name, **record, "files": files}
    storage.write_json(folder / "record.json", full)


def fit_here(name: str, store: Store) -> Extractor:
    """An extractor fitted to a data set here and now and kept nowhere, for measurements of cost."""
    extractor = create(name, store)
    extractor.load(extractor.fit(store)[0], store)
    return extractor


def open_fitted(name: str, store: Store, folder: Path) -> Extractor:
    """A fitted extractor, its files checked against their record.

    Raises:
        GanloreError: if a file is missing, truncated or altered.
    """
    remedy = (
        f"delete {folder} and run `ganlore extract {store.name} {name} --data {folder.parents[2]}`"
    )
    storage.read_record(folder / "record.json", remedy)
    extractor = create(name, store)
    extractor.load(storage.read_torch(folder / "weights.pt"), store)
    return extractor


def reference(folder: Path, split: str, n: int | None) -> NDArray[np.float64]:
    """Features of the first n (or all) real samples of a split, (n, d), as `fit` kept them."""
    features: NDArray[np.float64] = np.load(folder / f"{split}.npy")[:n].astype(np.float64)
    return features
