"""Twenty-five Gaussians on a square grid, PacGAN's 2-D grid."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganlore.data import Dataset, Split, gaussian_mixture
from ganlore.settings import PositiveFloat, PositiveInt


@dataclass
class SquareGrid(Dataset):
    """5 x 5 modes, 2 apart, standard deviation 0.05."""

    provides = ("points", "labels", "mode centres")
    extractors = ("coordinates",)
    source = "generated here"
    licence = "none needed"
    citation = "Lin et al. 2018, PacGAN, arXiv:1712.04086, section 4.1"
    side: PositiveInt = 5
    spacing: PositiveFloat = 2.0
    std: PositiveFloat = 0.05
    n_train: PositiveInt = 100_000
    n_test: PositiveInt = 10_000

    def centres(self) -> NDArray[np.float64]:
        """(side^2, 2), centred on 0: -4, -2, 0, 2, 4 in each direction."""
        line = self.spacing * (np.arange(self.side) - (self.side - 1) / 2)
        return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)

    def load(self) -> dict[str, Split]:
        """Points of both splits, from a fixed seed: the data are the same in every study."""
        rng = np.random.default_rng(20180713)
        return {
            "train": gaussian_mixture(self.centres(), self.std, self.n_train, rng),
            "test": gaussian_mixture(self.centres(), self.std, self.n_test, rng),
        }

    def extras(self) -> dict[str, Any]:
        """Centres and spread of the modes."""
        return {"centres": self.centres().tolist(), "std": self.std}


DATASET = SquareGrid
