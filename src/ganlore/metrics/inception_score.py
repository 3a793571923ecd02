"""Inception Score, for comparison with older tables; it never looks at the data."""

import numpy as np

from ganlore.metrics import Comparison, Metric
from ganlore.metrics._arrays import Features

METRICS = {
    "inception_score": Metric(
        "Inception Score", True, (1.0, None), "arXiv:1606.03498", needs=("probabilities",)
    ),
}

SPLITS = 10


def measure(comparison: Comparison) -> dict[str, float]:
    """Gives `inception_score`."""
    assert comparison.probabilities is not None
    return {"inception_score": inception_score(comparison.probabilities)}


def inception_score(probabilities: Features, splits: int = SPLITS) -> float:
    """The mean over equal parts of exp E KL(p(y|x) || p(y)) (1606.03498, section 4).

    Args:
        probabilities: of each generated sample's classes, (n_fake, classes), rows summing to 1.
        splits: the parts, in order; fewer where there are fewer samples. Part i begins at sample
            i n_fake // splits, as in the paper's released code.

    Returns:
        The score: 1 where all samples have one distribution, at most the number of classes. A part
        of n samples has at most n, so that numbers of few samples are too low: compare only those
        of equal n_fake.
    """
    n = len(probabilities)
    splits = min(splits, n)
    scores = []
    for part in np.split(probabilities, [i * n // splits for i in range(1, splits)]):
        p = part.astype(np.float64)
        mean = p.mean(axis=0)
        # 0 log 0 = 0; where the mean is 0 so is every p
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(p > 0, p * (np.log(p) - np.log(mean)), 0.0)
        scores.append(np.exp(terms.sum(axis=1).mean()))
    return float(np.mean(scores))
