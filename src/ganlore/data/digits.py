"""scikit-learn's handwritten digits: 1,797 images of 8x8 that need no download."""

from dataclasses import dataclass

import numpy as np

from ganlore.data import Dataset, Split


@dataclass
class Digits(Dataset):
    """1,797 handwritten digits of 8x8 pixels, ten classes."""

    provides = ("images", "labels", "power-of-two size", "halving size")
    extractors = ("classifier",)
    n_train = 1438
    origin = "scikit-learn's load_digits: the test part of UCI's Optical Recognition of Digits"
    licence = "CC BY 4.0"
    citation = "Alpaydin and Kaynak 1998, https://doi.org/10.24432/C50P49"

    def form(self) -> tuple[tuple[int, ...], int]:
        """8x8, grey."""
        return (1, 8, 8), 10

    def load(self) -> dict[str, Split]:
        """A stratified split, 80 % for training, from a fixed seed."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        train, test = train_test_split(
            np.arange(len(digits.target)),
            train_size=1438,
            stratify=digits.target,
            random_state=20180714,
        )
        # 17 grey levels, 0 to 16, to 0 to 255
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:, None]
        labels = digits.target.astype(np.int64)
        return {
            "train": Split(images[train], labels[train]),
            "test": Split(images[test], labels[test]),
        }


DATASET = Digits
