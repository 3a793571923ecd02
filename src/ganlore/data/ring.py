"""Eight Gaussians on a circle, PacGAN's 2-D ring."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganlore.data import Dataset, Split, gaussian_mixture
from ganlore.settings import PositiveFloat, PositiveInt


@dataclass
class Ring(Dataset):
    """8 modes on a circle of radius 1, standard deviation 0.01."""

    provides = ("points", "labels", "mode centres")
    extractors = ("coordinates",)
    source = "generated here"
    licence = "none needed"
    citation = "Lin et al. 2018, PacGAN, arXiv:1712.04086, section 4.1"
    modes: PositiveInt = 8
    radius: PositiveFloat = 1.0
    std: PositiveFloat = 0.01
    n_train: PositiveInt = 100_000
    n_test: PositiveInt = 10_000

    def centres(self) -> NDArray[np.float64]:
        """(modes, 2): the angles divide the circle evenly; its end is not counted twice."""
        angles = 2 * np.pi * np.arange(self.modes) / self.modes
        return self.radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def load(self) -> dict[str, Split]:
        """Points of both splits, from a fixed seed: the data are the same in every study."""
        rng = np.random.default_rng(20180712)
        return {
            "train": gaussian_mixture(self.centres(), self.std, self.n_train, rng),
            "test": gaussian_mixture(self.centres(), self.std, self.n_test, rng),
        }

    def extras(self) -> dict[str, Any]:
        """Centres and spread of the modes."""
        return {"centres": self.centres().tolist(), "std": self.std}


DATASET = Ring
