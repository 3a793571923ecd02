"""How a number changes over a run. Torch is not imported here."""

import math


def cosine(first: float, last: float, progress: float) -> float:
    """Half a cosine from `first` to `last`, flat at both ends.

    Args:
        first: the value at progress 0.
        last: the value at progress 1.
        progress: the share of the budget used.
    """
    left = (1 + math.cos(math.pi * progress)) / 2
    return first * left + last * (1 - left)
