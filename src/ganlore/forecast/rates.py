"""How fast named GPUs were measured to train, and what a run would take on one.

`benchmarks/training.py --device cuda` writes a section of docs/performance.json for each card. No
rate is made up: where no card was measured, there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlore import shapes, storage

if TYPE_CHECKING:
    from ganlore.study.run import Run

FILE = Path(__file__).parents[3] / "docs" / "performance.json"
"""The measurements of this version, in its own repository; an installed wheel has none."""

SECTION = "training-speed: "
"""Begins the name of a card's section; its name follows."""

REMEDY = "restore it (git checkout docs/performance.json), or run benchmarks/gpu.sh"


@dataclass(frozen=True)
class Rate:
    """One measured case, with the settings of one loop.

    Attributes:
        network: the plug-in.
        loss: the plug-in.
        settings: of the training, as far as they were chosen for the loop.
        flops: multiplications and additions of a discriminator step, with its share of the
            generator's.
        seconds: of such a step.
    """

    network: str
    loss: str
    settings: Mapping[str, Any]
    flops: float
    seconds: float

    def likeness(self, run: Run, flops: float) -> tuple[float, ...]:
        """How near a run's step is; larger is nearer: network, loss, settings, arithmetic."""
        used = run.training.model_dump()
        chosen = sum(used.get(name) == value for name, value in self.settings.items())
        return (
            self.network == run.network.name,
            self.loss == run.loss.name,
            chosen - len(self.settings),
            -abs(math.log(flops / self.flops)),
        )


@dataclass(frozen=True)
class Card:
    """A GPU that was measured.

    Attributes:
        name: as its driver has it.
        date: of the measurement, as ISO 8601 has it.
        commit: of the code that was measured; empty where it is not under version control.
        rates: at least one.
        at_once: runs that were measured side by side; 1 where that was not.
        gain: how many times as many steps a second they made together as one alone.
    """

    name: str
    date: str
    commit: str
    rates: tuple[Rate, ...]
    at_once: int = 1
    gain: float = 1.0

    @property
    def when(self) -> str:
        """Date and commit, for a reader."""
        commit = f"commit {self.commit[:7]}" if self.commit else "not under version control"
        return f"{self.date}, {commit}"

    def step(self, run: Run, flops: float) -> tuple[float, Rate]:
        """Seconds of a run's step, and the measured case that they are taken from.

        A step with more arithmetic than the measured one takes as many times as long. One with less
        is taken to need the same time: small steps are bound by their launches, not by arithmetic.

        Args:
            run: the run's settings.
            flops: of its step, counted as `Rate.flops` is.
        """
        near = max(self.rates, key=lambda rate: rate.likeness(run, flops))
        return near.seconds * max(1.0, flops / near.flops), near


def cards(path: Path | None = None) -> list[Card]:
    """All cards that were measured, the latest first.

    Args:
        path: the measurements; those of this version by default.

    Raises:
        GanloreError: if the file is damaged.
    """
    path = path or FILE
    if not path.is_file():
        return []
    sections: dict[str, Any] = storage.read_json(path, REMEDY, shapes.Record)
    measured = [
        _card(name.removeprefix(SECTION), shapes.check(section, shapes.CardSpeed, where, REMEDY))
        for name, section in sections.items()
        if name.startswith(SECTION)
        for where in [f"{path}: {name}"]
    ]
    return sorted((card for card in measured if card.rates), key=lambda card: card.date)[::-1]


def _card(name: str, section: Mapping[str, Any]) -> Card:
    together = section.get("together") or {"runs": 1, "gain": 1.0}
    return Card(
        name, section["date"], section["measured"]["git"]["commit"] or "",
        tuple(_rates(section)), together["runs"], together["gain"],
    )  # fmt: skip


def _rates(section: Mapping[str, Any]) -> Iterable[Rate]:
    for row in section["rows"]:
        for loop, settings in section["settings"].items():
            if loop in row:
                seconds = section["batch"] / row[loop]["images"]
                yield Rate(row["network"], row["loss"], settings, row["flops"], seconds)
