"""The gates that a test of a claim stands behind: what must have converged, and by how much."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganlore.settings import Model

Take = Literal[
    "end", "best", "average", "unsteadiness", "decline", "failed", "far-from-best", "tracking",
    "stopping", "time-to", "late", "at-best", "cost", "hopping", "real-data",
]  # fmt: skip
Gated = bool | Literal["best", "plateau"]

GATED: dict[Take, Gated] = {
    "end": True, "average": True, "best": "best", "far-from-best": "best", "at-best": "best",
    "decline": "plateau", "stopping": "plateau",
}  # fmt: skip
"""What must have converged, by what is taken; nothing for what is not here."""

FALLING = 0.05
"""A cell has converged if its FID changes by less than this share for a doubling of the budget."""

SETTLED = 0.05
"""A column has come to rest if it moves by less than this from one quarter to the last."""

UNCONVERGED = 0.2
"""At most this share of a test's cells may still be on the way."""


class Gates(Model):
    """What the cells of a test must have done before it has a verdict."""

    change: float = Field(
        FALLING, gt=0, lt=1,
        description="A cell has converged if its median over seeds changes by less than this share "
        "over the last doubling of the budget.",
    )  # fmt: skip
    share: float = Field(
        UNCONVERGED, ge=0, lt=1,
        description="The largest share of a test's cells that may not have converged.",
    )  # fmt: skip
