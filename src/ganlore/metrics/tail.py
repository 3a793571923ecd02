"""How far the worst generated samples are from all data."""

import numpy as np

from ganlore.metrics import Comparison, Metric
from ganlore.metrics._arrays import (
    Features,
    feature_pair,
    row_chunks,
    squared_distances,
    squared_norms,
)

METRICS = {
    "far_distance": Metric(
        "Distance to data, 95th percentile", False, (0.0, None), "arXiv:1611.04076", pairs=True
    )
}

SAMPLES = 1_000
"""So many samples are enough for a percentile, and a tenth of the distances of 10,000."""

_QUANTILE = 0.95


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `far_distance`, of the first 1,000 generated samples."""
    pairs = comparison.pairs
    return {"far_distance": far_distance(pairs.real, pairs.fake[:SAMPLES])}


def far_distance(real: Features, fake: Features) -> float:
    """The 95th percentile of each generated sample's distance to the nearest of the data.

    The samples that a loss leaves far from the data, which the least squares loss is said to pull
    in (1611.04076, section 3.2). In the units of the features.

    Args:
        real: features of the data, (n_real, d).
        fake: features of generated samples, (n_fake, d).

    Raises:
        ValueError: if shapes do not fit or a feature is not finite.
    """
    real, fake = feature_pair(real, fake)
    centre = real.mean(axis=0, dtype=np.float64)
    far = fake - centre
    norms, nearest = squared_norms(far), np.full(len(fake), np.inf)
    for rows in row_chunks(len(real), len(fake)):
        chunk = real[rows] - centre
        distances = squared_distances(chunk, squared_norms(chunk), far, norms)
        np.minimum(nearest, distances.min(axis=0), out=nearest)
    return float(np.quantile(np.sqrt(np.maximum(nearest, 0.0)), _QUANTILE))
