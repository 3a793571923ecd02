"""One narrow Gaussian far from where a generator begins."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ganlore.data import GaussianMixture
from ganlore.settings import PositiveFloat


@dataclass
class FarPoints(GaussianMixture):
    """A narrow Gaussian at a distance from 0, around which generators begin.

    Real and generated points have no overlap at first, so that an optimal discriminator tells them
    apart without error; whether its gradient still leads the generator there is a loss's own.
    """

    citation = "Arjovsky et al. 2017, arXiv:1701.07875, example 1 and figure 2"
    distance: PositiveFloat = 10.0
    std: PositiveFloat = 0.1
    seed: ClassVar[int] = 20170126

    def centres(self) -> NDArray[np.float64]:
        """(1, 2), on the first axis."""
        return np.array([[self.distance, 0.0]])


DATASET = FarPoints
