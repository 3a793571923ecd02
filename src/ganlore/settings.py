"""Types of settings that plug-ins and studies share. Torch is not imported here."""

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

Source = Literal["torchvision", "folder"]
"""The source of images: torchvision's loader, or a folder of image files."""

Channels = Literal["rgb", "grey"]
"""The colour channels of images: three, or one."""

__all__ = [
    "Channels",
    "Fraction",
    "Model",
    "NonNegativeFloat",
    "NonNegativeInt",
    "Optimizer",
    "PositiveFloat",
    "PositiveInt",
    "Source",
]


class Model(BaseModel):
    """A frozen model that rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Optimizer(Model):
    """The optimisers of generator and discriminator.

    Attributes:
        kind: adam, rmsprop or sgd.
        lr: learning rate of the generator, and by default of the discriminator.
        lr_discriminator: learning rate of the discriminator.
        betas: Adam's decay rates of the first and the second moment.
        lr_end: `lr` at the end of the budget, after half a cosine; the discriminator's rate changes
            by the same factor. None keeps both constant.
        beta2_end: the second of the betas at the end, likewise.
    """

    kind: Literal["adam", "rmsprop", "sgd"] = "adam"
    lr: PositiveFloat = 2e-4
    lr_discriminator: PositiveFloat | None = None
    betas: tuple[Fraction, Fraction] = (0.5, 0.999)
    lr_end: PositiveFloat | None = None
    beta2_end: Fraction | None = None
