"""Spectral normalisation of both networks."""

from dataclasses import dataclass
from typing import Any

from ganlore.tricks import Trick
from ganlore.tricks.spectral_norm import normalise


@dataclass
class SpectralNormBoth(Trick):
    """Every layer of generator and discriminator has a largest singular value of 1.

    Batch norm stays in the generator, as in the paper. It undoes the scale of the layer before it,
    so that there only the pace at which weights turn is what changes.
    """

    paper = "arXiv:1805.08318"
    tip = "spectral normalisation of both networks"
    incompatible = {
        "wgan": "normalisation divides by the very scale that weight clipping bounds, so the "
        "loss's own constraint would have no effect",
        "spectral-norm": "the discriminator would be normalised twice, which changes nothing that "
        "this trick does not do alone",
    }

    def networks(self, generator: Any, discriminator: Any) -> tuple[Any, Any]:
        """Section 4.1: all layers of both networks.

        The discriminator first: it begins as with spectral normalisation of its own alone.
        """
        normalise(discriminator)
        normalise(generator)
        return generator, discriminator


TRICK = SpectralNormBoth
