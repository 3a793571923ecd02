"""For points: the points as features, and the nearest mode of each where the data have modes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganlore.data import Store
from ganlore.features import Description, Extractor


@dataclass
class Coordinates(Extractor):
    """Coordinates as features; the mode with the nearest centre; high quality within 3 std.

    Data without centres have no modes, and data without a spread no samples of high quality.
    """

    requires = {"points": "coordinates are features of points only"}
    paper = "arXiv:1712.04086"

    def load(self, weights: dict[str, Any], store: Store) -> None:
        """Read centres and spread of the modes from the manifest, where the data have them."""
        centres, std = (store.manifest.get(key) for key in ("centres", "std"))
        self.centres = None if centres is None else np.asarray(centres, dtype=np.float64)
        self.std = None if std is None else float(std)

    def describe(self, samples: NDArray[Any]) -> Description:
        """Points (N, d) as features."""
        points = samples.astype(np.float64)
        if self.centres is None:
            return Description(points)
        squared = ((points[:, None] - self.centres[None]) ** 2).sum(axis=2)
        least = squared.min(axis=1)
        near = None if self.std is None else least <= (3 * self.std) ** 2
        return Description(points, squared.argmin(axis=1), near, distances=np.sqrt(least))


EXTRACTOR = Coordinates
