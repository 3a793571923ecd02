"""The classifier that features come from: what a data set says of it is what is fitted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ganlore import data as datasets
from ganlore import features
from ganlore.data import Dataset, Split, Store
from ganlore.errors import GanloreError
from ganlore.features.classifier import Network
from ganlore.study import registry


class Pictures(Dataset):
    """Noise in colour; a bright left half is class 0, a bright right half class 1."""

    labelled = True

    def load(self) -> dict[str, Split]:
        rng = np.random.default_rng(0)
        return {"train": self._draw(96, rng), "test": self._draw(40, rng)}

    def _draw(self, n: int, rng: np.random.Generator) -> Split:
        labels = rng.integers(2, size=n).astype(np.int64)
        images = rng.integers(0, 100, size=(n, 3, 8, 8)).astype(np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[:, :, 4 * label : 4 * label + 4] += 120
        return Split(images, labels if self.labelled else None)


def prepared(folder: Path, **facts: Any) -> Store:
    """A store of `Pictures` with other facts."""
    kind = type("Pictures", (Pictures,), facts)
    return datasets.prepare("pictures", kind(), {}, folder / "prepared" / "pictures")


def classifier(**settings: Any) -> Any:
    return registry.create("extractor", "classifier", {"epochs": 4, "batch": 16, **settings})


def test_a_data_set_has_its_own_settings_of_an_extractor(tmp_path: Path) -> None:
    store = prepared(tmp_path, extractor_settings={"classifier": {"width": 4, "growth": 3}})
    made: Any = features.create("classifier", store)
    assert (made.width, made.growth, made.epochs) == (4, 3, 30)
    assert made.build(store).trunk[7].out_channels == 12


def test_growth_widens_each_halving() -> None:
    widths = [
        layer.out_channels
        for layer in Network((3, 32, 32), 10, 24, 2, 64).trunk
        if isinstance(layer, torch.nn.Conv2d)
    ]
    assert widths == [24, 24, 48, 48, 96, 96, 192, 192]


def test_only_data_that_may_be_mirrored_are(tmp_path: Path, monkeypatch: Any) -> None:
    """Left and right are the classes here: mirrored, they cannot be distinguished."""
    store = prepared(tmp_path)
    assert classifier().fit(store)[1]["test_accuracy"] > 0.95
    reported = {**store.manifest, "mirrored": True}
    turned = Store(store.folder, reported)
    assert classifier().fit(turned)[1]["test_accuracy"] < 0.8


def test_the_layout_in_memory_changes_last_bits_alone(tmp_path: Path) -> None:
    store = prepared(tmp_path)
    plain = classifier()
    weights, _ = plain.fit(store)
    other = classifier(channels_last=True)
    other.load(weights, store)
    samples: NDArray[np.uint8] = store.samples("test")
    expected = plain.describe(samples).features
    assert np.allclose(other.describe(samples).features, expected, atol=1e-4)


def test_data_without_labels_are_refused(tmp_path: Path) -> None:
    store = prepared(tmp_path, labelled=False)
    with pytest.raises(GanloreError, match="no labels to fit it to"):
        classifier().fit(store)
