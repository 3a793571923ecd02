"""Types of settings that plug-ins and studies share. Torch is not imported here."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
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
    "NoTruthAsNumber",
    "NonNegativeFloat",
    "NonNegativeInt",
    "Optimizer",
    "PositiveFloat",
    "PositiveInt",
    "Source",
]


def _takes_truth(annotation: Any) -> bool:
    return annotation in (bool, Any) or any(map(_takes_truth, get_args(annotation)))


class NoTruthAsNumber(BaseModel):
    """A model in which `true` is no number; pydantic would take it for 1."""

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool):
            field = cls.model_fields[str(info.field_name)]
            if not _takes_truth(field.annotation):
                raise ValueError("a truth value is no number and no text")
        return value


class Model(NoTruthAsNumber):
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
