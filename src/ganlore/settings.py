"""Settings that plug-ins and studies share. Torch is not imported here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

Fraction = Annotated[float, Field(ge=0, lt=1)]
"""A number in [0, 1)."""

__all__ = [
    "Fraction",
    "Model",
    "NonNegativeFloat",
    "NonNegativeInt",
    "Optimizer",
    "PositiveFloat",
    "PositiveInt",
]


class Model(BaseModel):
    """A frozen model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Optimizer(Model):
    """The optimisers of generator and discriminator.

    Attributes:
        kind: adam, rmsprop or sgd.
        lr: learning rate of the generator, and of the discriminator unless it has its own.
        lr_discriminator: learning rate of the discriminator.
        betas: Adam's decay rates of the first and the second moment.
    """

    kind: Literal["adam", "rmsprop", "sgd"] = "adam"
    lr: PositiveFloat = 2e-4
    lr_discriminator: PositiveFloat | None = None
    betas: tuple[Fraction, Fraction] = (0.5, 0.999)

    @property
    def rates(self) -> tuple[float, float]:
        """Learning rates of generator and discriminator."""
        return self.lr, self.lr_discriminator or self.lr
