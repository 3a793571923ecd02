"""Data sets are what their papers say, and a store is checked before it is used."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from sklearn.datasets import load_digits

import made_up
from ganlore import data as datasets
from ganlore import features
from ganlore.data import Split, Store
from ganlore.errors import GanloreError
from ganlore.study import registry


def splits(name: str, **settings) -> dict[str, Split]:
    return registry.create("dataset", name, settings).load()


@pytest.mark.parametrize("name, modes, std", [("ring", 8, 0.01), ("grid", 25, 0.05)])
def test_mixtures_have_all_modes_with_their_spread(name, modes, std) -> None:
    data = registry.create("dataset", name, {})
    train = data.load()["train"]
    assert train.samples.shape == (100_000, 2) and train.samples.dtype == np.float32
    centres = data.centres()
    assert len(np.unique(centres.round(6), axis=0)) == modes
    counts = np.bincount(train.labels)
    assert len(counts) == modes and abs(counts / 100_000 * modes - 1).max() < 0.1
    away = train.samples - centres[train.labels]
    assert away.std(axis=0) == pytest.approx([std, std], rel=0.02)


def test_the_ring_has_eight_modes_an_eighth_of_the_circle_apart() -> None:
    """A circle divided with its end counted twice has only 7."""
    centres = registry.create("dataset", "ring", {}).centres()
    assert np.linalg.norm(centres, axis=1) == pytest.approx(np.ones(8))
    gaps = np.linalg.norm(centres - np.roll(centres, 1, axis=0), axis=1)
    assert gaps == pytest.approx(np.full(8, 2 * np.sin(np.pi / 8)))


def test_the_grid_is_pacgan_s() -> None:
    centres = registry.create("dataset", "grid", {}).centres()
    assert {tuple(c) for c in centres} == {(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)}


def test_digits_are_scikit_learn_s_split_once_and_stratified() -> None:
    actual, original = splits("digits"), load_digits()
    train, test = actual["train"], actual["test"]
    assert (len(train.samples), len(test.samples)) == (1438, 359)
    assert train.samples.shape[1:] == (1, 8, 8) and train.samples.dtype == np.uint8
    together = np.concatenate([train.samples, test.samples])[:, 0]
    back = {(image / 255 * 16).round().astype(int).tobytes() for image in together}
    assert back == {image.astype(int).tobytes() for image in original.images}
    for split in (train, test):
        share = np.bincount(split.labels) / len(split.labels)
        assert share == pytest.approx(np.bincount(original.target) / 1797, abs=0.005)


@pytest.mark.parametrize("name", registry.find("dataset"))
def test_every_data_set_has_a_source_a_licence_and_the_form_of_the_store(
    name, tmp_path, monkeypatch
) -> None:
    settings = made_up.available(name, tmp_path / "raw", monkeypatch)
    plugin = registry.create("dataset", name, settings)
    store = datasets.prepare(name, plugin, settings, tmp_path / name)
    for key in ("source", "licence", "citation", "files"):
        assert store.manifest[key], key
    for split in ("train", "test"):
        assert len(store.samples(split)) == store.manifest["counts"][split]
    declared = registry.declaration("dataset", name)
    provided = declared.provided(settings)
    assert ("images" in provided) == (len(store.shape) == 3) == ("mean" in store.manifest)
    assert ("labels" in provided) == (store.classes > 0)
    assert len(store.manifest["class_names"]) == store.classes
    if "images" in provided:
        power = store.shape[1] & (store.shape[1] - 1) == 0
        # where the size is found only when pictures are read, planning assumes nothing
        assert power == ("power-of-two size" in provided) or settings.get("size", 0) is None
    # of published sets tests/data/test_data_sources.py compares the number; a few pictures are here
    n_train = settings.get("n_train") or ("source" not in settings and declared.fact("n_train"))
    assert n_train in (store.manifest["counts"]["train"], False, None)


@pytest.mark.parametrize("name", registry.find("dataset"))
def test_every_data_set_is_evaluated_with_extractors_that_can_serve_it(name) -> None:
    declared = registry.declaration("dataset", name)
    assert declared.fact("extractors")
    for extractor in declared.fact("extractors"):
        needs = registry.declaration("extractor", extractor).fact("requires", {})
        assert set(needs) <= declared.provided()


def test_preparing_twice_gives_the_same_bytes(tmp_path) -> None:
    stores = [
        datasets.prepare("ring", registry.create("dataset", "ring", {}), {}, tmp_path / n / "ring")
        for n in "ab"
    ]
    assert stores[0].manifest == stores[1].manifest


@pytest.fixture
def copy(stores, tmp_path) -> Store:
    folder = tmp_path / "data/prepared/ring"
    shutil.copytree(stores["ring"].folder, folder)
    return Store.open(folder)


@pytest.mark.parametrize("file", ["train.npy", "test.npy", "train-labels.npy"])
def test_a_damaged_data_file_is_named_and_never_read(copy: Store, file: str) -> None:
    path = copy.folder / file
    expected = copy.manifest["files"][file]["sha256"]
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(GanloreError) as caught:
        Store.open(copy.folder)
    assert all(part in str(caught.value) for part in (str(path), expected, "ganlore prepare ring"))
    path.unlink()
    with pytest.raises(GanloreError, match="missing"):
        Store.open(copy.folder)


def test_an_interrupted_preparation_leaves_no_store(copy: Store, monkeypatch) -> None:
    from ganlore import arrays

    def fail(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(arrays, "write_array", fail)
    with pytest.raises(KeyboardInterrupt):
        datasets.prepare("ring", registry.create("dataset", "ring", {}), {}, copy.folder)
    with pytest.raises(GanloreError, match=r"manifest\.json: missing"):
        Store.open(copy.folder)


@pytest.mark.parametrize(
    "samples, labels, reported",
    [
        (np.zeros((4, 8, 8), np.uint8), None, r"uint8 \(4, 8, 8\)"),
        (np.zeros((4, 1, 8, 8), np.float64), None, "float64"),
        (
            np.zeros((4, 2), np.float32),
            np.zeros(3, np.int64),
            r"4 samples but labels of shape \(3,\)",
        ),
    ],
)
def test_a_data_set_of_another_form_is_refused(tmp_path, samples, labels, reported) -> None:
    class Wrong(datasets.Dataset):
        def load(self) -> dict[str, Split]:
            return dict.fromkeys(("train", "test"), Split(samples, labels))

    with pytest.raises(GanloreError, match=reported):
        datasets.prepare("wrong", Wrong(), {}, tmp_path / "wrong")


def test_the_classifier_knows_digits(stores, tmp_path) -> None:
    folder = tmp_path / "data/extractors/digits/classifier"
    features.fit("classifier", stores["digits"], folder)
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert record["test_accuracy"] >= 0.97
    extractor = features.open_fitted("classifier", stores["digits"], folder)
    test = stores["digits"].samples("test")
    described = extractor.describe(test)
    assert described.features.shape == (len(test), record["dimensions"])
    assert (described.modes == stores["digits"].labels("test")).mean() == record["test_accuracy"]
    assert np.allclose(described.features, np.load(folder / "test.npy"), atol=1e-5)
    (folder / "weights.pt").write_bytes(b"cut")
    with pytest.raises(GanloreError, match=r"weights\.pt: truncated or altered"):
        features.open_fitted("classifier", stores["digits"], folder)


def test_coordinates_know_modes_and_quality(stores) -> None:
    extractor = registry.create("extractor", "coordinates", {})
    extractor.load({}, stores["ring"])
    described = extractor.describe(
        np.array([[1.0, 0.0], [1.0, 0.029], [1.0, 0.031], [0.0, -1.0]], np.float32)
    )
    assert described.modes.tolist() == [0, 0, 0, 6]
    assert described.high_quality.tolist() == [True, True, False, True]  # within 3 x 0.01
