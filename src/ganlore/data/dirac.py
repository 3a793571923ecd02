"""One point at 0, the data of the Dirac-GAN."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ganlore.data import Dataset, Split
from ganlore.settings import PositiveInt


@dataclass
class Dirac(Dataset):
    """One point at 0 on the line, which the Dirac-GAN has to meet; made for the network `dirac`."""

    provides = ("points", "mode centres")
    extractors = ("coordinates",)
    origin = "generated here"
    licence = "none needed"
    citation = "Mescheder et al. 2018, arXiv:1801.04406, definition 2.1"
    n_train: PositiveInt = 1_000
    n_test: PositiveInt = 1_000

    def load(self) -> dict[str, Split]:
        """Zeros, (n, 1)."""
        sizes = {"train": self.n_train, "test": self.n_test}
        return {split: Split(np.zeros((n, 1), np.float32)) for split, n in sizes.items()}

    def form(self) -> tuple[tuple[int, ...], int]:
        """Points on the line, without labels."""
        return (1,), 0

    def extras(self) -> dict[str, Any]:
        """The centre alone: a point has no spread."""
        return {"centres": [[0.0]]}


DATASET = Dirac
