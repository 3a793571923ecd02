"""The base of losses with a reconstruction error in pixel space."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.losses._encoder import Encoding
from ganlore.settings import NonNegativeFloat

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class Reconstruction(Encoding):
    """`adversarial` times the non-saturating loss plus `weight` times the error of G(Enc(x)).

    The error trains generator and encoder; the discriminator receives G(z) only. With `adversarial`
    at 0 generator and encoder are a pure auto-encoder, which nothing of the discriminator reaches.
    """

    weight: NonNegativeFloat = 10.0
    adversarial: NonNegativeFloat = 1.0

    @abstractmethod
    def error(self, original: Tensor, reconstruction: Tensor) -> Tensor:
        """The mean error over all samples and their dimensions, a scalar."""

    def generator(self, step: Step) -> Tensor:
        """The weighted adversarial loss of G(z) plus the weighted error of G(Enc(x))."""
        codes = step.modules["encoder"](step.images).reshape(len(step.images), -1)
        error = self.error(step.images, step.reconstruct(codes))
        step.log["reconstruction"] = error.detach()
        return self.adversarial * super().generator(step) + self.weight * error
