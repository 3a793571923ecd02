"""How well held-out samples come back from an encoder and the generator."""

import numpy as np

from ganlore.metrics import Comparison, Metric

ENCODERS = "losses with an encoder"

NEEDS = ("originals", "reconstructions")
METRICS = {
    "reconstruction_mse": Metric(
        "held-out error, squared", False, (0.0, None), "arXiv:1512.09300", ENCODERS, needs=NEEDS
    ),
    "reconstruction_mae": Metric(
        "held-out error, absolute", False, (0.0, None), "arXiv:1512.09300", ENCODERS, needs=NEEDS
    ),
}


def measure(comparison: Comparison) -> dict[str, float]:
    """Mean squared and mean absolute error over all dimensions of all held-out samples.

    In the units that networks see: images are in [-1, 1], points as they are.
    """
    assert comparison.originals is not None and comparison.reconstructions is not None
    difference = comparison.originals.astype(np.float64) - comparison.reconstructions
    return {
        "reconstruction_mse": float(np.square(difference).mean()),
        "reconstruction_mae": float(np.abs(difference).mean()),
    }
