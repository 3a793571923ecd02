"""Controls of the metrics themselves: real data in three disguises, whose numbers are foreseeable.

Metrics that do not tell these apart in an extractor's features can say nothing of generators there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganlore import features, metrics
from ganlore.evaluation.evaluate import compare
from ganlore.evaluation.reference import Kept
from ganlore.steps import seeding, threads
from ganlore.training import build

if TYPE_CHECKING:
    from ganlore.data import Store
    from ganlore.study.schema import Protocol

HALVES, ONE_CLASS, NOISE = "two halves", "one class", "noise"


@threads.fixed()
def measure(
    extractor: str, store: Store, data: Path, protocol: Protocol
) -> dict[str, dict[str, float]]:
    """All metrics of each control against the data's features: {control: {metric: value}}.

    - `two halves`: every second sample of the reference against the others. FID is near its floor,
      precision and recall near 1.
    - `one class`: the other split's samples of its most frequent class. Recall is near 0, precision
      near 1. Only for data with two classes or more.
    - `noise`: uniform noise over the data's range, n_fake samples. Precision is near 0.

    Args:
        extractor: the name of one that is fitted to the data set.
        store: the prepared data.
        data: the folder of data.
        protocol: its reference, numbers of samples and device are used.
    """
    device = build.device(protocol.device, "protocol.device")
    kept = Kept(store, extractor, data, protocol)
    opened = features.open_fitted(extractor, store, kept.fitted).to(device)
    whole = kept.reference()
    half = metrics.Reference(whole.features[::2])
    rest = store.samples(protocol.reference)[: protocol.n_real][1::2][: protocol.n_fake]
    sides = {HALVES: (half, np.asarray(rest)), NOISE: (whole, _noise(store, protocol))}
    if store.classes > 1:
        sides[ONE_CLASS] = whole, _one_class(store, protocol)
    return {
        name: compare(
            opened.describe(samples), reference, store, None, protocol.n_neighbours, device
        )
        for name, (reference, samples) in sides.items()
    }


def _one_class(store: Store, protocol: Protocol) -> NDArray[Any]:
    """Real samples of one class, (at most n_fake, ...), of the split that is not the reference."""
    other = "test" if protocol.reference == "train" else "train"
    labels = store.labels(other)
    assert labels is not None
    chosen = np.flatnonzero(labels == np.bincount(labels).argmax())[: protocol.n_fake]
    return np.asarray(store.samples(other)[chosen])


def _noise(store: Store, protocol: Protocol) -> NDArray[Any]:
    """Uniform noise in the store's form, (n_fake, ...): grey levels, or the points' own range."""
    rng = np.random.default_rng(seeding.seed_of(protocol.eval_seed, "control"))
    shape = (protocol.n_fake, *store.shape)
    real = store.samples(protocol.reference)
    if real.dtype == np.uint8:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    noise = rng.uniform(real.min(axis=0), real.max(axis=0), shape)
    return noise.astype(np.float32)
