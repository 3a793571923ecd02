"""Spectral normalisation of both networks."""

from dataclasses import dataclass
from typing import Any

from ganlore.tricks import Trick
from ganlore.tricks.spectral_norm import normalise


@dataclass
class SpectralNormBoth(Trick):
    """Every layer of generator and discriminator has a largest singular value of 1.

    The generator keeps batch norm, as in the paper. It removes the scale of the layer before it, so
    that for such layers only the effective learning rate changes.
    """

    paper = "arXiv:1805.08318"
    deviations = (
        "Real and generated samples pass the discriminator together, with one power iteration; in "
        "SNGAN's code each has a pass of its own, and an iteration.",
        "The initial vectors are refined by 15 power iterations, as torch has it; theirs by none.",
    )
    tip = "spectral normalisation of both networks"
    incompatible = {
        "wgan": "normalisation divides by the very scale that weight clipping bounds, so the "
        "loss's own constraint would have no effect",
        "spectral-norm": "this trick already normalises the discriminator",
    }

    def networks(self, generator: Any, discriminator: Any) -> tuple[Any, Any]:
        """Section 4.1: all layers of both networks.

        The discriminator first, so that its initial vectors are those of `spectral-norm`.
        """
        normalise(discriminator)
        normalise(generator)
        return generator, discriminator


TRICK = SpectralNormBoth
