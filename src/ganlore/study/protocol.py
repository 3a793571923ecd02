"""How the runs of a study are evaluated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ganlore.settings import Model, NonNegativeInt, Samples, UpToMillion


class Protocol(Model):
    """How every run is evaluated. Numbers of different protocols are never put in one table."""

    reference: Literal["train", "test"] = Field(
        "train", description="The split of the data that samples are compared with."
    )
    n_real: Samples | None = Field(None, description="Real samples used; none means all.")
    n_fake: Samples = Field(2_500, description="Generated samples at each snapshot.")
    n_neighbours: Samples | None = Field(
        None,
        description="The first so many samples of each side are enough for metrics over all pairs "
        "(KID, precision, recall, density, coverage), whose cost grows with the square; none means "
        "all.",
    )
    eval_seed: NonNegativeInt = Field(0, description="The seed of the evaluation's noise.")
    extractors: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="Feature extractors; none means those that each data set declares."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Where samples, features and metrics are computed; auto takes a GPU when there "
        "is one. Noise is drawn on the CPU, the same for all.",
    )
    pictures: UpToMillion = Field(64, description="Samples of the last snapshot kept to look at.")

    @property
    def place(self) -> str:
        """The name of the folder with what is measured of the data alone under this protocol."""
        sizes = (self.n_real, self.n_fake, self.n_neighbours)
        return "-".join([self.reference, *(str(n or "all") for n in sizes)])

    @field_validator("extractors")
    @classmethod
    def _once(cls, names: list[str] | None) -> list[str] | None:
        if names is not None and len(set(names)) != len(names):
            raise ValueError("an extractor is named twice")
        return names
