"""Modes of stacked digits are counted by one classifier of single channels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ganlore import data as datasets
from ganlore import features
from ganlore.data import Split, Store
from ganlore.features.channel_classifier import Channels, apart
from ganlore.study import registry

TEMPLATES = np.kron(np.random.default_rng(5).integers(0, 2, (10, 4, 4)), np.ones((1, 2, 2)))
"""Ten coarse patterns of 8x8, in place of ten digits."""


class Patterns(datasets.Dataset):
    """Each channel shows one of ten patterns, with noise: what MNIST's digits are, but easy."""

    origin = licence = citation = "made here"

    def load(self) -> dict[str, Split]:
        rng = np.random.default_rng(0)
        actual = {}
        for split, n in (("train", 500), ("test", 200)):
            digits = rng.integers(10, size=(n, 3))
            images = rng.integers(0, 100, (n, 3, 8, 8)) + 150 * TEMPLATES[digits]
            actual[split] = Split(images.astype(np.uint8), digits @ np.array([100, 10, 1]))
        return actual

    def classes(self) -> list[str]:
        return [f"{number:03}" for number in range(1000)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("patterns") / "data/prepared/patterns"
    return datasets.prepare("patterns", Patterns(), {}, folder)


def test_a_store_seen_channel_by_channel(store: Store) -> None:
    channels = Channels(store.folder, store.manifest, 400)
    assert (channels.shape, channels.classes) == ((1, 8, 8), 10)
    assert channels.samples("train").shape == (400, 1, 8, 8)
    assert len(channels.labels("train")) == 400 and len(channels.labels("test")) == 600
    whole, labels = store.samples("test"), store.labels("test")
    for index in (0, 7, 199):
        assert (channels.samples("test")[3 * index + 1] == whole[index, 1:2]).all()
        reported = channels.labels("test")[3 * index : 3 * index + 3]
        assert int("".join(map(str, reported))) == labels[index]
    # the class of a channel is what it shows
    away = channels.samples("test") / 255 - TEMPLATES[None]
    assert ((away**2).sum((2, 3)).argmin(1) == channels.labels("test")).all()
    assert (store.classes, store.shape) == (1000, (3, 8, 8))


def test_a_mode_is_the_number_that_the_channels_show(store: Store, tmp_path) -> None:
    folder = tmp_path / "data/extractors/patterns/channel-classifier"
    features.fit("channel-classifier", store, folder)
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert record["test_accuracy"] > 0.99  # of single channels
    extractor = features.open_fitted("channel-classifier", store, folder)
    images = np.array(store.samples("test"))
    described = extractor.describe(images)
    assert (described.modes == store.labels("test")).mean() > 0.97
    width = record["dimensions"]
    assert described.features.shape == (200, 3 * width)
    assert np.load(folder / "train.npy").shape == (500, 3 * width)
    # channels in another order: the digits and the features in that order
    turned = extractor.describe(images[:, ::-1])
    digits = np.array([list(f"{mode:03}") for mode in described.modes]).astype(int)
    assert (turned.modes == digits[:, ::-1] @ np.array([100, 10, 1])).all()
    parts = described.features.reshape(200, 3, width)[:, ::-1].reshape(200, -1)
    assert np.allclose(turned.features, parts, atol=1e-5)


def test_channels_are_taken_apart_in_order() -> None:
    images = np.arange(2 * 3 * 4).reshape(2, 3, 2, 2)
    assert (apart(images)[4, 0] == images[1, 1]).all()


def test_only_data_of_digits_in_channels_have_it() -> None:
    needs = registry.declaration("extractor", "channel-classifier").fact("requires")
    have = [
        name
        for name in registry.find("dataset")
        if set(needs) <= registry.declaration("dataset", name).provided()
    ]
    assert have == ["stacked-mnist"]
