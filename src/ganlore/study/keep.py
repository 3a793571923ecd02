"""What stays of a run on the disk: a key `keep` of a study."""

from __future__ import annotations

from pathlib import Path
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
    states: Literal["all", "none"] = Field(
        "none",
        description="The state at the end of each training, optimisers included: with it a run "
        "that is given more budget goes on where it ended, if its schedules allow it.",
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


class Beside(Model):
    """What a job writes beside the files of its run, as `Study.beside` has it.

    It reaches a job by the variable `BESIDE`, and not as a word of its command: Snakemake compares
    the commands' text, and would train every run again for another one.
    """

    tensorboard: bool = False
    states: bool = False
    results: Path = Field(Path("results"), description="The folder of results.")
    run: str = Field("", description="The run's path.")

    @property
    def events(self) -> Path:
        """The folder of a run's events for TensorBoard."""
        return self.results / "tensorboard" / self.run

    @property
    def kept(self) -> Path:
        """The folder of the state at the end of a run's training."""
        return self.results / "kept" / self.run


BESIDE = "GANLORE_BESIDE"
"""The environment variable that has a study's `Beside` as JSON."""
