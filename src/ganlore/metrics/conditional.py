"""Whether a conditional generator gives what it was asked for."""

from ganlore.metrics import Comparison, Metric

METRICS = {
    "asked_share": Metric(
        "of the asked class",
        True,
        (0.0, 1.0),
        "arXiv:1807.09499",
        only="losses with labels",
        needs=("asked", "modes"),
    ),
}


def measure(comparison: Comparison) -> dict[str, float]:
    """The share of samples that are taken for the class that was asked for.

    Shmelkov et al. 2018 (arXiv:1807.09499), section 3: GAN-test, the accuracy on generated samples
    of a classifier that was trained on real ones.
    """
    assert comparison.asked is not None
    return {"asked_share": float((comparison.asked == comparison.modes).mean())}
