"""Types of settings that plug-ins and studies share. Torch is not imported here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    ValidationInfo,
    field_validator,
)

PositiveInt = Annotated[int, Field(gt=0, le=10**9)]
"""A whole number from 1 to a billion: what is larger is a mistake, and fits no memory."""

NonNegativeInt = Annotated[int, Field(ge=0, lt=2**63)]
"""A whole number from 0 that a table's column of 64 bits can hold."""

UpToMillion = Annotated[int, Field(gt=0, le=10**6)]
Threads = Annotated[int, Field(gt=0, le=1024)]


def _written_with_exponent(value: Any) -> Any:
    """A whole number from text like 1e4, which is text to YAML 1.1: Snakemake's `--config`."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?[eE]\+?\d{1,2}", value):
        return float(value)
    return value


Budget = Annotated[int, Field(gt=0, le=10**12), BeforeValidator(_written_with_exponent)]

LEAST = 6
"""Samples that every metric needs of each side: density and coverage look at 5 neighbours."""

LONGEST = 200
"""Bytes of one name in a path; file systems take 255, and logs and temporary files add to it."""

Samples = Annotated[int, Field(ge=LEAST, le=10**7)]
Name = Annotated[str, Field(max_length=100)]


def _folder(text: str) -> str:
    """A folder that can be made, and that Snakemake takes as it is."""
    if wrong := sorted({c for c in text if c in "{}" or not c.isprintable()}):
        raise ValueError(
            f"a folder's name cannot have {', '.join(map(repr, wrong))}: Snakemake reads braces as "
            "wildcards, and logs are lines of text"
        )
    if any(len(part.encode()) > LONGEST for part in Path(text).parts) or len(text) > 1000:
        raise ValueError(f"longer than {LONGEST} bytes for a folder, or 1000 in all")
    return text


Folder = Annotated[str, Field(min_length=1), AfterValidator(_folder)]

Fraction = Annotated[float, Field(ge=0, lt=1)]
"""A number in [0, 1)."""

Share = Annotated[float, Field(gt=0, le=1)]
"""A number in (0, 1]."""

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
    "Share",
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
        lr_end: `lr` at the end of the budget; the discriminator's rate changes by the same factor.
            None keeps both constant.
        decay: the way there: half a cosine, or a straight line.
        beta2_end: the second of the betas at the end, likewise.
    """

    kind: Literal["adam", "rmsprop", "sgd"] = "adam"
    lr: PositiveFloat = 2e-4
    lr_discriminator: PositiveFloat | None = None
    betas: tuple[Fraction, Fraction] = (0.5, 0.999)
    lr_end: NonNegativeFloat | None = None
    decay: Literal["cosine", "linear"] = "cosine"
    beta2_end: Fraction | None = None
