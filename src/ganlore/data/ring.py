"""Eight Gaussians on a circle, PacGAN's 2-D ring."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ganlore.data import GaussianMixture
from ganlore.settings import PositiveFloat, PositiveInt


@dataclass
class Ring(GaussianMixture):
    """Isotropic Gaussians at equal distances on a circle, PacGAN's ring."""

    citation = "Lin et al. 2018, PacGAN, arXiv:1712.04086, section 4.1"
    modes: PositiveInt = 8
    radius: PositiveFloat = 1.0
    std: PositiveFloat = 0.01
    seed: ClassVar[int] = 20180712

    def centres(self) -> NDArray[np.float64]:
        """(modes, 2), at equal angles."""
        angles = 2 * np.pi * np.arange(self.modes) / self.modes
        return self.radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


DATASET = Ring
