"""How much a code says of the class of a sample."""

from ganlore.metrics import Comparison, Metric

METRICS = {
    "code_nmi": Metric(
        "code and class, mutual information",
        True,
        (0.0, 1.0),
        "arXiv:1606.03657",
        only="losses with a code, on data with classes",
        needs=("codes", "modes"),
    ),
}


def measure(comparison: Comparison) -> dict[str, float]:
    """Normalised mutual information: 1 if code and mode tell each other, about 0 if independent.

    It is divided by the mean of both entropies (scikit-learn's implementation; Strehl and Ghosh
    2002 have the idea). Chen et al. 2016 (arXiv:1606.03657), section 7.2, compare codes with
    classes without training on labels.
    """
    # imported here: it takes a second, and only samples with a code need it
    from sklearn.metrics import normalized_mutual_info_score

    return {"code_nmi": float(normalized_mutual_info_score(comparison.codes, comparison.modes))}
