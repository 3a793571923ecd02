"""The interface of feature extractors, whose features metrics compare. Each file is one extractor.

Some extractors are fitted to a data set, once, in a job that writes weights and a record (such as
the classifier's test accuracy) to `<data>/extractors/<data set>/<extractor>/`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ganlore import arrays, shapes, storage
from ganlore.data import SPLITS, Store
from ganlore.errors import GanloreError
from ganlore.features._parts import Parts
from ganlore.steps import threads
from ganlore.study import fingerprint, registry

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Description:
    """An extractor's outputs for N samples.

    Attributes:
        features: (N, d).
        modes: (N,) index of each sample's mode, None if the data have no modes.
        high_quality: (N,) whether a sample is within 3 standard deviations of its mode's centre;
            None if the data have no centres.
        probabilities: (N, classes) class probabilities, of Inception only, on whose classes the
            Inception Score is defined.
        distances: (N,) of each sample from its mode's centre, in the data's units; None likewise.
    """

    features: NDArray[np.floating[Any]]
    modes: NDArray[np.int64] | None = None
    high_quality: NDArray[np.bool_] | None = None
    probabilities: NDArray[np.floating[Any]] | None = None
    distances: NDArray[np.float64] | None = None


@dataclass
class Extractor(ABC):
    """A feature extractor for one data set.

    Facts (literals):
        paper: the source.
        requires: {property of the data set: reason}, for example "images".
        resize: how samples are resized before the network, for the metrics table.
        weights: {"url", "sha256", "bytes"} of a file that is downloaded once (`study.weights`).
        part: samples of which `fit` keeps the features while it makes the others, so that it goes
            on where it was killed; for extractors that take hours.
    """

    name: ClassVar[str] = ""
    resize: ClassVar[str] = "none"
    part: ClassVar[int | None] = None

    def fit(self, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
        """Fit to a data set; returns weights (tensors by name) and a JSON-ready record."""
        return {}, {}

    def check(self, record: dict[str, Any], store: Store) -> None:
        """Refuse, by a GanloreError, to measure with what `fit` has learned."""

    def load(self, weights: dict[str, Any], store: Store) -> None:
        """Load fitted weights."""

    @abstractmethod
    def describe(self, samples: NDArray[Any]) -> Description:
        """Describe samples in the store's form: uint8 (N, C, H, W) or float32 (N, D)."""

    def layers(self, images: Tensor) -> list[Tensor]:
        """Features of several layers, (N, d) each, for the loss of a generator.

        Differentiable in the images, with fixed weights; an image's features do not depend on the
        rest of the batch. Extractors for evaluation only do not implement it.

        Args:
            images: network input, (N, C, H, W) in [-1, 1], on the extractor's device.
        """
        raise NotImplementedError(f"the extractor {self.name} has no layers to train with")

    def to(self, device: torch.device) -> Extractor:
        """Move this extractor to a device and return it."""
        return self


def create(name: str, store: Store) -> Extractor:
    """Create an extractor with the data set's settings for it."""
    settings = store.manifest.get("extractor_settings", {}).get(name, {})
    extractor: Extractor = registry.create("extractor", name, settings)
    return extractor


@threads.fixed()
def fit(
    name: str, store: Store, folder: Path, device: torch.device | None = None, workers: int = 1
) -> None:
    """Fit an extractor to a data set; write weights, the features of both splits, and a record.

    Args:
        name: the extractor's.
        store: the prepared data.
        folder: where to write.
        device: where to compute features, the CPU by default.
        workers: parts of the samples that a CPU computes at a time, if the extractor has parts.

    Raises:
        GanloreError: if it cannot be fitted to these data, or has not learned them.
    """
    extractor = create(name, store)
    weights, record = extractor.fit(store)
    extractor.check(record, store)
    files = {"weights.pt": arrays.write_torch(folder / "weights.pt", weights)}
    extractor.load(weights, store)
    if device is not None:
        extractor = extractor.to(device)
    made_of = {"extractor": name, "dataset": store.name, "data_hash": store.digest}
    by = {
        "code": fingerprint.extraction(name),
        "torch": torch.__version__,
        "device": "cpu" if device is None else device.type,
    }
    parts = Parts(
        folder / "parts",
        {**made_of, **record, **by, **asdict(extractor)},
        workers if by["device"] == "cpu" else 1,
    )
    for split in SPLITS:
        features = parts.features(extractor, store.samples(split), split)
        files[f"{split}.npy"] = arrays.write_array(folder / f"{split}.npy", features)
    storage.write_record(folder / "record.json", {**made_of, **record, "files": files})
    parts.remove()


def fit_here(name: str, store: Store) -> Extractor:
    """Fit an extractor without saving it, for measurements of cost."""
    extractor = create(name, store)
    extractor.load(extractor.fit(store)[0], store)
    return extractor


def open_fitted(name: str, store: Store, folder: Path) -> Extractor:
    """Load a fitted extractor, after checking its files against their record.

    Raises:
        GanloreError: if a file is missing, truncated or altered, or if it was fitted to other data.
    """
    remedy = (
        f"delete {folder} and run `ganlore extract {store.name} {name} --data {folder.parents[2]}`,"
        " or snakemake"
    )
    record = storage.read_record(folder / "record.json", remedy, shape=shapes.Fitted)
    if record["data_hash"] != store.digest:
        raise GanloreError(
            f"{folder}: fitted to other data than {store.folder} has\n  to make it again: {remedy}"
        )
    extractor = create(name, store)
    extractor.load(arrays.read_torch(folder / "weights.pt"), store)
    return extractor


def reference(folder: Path, split: str, n: int | None) -> NDArray[np.float32]:
    """Features of the first n (or all) real samples of a split, (n, d), as written by `fit`.

    Memory-mapped and read-only, so that parallel evaluations share one copy.
    """
    features: NDArray[np.float32] = arrays.read(folder / f"{split}.npy", mapped=True)[:n]
    return features
