"""What a search draws from: a key `search` of a study, for the policy `searched`."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from ganlore.settings import Model, NonNegativeInt, Share


class Range(Model):
    """The values of a setting: an interval, or a list of choices.

    Attributes:
        low: the lower end of an interval.
        high: its upper end.
        log: whether the logarithm is uniform; else the value is.
        choices: in place of an interval, values that are equally likely.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: Annotated[list[Any], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Range:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("`choices` has no `low`, `high` or `log` beside it")
            return self
        if self.low is None or self.high is None or self.low >= self.high:
            raise ValueError("expected `choices`, or `low` below `high`")
        if self.log and self.low <= 0:
            raise ValueError("`log` needs a `low` above 0")
        return self

    def at(self, share: float) -> Any:
        """The value below which a share of all draws lies, for a share in [0, 1)."""
        if self.choices is not None:
            return self.choices[int(share * len(self.choices))]
        assert self.low is not None and self.high is not None
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return float(self.low + share * (self.high - self.low))


class Search(Model):
    """Successive halving over draws of settings that all losses share (docs/adr/0035)."""

    draws: Annotated[int, Field(ge=2, le=4096)] = Field(
        32, description="Draws of settings, the same for all losses: a Sobol sequence."
    )
    seed: NonNegativeInt = Field(0, description="The seed of the draws.")
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)] = Field(
        [1_000], description="Seeds of the trials; the best draw is trained anew on the study's."
    )
    rungs: Annotated[list[Share], Field(min_length=1)] = Field(
        [0.25, 1.0],
        description="Shares of the budget, rising. Every draw is trained with the first share; "
        "what a rung keeps is trained anew with the next.",
    )
    keep: Annotated[int, Field(ge=2)] = Field(
        4, description="A rung keeps one of so many draws, and the last rung the best."
    )
    protocol: dict[str, Any] = Field(
        description="Changes to the study's protocol by which draws are chosen: another "
        "`reference` and other `extractors` than those that the study is judged by."
    )
    space: Annotated[dict[str, Range], Field(min_length=1)] = Field(
        description="What is drawn: `lr` (the generator's), `ratio` (the discriminator's rate over "
        "it), `beta1`, settings of losses by their name, which losses without it ignore, and "
        "settings of networks as `network.<name>`."
    )
    chosen: dict[str, NonNegativeInt] | None = Field(
        None,
        description="The draw of each cell, as `<data>/<network>/<loss>/<trick>`. The search "
        "writes it; in a study file it takes the search's place.",
    )

    @field_validator("rungs")
    @classmethod
    def _rising(cls, rungs: list[float]) -> list[float]:
        if any(one >= other for one, other in pairwise(rungs)):
            raise ValueError("expected rising shares of the budget")
        return rungs

    def kept(self, n: int, rung: int) -> int:
        """How many of n draws a rung keeps; rungs count from 1."""
        return 1 if rung == len(self.rungs) else -(-n // self.keep)
