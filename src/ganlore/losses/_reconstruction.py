"""Adversarial loss and reconstruction error together, for a distance that a subclass says."""

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
    """The non-saturating loss plus `weight` times the error of G(Enc(x)).

    Generator and encoder both learn from the error; the discriminator sees G(z) alone.
    """

    weight: NonNegativeFloat = 10.0

    @abstractmethod
    def error(self, original: Tensor, reconstruction: Tensor) -> Tensor:
        """The mean error over all dimensions of all samples, a scalar."""

    def generator(self, step: Step) -> Tensor:
        """The adversarial loss of G(z) and the weighted error of G(Enc(x))."""
        codes = step.modules["encoder"](step.images).reshape(len(step.images), -1)
        error = self.error(step.images, step.reconstruct(codes))
        step.log["reconstruction"] = error.detach()
        return super().generator(step) + self.weight * error
