"""Modes found, share of high quality, and reverse KL: for data whose modes are known.

They only mean something together: a mode counts with one sample, so a generator that sprays the
plane finds most modes with few good samples.
"""

import numpy as np
from numpy.typing import NDArray

from ganlore.metrics import Comparison, Metric

METRICS = {
    "modes": Metric("Modes", True, (0.0, None), "arXiv:1712.04086", needs=("modes",)),
    "high_quality": Metric(
        "High quality", True, (0.0, 1.0), "arXiv:1712.04086", needs=("modes", "high_quality")
    ),
    "reverse_kl": Metric(
        "Reverse KL", False, (0.0, None), "arXiv:1712.04086", needs=("modes", "mode_shares")
    ),
}


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `modes`, `high_quality` if it is known which samples are, `reverse_kl` if shares are.

    Definitions are PacGAN's (1712.04086, section 4).
    """
    modes, high_quality = comparison.modes, comparison.high_quality
    assert modes is not None
    values = {"modes": float(modes_found(modes, high_quality))}
    if high_quality is not None:
        values["high_quality"] = float(high_quality.mean())
    if comparison.mode_shares is not None:
        values["reverse_kl"] = reverse_kl(modes, comparison.mode_shares)
    return values


def modes_found(modes: NDArray[np.integer], high_quality: NDArray[np.bool_] | None = None) -> int:
    """The number of modes with at least one sample, of high quality where that is known.

    Args:
        modes: mode of each generated sample, (n_fake,).
        high_quality: whether each is within 3 standard deviations of its mode's centre, (n_fake,).

    Returns:
        A count, 0 when no sample is of high quality.
    """
    return int(np.unique(modes if high_quality is None else modes[high_quality]).size)


def reverse_kl(modes: NDArray[np.integer], mode_shares: NDArray[np.floating]) -> float:
    """Kullback-Leibler divergence of the generated modes from the data's, in nats.

    sum_i p_i log(p_i / q_i), with p the histogram of all generated samples by their nearest mode,
    also of those of low quality, q the data's shares, and 0 log 0 = 0.

    Args:
        modes: mode of each generated sample, (n_fake,), in 0 ... n_modes - 1.
        mode_shares: the data's share of each mode, (n_modes,).

    Returns:
        The divergence: 0 for equal shares, log(n_modes) when one of equally frequent modes has all
        samples, infinite when a sample is in a mode that the data does not have.
    """
    generated = np.bincount(modes, minlength=len(mode_shares)) / len(modes)
    hit = generated > 0
    with np.errstate(divide="ignore"):
        terms = generated[hit] * np.log(generated[hit] / mode_shares[hit])
    return max(float(terms.sum()), 0.0)
