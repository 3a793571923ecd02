"""How far the worst generated samples are from all data."""

import numpy as np

from ganlore.metrics import Comparison, Metric
from ganlore.metrics._arrays import row_chunks, squared_distances, squared_norms
from ganlore.metrics._devices import host, library, mean, zeros

METRICS = {
    "far_distance": Metric(
        "Distance to data, 95th percentile", False, (0.0, None), "arXiv:1611.04076", pairs=True
    )
}

SAMPLES = 1_000
"""So many samples are enough for a percentile, and a tenth of the distances of 10,000."""

_QUANTILE = 0.95


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `far_distance`: 95 % of the first 1,000 generated samples are nearer to the data.

    The samples that a loss leaves far from the data, which the least squares loss is said to pull
    in (1611.04076, section 3.2). The distance to the nearest of the data, in the features' units.
    """
    placed = comparison.pairs.placed
    real, fake = placed.real, placed.fake[:SAMPLES]
    centre = mean(real)
    far = fake - centre
    norms, nearest = squared_norms(far), zeros(len(fake), far) + np.inf
    for rows in row_chunks(len(real), len(fake), of=far):
        chunk = real[rows] - centre
        distances = squared_distances(chunk, squared_norms(chunk), far, norms)
        nearest = library(far).minimum(nearest, library(far).amin(distances, axis=0))
    distance = np.quantile(np.sqrt(np.maximum(host(nearest), 0.0)), _QUANTILE)
    return {"far_distance": float(distance)}
