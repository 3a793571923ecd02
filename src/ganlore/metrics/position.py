"""How far generated points are from the data's centres: for set-ups where samples begin far off."""

import numpy as np

from ganlore.metrics import Comparison, Metric

METRICS = {
    "centre_distance": Metric(
        "Distance from centre", False, (0.0, None), "arXiv:1801.04406", needs=("distances",)
    )
}


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `centre_distance`, the mean distance from the nearest centre, in the data's units.

    On `dirac` it is |theta|, the generator's distance from the equilibrium; on `far-points` what is
    left of the way. Perfect samples of a Gaussian mixture in the plane have std sqrt(pi / 2).
    """
    assert comparison.distances is not None
    return {"centre_distance": float(np.mean(comparison.distances, dtype=np.float64))}
