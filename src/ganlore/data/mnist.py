"""MNIST: handwritten digits."""

from dataclasses import dataclass

from ganlore.data._mnist import HandwrittenDigits


@dataclass
class Mnist(HandwrittenDigits):
    """70,000 handwritten digits of 28x28 pixels, or 32x32 with a black edge, ten classes."""

    provides = ("images", "labels", "halving size")
    provides_if = {"power-of-two size": {"padded": (True,)}}
    extractors = ("classifier",)
    n_train = 60_000
    citation = "LeCun, Bottou, Bengio and Haffner 1998, https://doi.org/10.1109/5.726791"


DATASET = Mnist
