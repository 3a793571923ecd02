"""How far the generated modes have moved since the snapshot before: cycling, or standing still."""

import numpy as np
from numpy.typing import NDArray

from ganlore.metrics import Comparison, Metric

METRICS = {
    "mode_movement": Metric(
        "Movement of modes", False, (0.0, 1.0), "arXiv:1611.02163", needs=("modes", "modes_before")
    )
}


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `mode_movement`.

    A generator that has collapsed onto one mode and hops to another one (1611.02163, figure 2) has
    1 at each hop. All snapshots of a run are drawn from one noise, so that a generator that does
    not change has exactly 0.
    """
    assert comparison.modes is not None and comparison.modes_before is not None
    return {"mode_movement": total_variation(comparison.modes_before, comparison.modes)}


def total_variation(before: NDArray[np.integer], after: NDArray[np.integer]) -> float:
    """Half the sum of the absolute differences of two histograms of modes.

    Args:
        before: mode of each sample, (n,).
        after: likewise, (m,).

    Returns:
        The least share of samples that must change their mode to turn one histogram into the other:
        0 for equal ones, 1 for those without a mode in common.
    """
    size = int(max(before.max(), after.max())) + 1
    shares = [np.bincount(modes, minlength=size) / len(modes) for modes in (before, after)]
    return float(np.abs(shares[1] - shares[0]).sum() / 2)
