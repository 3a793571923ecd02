"""Controls of the metrics: two halves of real data, one class alone, and noise."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ganlore import data as datasets
from ganlore import features
from ganlore.data import Store
from ganlore.evaluation import controls, evaluate
from ganlore.study import registry
from ganlore.study.schema import Protocol

PLACES = {"digits": "classifier", "ring": "coordinates"}


@pytest.fixture(scope="module", params=PLACES)
def place(request, stores, tmp_path_factory) -> tuple[Store, Path]:
    """A data set with its extractor in a folder of its own."""
    folder = tmp_path_factory.mktemp("controls")
    name = request.param
    if name == "digits":
        shutil.copytree(stores[name].folder, folder / "prepared" / name)
        store = Store.open(folder / "prepared" / name)
    else:  # more than the other tests' 100 points of the second split, for all of its modes
        settings = registry.declaration("dataset", name).settings({"n_train": 2000, "n_test": 800})
        plugin = registry.create("dataset", name, settings)
        store = datasets.prepare(name, plugin, settings, folder / "prepared" / name)
    features.fit(PLACES[name], store, folder / "extractors" / name / PLACES[name])
    return store, folder


PROTOCOL = Protocol(n_real=None, n_fake=300)


def test_what_is_foreseeable_comes_out(place) -> None:
    store, data = place
    extractor = PLACES[store.name]
    values = controls.measure(extractor, store, data, PROTOCOL)
    rows = evaluate.floor(extractor, store, data, PROTOCOL)
    floor = {row["metric"]: row["value"] for row in rows}
    halves, one, noise = (
        values[name] for name in (controls.HALVES, controls.ONE_CLASS, controls.NOISE)
    )
    assert halves["fid"] < 3 * floor["fid"]
    assert halves["precision"] > 0.85 and halves["recall"] > 0.85
    assert one["precision"] > 0.85 and one["recall"] < 0.2
    assert noise["precision"] < 0.05
    assert one["fid"] > 10 * max(floor["fid"], halves["fid"])
    if store.name == "digits":  # on the ring noise has nearly the data's mean and covariance
        assert noise["fid"] > 10 * max(floor["fid"], halves["fid"])


def test_a_metric_that_tells_nothing_apart_is_seen(place, monkeypatch) -> None:
    """With features that are all alike, noise has the precision of real data."""
    store, data = place
    extractor = PLACES[store.name]
    kind = type(registry.create("extractor", extractor, {}))
    describe = kind.describe

    def blind(self, samples):
        described = describe(self, samples)
        real = features.reference(data / "extractors" / store.name / extractor, "test", None)
        alike = real[: len(samples)]
        return type(described)(alike, described.modes[: len(alike)])

    monkeypatch.setattr(kind, "describe", blind)
    assert controls.measure(extractor, store, data, PROTOCOL)[controls.NOISE]["precision"] > 0.85
