"""Stacked MNIST: three digits in the channels of one image, 1000 modes that can be counted."""

from dataclasses import dataclass

import numpy as np

from ganlore.data import SPLITS, Split
from ganlore.data._mnist import HandwrittenDigits
from ganlore.settings import PositiveInt

SEED = 20180716


@dataclass
class StackedMnist(HandwrittenDigits):
    """Three random MNIST digits in the three channels of an image: 1000 classes.

    The label is 100 times the first channel's digit plus 10 times the second's plus the third's.
    Training images consist of training digits, test images of test digits. The number of training
    images is PacGAN's (`num_training_sample` in the authors' code), that of test images the number
    that PacGAN samples from a generator.
    """

    provides = ("images", "labels", "halving size", "digits in channels")
    provides_if = {"power-of-two size": {"padded": (True,)}}
    extractors = ("channel-classifier",)
    citation = (
        "Metz et al. 2017, arXiv:1611.02163; Srivastava et al. 2017, VEEGAN, arXiv:1705.07761; "
        "digits of LeCun, Bottou, Bengio and Haffner 1998, https://doi.org/10.1109/5.726791"
    )
    n_train: PositiveInt = 128_000
    n_test: PositiveInt = 26_000

    def load(self) -> dict[str, Split]:
        """Draw digits with replacement, from a fixed seed."""
        digits = super().load()
        sizes = {"train": self.n_train, "test": self.n_test}
        return {
            split: stacked(digits[split], sizes[split], np.random.default_rng([SEED, i]))
            for i, split in enumerate(SPLITS)
        }

    def classes(self) -> list[str]:
        """000 to 999."""
        return [f"{number:03}" for number in range(1000)]

    def form(self) -> tuple[tuple[int, ...], int]:
        """As MNIST's digits, one in each of three channels."""
        (_, *size), classes = super().form()
        return (3, *size), classes


def stacked(digits: Split, n: int, rng: np.random.Generator) -> Split:
    """Random triples of digits (N, 1, H, W) as images (n, 3, H, W), with their labels (n,)."""
    assert digits.labels is not None
    chosen = rng.integers(len(digits.samples), size=(n, 3))
    labels = digits.labels[chosen] @ np.array([100, 10, 1])
    return Split(digits.samples[chosen, 0], labels)


DATASET = StackedMnist
