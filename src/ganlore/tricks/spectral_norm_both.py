"""Spectral normalisation of both networks."""

from dataclasses import dataclass
from typing import Any

from ganlore.tricks import Trick
from ganlore.tricks.spectral_norm import normalise


@dataclass
class SpectralNormBoth(Trick):
    """Every layer of the generator and of the discriminator has a largest singular value of 1."""

    paper = "arXiv:1805.08318"
    tip = "spectral normalisation of both networks"
    incompatible = {
        "wgan": "normalisation divides by the very scale that weight clipping bounds, so the "
        "loss's own constraint would have no effect",
        "spectral-norm": "the discriminator is normalised already; a second time changes nothing",
    }

    def networks(self, generator: Any, discriminator: Any) -> tuple[Any, Any]:
        """SAGAN, section 3.1."""
        normalise(generator)
        normalise(discriminator)
        return generator, discriminator


TRICK = SpectralNormBoth
