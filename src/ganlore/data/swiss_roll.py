"""The swiss roll in the plane: one connected, curved line without modes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ganlore.data import Dataset, Split
from ganlore.settings import NonNegativeFloat, PositiveInt

SCALE = 7.5
"""The divisor of the authors' code, a little more than the standard deviation."""


@dataclass
class SwissRoll(Dataset):
    """Points on a spiral with noise, WGAN-GP's: (t cos t, t sin t) / 7.5, t from 1.5 pi to 4.5 pi.

    The seed is fixed: the data are the same in every study.
    """

    provides = ("points",)
    extractors = ("coordinates",)
    origin = "generated here by scikit-learn's make_swiss_roll"
    licence = "none needed"
    citation = "Gulrajani et al. 2017, arXiv:1704.00028, figure 1"
    noise: NonNegativeFloat = 0.25
    n_train: PositiveInt = 100_000
    n_test: PositiveInt = 10_000

    seed: ClassVar[int] = 20171225

    def load(self) -> dict[str, Split]:
        """The first and the third of the roll's dimensions; the second is its width."""
        from sklearn.datasets import make_swiss_roll

        rng = np.random.RandomState(self.seed)

        def split(n: int) -> Split:
            points, _ = make_swiss_roll(n, noise=self.noise, random_state=rng)
            return Split((points[:, [0, 2]] / SCALE).astype(np.float32))

        return {"train": split(self.n_train), "test": split(self.n_test)}

    def form(self) -> tuple[tuple[int, ...], int]:
        """Points in the plane, without labels."""
        return (2,), 0


DATASET = SwissRoll
