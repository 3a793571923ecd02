"""The classifier that features come from: what a data set says of it is what is fitted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import made_up
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


# -- small data, and classifiers that have learned nothing -----------------------------------------


def of(images: NDArray[np.uint8], labels: list[int], n_train: int, folder: Path) -> Store:
    """A store of pictures, of which the first are trained on."""
    numbers = np.array(labels, dtype=np.int64)

    class These(Dataset):
        def load(self) -> dict[str, Split]:
            train, test = slice(None, n_train), slice(n_train, None)
            return {"train": Split(images[train], numbers[train]), "test": Split(images[test], numbers[test])}  # fmt: skip

    return datasets.prepare("these", These(), {}, folder / "prepared" / "these")


def noise(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (n, 1, 8, 8), np.uint8)


def bright(labels: list[int]) -> NDArray[np.uint8]:
    """Noise whose brightness is its class."""
    return (noise(len(labels)) // 4 + 60 * np.array(labels)[:, None, None, None]).astype(np.uint8)


def fit(store: Store, folder: Path) -> dict[str, Any]:
    features.fit("classifier", store, folder)
    record: dict[str, Any] = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    return record


def test_fewer_pictures_than_a_batch_are_one_batch(tmp_path: Path) -> None:
    labels = [0, 1] * 20
    store = of(bright(labels), labels, 20, tmp_path)  # the classifier's batch has 64
    assert fit(store, tmp_path / "fitted")["test_accuracy"] == 1.0


def test_one_class_is_refused(tmp_path: Path) -> None:
    store = of(noise(40), [0] * 40, 20, tmp_path)
    with pytest.raises(GanloreError, match=r"these: .* a single class.*\n.*inception"):
        fit(store, tmp_path / "fitted")
    assert not (tmp_path / "fitted").exists()


@pytest.mark.parametrize(("n_test", "accepted"), [(9, False), (10, True)])
def test_a_test_split_must_be_able_to_show_learning(
    tmp_path: Path, n_test: int, accepted: bool
) -> None:
    """Of 9 pictures, 5 of them of one class, (5/9)^9 = 0.005; of 10, 5 of them, 0.5^10 < 0.001."""
    labels = [0, 1] * 20 + ([0, 1] * 5)[:n_test]
    store = of(bright(labels), labels, 40, tmp_path)
    if accepted:
        assert fit(store, tmp_path / "fitted")["by_guessing"] == pytest.approx(0.5**10)
        return
    with pytest.raises(GanloreError, match=r"9 test pictures, 56% .* probability of 0\.005"):
        fit(store, tmp_path / "fitted")


def test_a_classifier_of_noise_is_refused(tmp_path: Path) -> None:
    labels = np.random.default_rng(1).integers(0, 2, 200).tolist()
    store = of(noise(200), labels, 100, tmp_path)
    with pytest.raises(GanloreError, match="has not learned its classes") as caught:
        fit(store, tmp_path / "fitted")
    assert "of the test pictures are right" in str(caught.value)
    assert not (tmp_path / "fitted").exists()


def test_the_criterion_is_the_binomial_tail() -> None:
    """By hand: 8 or more of 10 by a coin are (45 + 10 + 1) / 1024."""
    from ganlore.features._learning import by_guessing

    assert by_guessing(0.8, 0.5, 10) == pytest.approx(56 / 1024)
    assert by_guessing(0.9, 0.9, 50) > 0.5  # a constant guess is never learning
    assert by_guessing(1.0, 1.0, 50) == 1.0


def test_preparing_says_that_classifiers_will_be_refused(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from ganlore.cli.main import app

    rng = np.random.default_rng(0)
    for split, n in (("train", 8), ("test", 4)):
        for index in range(n):
            image = rng.integers(0, 256, (8, 8, 3), np.uint8)
            made_up.write(tmp_path / "pictures" / split / "only" / f"{index}.png", image)
    settings = json.dumps({"path": str(tmp_path / "pictures")})
    words = ["prepare", "folder", "--data", str(tmp_path / "data"), "--settings", settings]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert "a classifier's features will be refused" in done.stderr
    assert "a single class" in done.stderr
