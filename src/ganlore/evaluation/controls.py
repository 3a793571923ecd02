"""Controls of the metrics themselves: real data in three disguises, whose numbers are foreseeable.

Metrics that do not tell these apart in an extractor's features can say nothing of generators
there. Each disguise is put on `REPEATS` times. The numbers are kept in `controls/`, beside what is
measured of the data alone (`reference`): `rows.json`, and `record.json` with what it is made of.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganlore import features, metrics, provenance, shapes, storage
from ganlore.evaluation.evaluate import compare, measurement
from ganlore.evaluation.reference import Kept
from ganlore.execution import gpu
from ganlore.settings import LEAST
from ganlore.steps import seeding, threads
from ganlore.study import fingerprint
from ganlore.study.run import CONTROLS, REPEATS
from ganlore.training import build

if TYPE_CHECKING:
    from ganlore.data import Store
    from ganlore.study.protocol import Protocol

HALVES, ONE_CLASS, NOISE = "two halves", "one class", "noise"
FOLDER, ROWS = "controls", "rows.json"

Row = dict[str, Any]
Comparison = tuple[metrics.Reference, NDArray[Any]]
"""The reference, and the samples that are held against it."""


def rows(extractor: str, store: Store, data: Path, protocol: Protocol) -> list[Row]:
    """`measure`, or what is kept of it."""
    kept = Kept(store, extractor, data, protocol)
    folder = kept.folder / FOLDER
    if (folder / "record.json").exists():
        record = storage.read_record(folder / "record.json", kept.remedy, shape=shapes.Controls)
        if all(record[key] == value for key, value in _made_of(kept, store, extractor).items()):
            stored: list[Row] = storage.read_json(folder / ROWS, kept.remedy)
            return stored
    return measure(extractor, store, data, protocol)


def keep(extractor: str, store: Store, data: Path, protocol: Protocol) -> Path:
    """Measure the controls, and keep them for collection; gives the folder."""
    kept = Kept(store, extractor, data, protocol)
    folder, made = kept.folder / FOLDER, measure(extractor, store, data, protocol)
    (folder / "record.json").unlink(missing_ok=True)
    record = {
        **_made_of(kept, store, extractor),
        "device": gpu.name(build.device(protocol.device, "protocol.device")),
        "files": {ROWS: storage.write_json(folder / ROWS, made)},
    }
    storage.write_record(folder / "record.json", record)
    return folder


def _made_of(kept: Kept, store: Store, extractor: str) -> dict[str, Any]:
    return {
        "protocol": kept.protocol.place,
        "data_hash": store.digest,
        "extractors": provenance.fitted([extractor], store.name, kept.fitted.parents[2]),
        "code_hash": fingerprint.controls(extractor),
    }


@threads.fixed()
def measure(extractor: str, store: Store, data: Path, protocol: Protocol) -> list[Row]:
    """All metrics of each control against the data's features, for each repeat.

    - `two halves`: a random half of the reference, at most n_fake samples, against the other half;
      another division each time. FID is near its floor, precision and recall near 1. Near, and not
      at it: FID of m samples against n has a bias of about c (1/n + 1/m), and the floor compares
      other numbers of samples (all of the reference with held-out ones), so that halves are at
      about 0.8 to 2.3 times the floor.
    - `one class`: the other split's samples of one class, another one each time, the most frequent
      first. Recall is near 0, precision near 1. So many repeats as there are classes of `LEAST`
      samples; none for data with one class or without labels.
    - `noise`: uniform noise over the data's range, n_fake samples, other ones each time. Precision
      is near 0.

    Args:
        extractor: the name of one that is fitted to the data set.
        store: the prepared data.
        data: the folder of data.
        protocol: its reference, numbers of samples, seed and device are used.

    Returns:
        Rows with the columns `CONTROLS`.
    """
    device = build.device(protocol.device, "protocol.device")
    kept = Kept(store, extractor, data, protocol)
    opened = features.open_fitted(extractor, store, kept.fitted).to(device)
    made: list[Row] = []
    for disguise, repeat, (reference, samples) in _disguised(store, protocol, kept.reference()):
        described = opened.describe(samples)
        values = compare(described, reference, store, None, protocol.n_neighbours, device)
        sizes = len(reference.features), len(samples)
        named = {"dataset": store.name, "input": disguise, "repeat": repeat}
        for metric, value in values.items():
            row = named | measurement(metric, float(value), opened, protocol, *sizes)
            made.append({name: row[name] for name in CONTROLS})
    return made


def _disguised(
    store: Store, protocol: Protocol, whole: metrics.Reference
) -> Iterator[tuple[str, int, Comparison]]:
    """Each control with its name and the number of the repeat."""
    for repeat in range(REPEATS):
        rng = np.random.default_rng(seeding.seed_of(protocol.eval_seed, "control", repeat))
        yield HALVES, repeat, _halves(store, protocol, whole, rng)
        yield NOISE, repeat, (whole, _noise(store, protocol, rng))
    for repeat, samples in enumerate(_classes(store, protocol)):
        yield ONE_CLASS, repeat, (whole, samples)


def _halves(
    store: Store, protocol: Protocol, whole: metrics.Reference, rng: np.random.Generator
) -> Comparison:
    """A random half of the reference, and at most n_fake samples of the other one."""
    half = len(whole.features) // 2
    order = rng.permutation(len(whole.features))
    one, other = np.sort(order[:half]), np.sort(order[half : 2 * half][: protocol.n_fake])
    samples = np.asarray(store.samples(protocol.reference)[other])
    return metrics.Reference(whole.features[one]), samples


def _noise(store: Store, protocol: Protocol, rng: np.random.Generator) -> NDArray[Any]:
    """Uniform noise in the store's form, (n_fake, ...): grey levels, or the points' own range."""
    shape = (protocol.n_fake, *store.shape)
    real = store.samples(protocol.reference)
    if real.dtype == np.uint8:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.uniform(real.min(axis=0), real.max(axis=0), shape).astype(np.float32)


def _classes(store: Store, protocol: Protocol) -> Iterator[NDArray[Any]]:
    """Real samples of one class after another, (at most n_fake, ...), not of the reference."""
    other = "test" if protocol.reference == "train" else "train"
    labels = store.labels(other)
    if labels is None or store.classes < 2:
        return
    counts = np.bincount(labels, minlength=store.classes)
    for label in np.argsort(-counts, kind="stable")[:REPEATS]:
        if counts[label] >= LEAST:
            chosen = np.flatnonzero(labels == label)[: protocol.n_fake]
            yield np.asarray(store.samples(other)[chosen])
