"""Spectral normalisation of the discriminator."""

from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from ganlore.tricks import Trick


def normalise(network: nn.Module) -> None:
    """Add spectral normalisation to every linear, convolutional and embedding layer, in place.

    One power iteration for each forward pass in training mode, none in evaluation mode; the initial
    vectors come from torch's global generator.
    """
    for module in list(network.modules()):
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.Embedding)):
            spectral_norm(module, n_power_iterations=1)


@dataclass
class SpectralNorm(Trick):
    """Every layer of the discriminator has a largest singular value of 1."""

    paper = "arXiv:1802.05957"
    deviations = (
        "Real and generated samples pass the discriminator together, with one power iteration; in "
        "SNGAN's code each has a pass of its own, and an iteration.",
        "The initial vectors are refined by 15 power iterations, as torch has it; theirs by none.",
    )
    tip = "spectral normalisation of the discriminator"
    incompatible = {
        "wgan": "normalisation divides by the very scale that weight clipping bounds, so the "
        "loss's own constraint would have no effect"
    }

    def networks(self, generator: Any, discriminator: Any) -> tuple[Any, Any]:
        """Equation 8 on all layers of the discriminator."""
        normalise(discriminator)
        return generator, discriminator


TRICK = SpectralNorm
