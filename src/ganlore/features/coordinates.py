"""For 2-D data: the points as features, and the nearest mode of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganlore.data import Store
from ganlore.features import Description, Extractor


@dataclass
class Coordinates(Extractor):
    """Coordinates as features; the mode with the nearest centre; high quality within 3 std."""

    requires = {
        "points": "coordinates are features of points only",
        "mode centres": "a point's mode is that with the nearest centre",
    }
    paper = "arXiv:1712.04086"

    def load(self, weights: dict[str, Any], store: Store) -> None:
        """Read the centres from the manifest."""
        self.centres = np.asarray(store.manifest["centres"], dtype=np.float64)
        self.std = float(store.manifest["std"])

    def describe(self, samples: NDArray[Any]) -> Description:
        """Points (N, 2) as features."""
        points = samples.astype(np.float64)
        squared = ((points[:, None] - self.centres[None]) ** 2).sum(axis=2)
        near = squared.min(axis=1) <= (3 * self.std) ** 2
        return Description(points, squared.argmin(axis=1), near)


EXTRACTOR = Coordinates
