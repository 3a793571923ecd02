"""Twenty-five Gaussians on a square grid, PacGAN's 2-D grid."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ganlore.data import GaussianMixture
from ganlore.settings import PositiveFloat, PositiveInt


@dataclass
class SquareGrid(GaussianMixture):
    """Isotropic Gaussians on a square grid, PacGAN's grid."""

    citation = "Lin et al. 2018, PacGAN, arXiv:1712.04086, section 4.1"
    side: PositiveInt = 5
    spacing: PositiveFloat = 2.0
    std: PositiveFloat = 0.05
    seed: ClassVar[int] = 20180713

    def centres(self) -> NDArray[np.float64]:
        """(side^2, 2), centred on 0: -4, -2, 0, 2, 4 in each direction."""
        line = self.spacing * (np.arange(self.side) - (self.side - 1) / 2)
        return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)


DATASET = SquareGrid
