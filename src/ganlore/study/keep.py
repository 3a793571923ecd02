"""What stays of a run on the disk: a key `keep` of a study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganlore.settings import Model


class Keep(Model):
    """What stays of a run once it is evaluated; it changes no number, so nothing runs again for it.

    Numbers, history, samples and records always stay. What was discarded and is needed again (a
    metric was added) is trained again.
    """

    snapshots: Literal["all", "last", "none"] = Field(
        "all",
        description="Generators along the budget: all of them (snapshots.pt), the last one "
        "(generator.pt), or none.",
    )
    checkpoints: Literal["all", "none"] = Field(
        "all", description="All networks as training left them (checkpoint.pt)."
    )

    check_room: bool = Field(
        True, description="Refuse to start where the disk has too little room for the study."
    )

    @property
    def discarded(self) -> list[str]:
        """The files of a training that do not stay."""
        discarded = {
            "snapshots.pt": self.snapshots != "all",
            "checkpoint.pt": self.checkpoints != "all",
        }
        return [name for name, yes in discarded.items() if yes]
