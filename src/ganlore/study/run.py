"""What a plan is: runs with everything that decides them, and cells that are not run."""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ganlore.errors import GanloreError
from ganlore.settings import Model, Optimizer
from ganlore.study import fingerprint, registry
from ganlore.study.protocol import Protocol
from ganlore.study.schema import Study, Training

HISTORY = (
    "step", "images", "d_loss", "g_loss", "real_logit", "fake_logit", "real_probability",
    "fake_probability", "d_gradient_norm", "g_gradient_norm", "d_gradient_slope", "seconds",
    "images_per_second", "peak_memory_mb", "step_memory_mb",
)  # fmt: skip
"""The columns of every run's history (`history.History`)."""

COSTS = ("step_ms", "seconds", "peak_memory_mb", "step_memory_mb")
"""What a run cost: columns of the table of runs."""

TIMED = ("step_ms", "step_gflop", "step_memory_mb")
"""What a claim may say of a step's cost (`forecast.rounds`): columns of the table of costs."""

ROUNDS = 12
"""So many times each cell of such a claim is timed, in turn with the others."""

UNTIMED: Any = {
    "seed": True, "protocol": True, "extractors": True,
    "training": {"budget", "snapshots", "history", "divergence", "threads"},
}  # fmt: skip
"""Settings of a run that change nothing in the cost of its step."""

CONTROLS = (
    "dataset", "extractor", "resize", "split", "n_real", "n_fake", "input", "repeat", "metric",
    "value",
)  # fmt: skip
"""The columns of the table of real data in disguise (`evaluation.controls`)."""

REPEATS = 10
"""So many times each disguise is put on."""


class Cell(NamedTuple):
    """A run without its seed: the columns that name it in every table, and its path.

    The tricks of a combination are joined by `+`, in order.
    """

    dataset: str
    network: str
    loss: str
    trick: str
    variant: str

    @property
    def tricks(self) -> tuple[str, ...]:
        """The names of a combination's tricks."""
        return tuple(self.trick.split("+"))


class PlugIn(Model):
    """A plug-in in a run: its name, and all its settings."""

    name: str
    settings: dict[str, Any] = {}
    parts: list[PlugIn] = []
    """What it is made of, where it is a combination under one name."""


class Run(Model):
    """One data set x network x loss x trick x variant x seed, with everything that decides it."""

    dataset: PlugIn
    network: PlugIn
    loss: PlugIn
    tricks: list[PlugIn]
    variant: str
    seed: int
    training: Training
    protocol: Protocol = Protocol()
    extractors: list[str] = []

    @property
    def cell(self) -> Cell:
        """The cell that the run belongs to."""
        trick = "+".join(trick.name for trick in self.tricks)
        return Cell(self.dataset.name, self.network.name, self.loss.name, trick, self.variant)

    @property
    def trick(self) -> str:
        """The trick's name."""
        return self.cell.trick

    @property
    def applied(self) -> list[PlugIn]:
        """The tricks that are applied, in order: a combination's parts in its place."""
        return [part for trick in self.tricks for part in trick.parts or [trick]]

    @property
    def key(self) -> dict[str, str | int]:
        """The columns that name a run in every table."""
        return {**self.cell._asdict(), "train_seed": self.seed}

    @property
    def id(self) -> str:
        """The run's path below `runs`."""
        return "/".join((*self.cell, f"seed{self.seed}"))

    @property
    def training_extractors(self) -> tuple[str, ...]:
        """The extractors that its tricks train with, fitted to the data before.

        `extractors` are those of its evaluation, which are others.
        """
        declared = (registry.declaration("trick", trick.name) for trick in self.applied)
        return tuple(dict.fromkeys(name for d in declared for name in d.fact("extractors", ())))

    @property
    def optimizer(self) -> Optimizer:
        """The optimiser by the study's policy, before the tricks' changes.

        A study that sets a loss's own `optimizer` means it under both policies.
        """
        return Optimizer.model_validate(self.loss.settings["optimizer"])

    def training_settings(self) -> str:
        """All settings that decide what is trained (not how it is evaluated), as JSON."""
        return self.model_dump_json(exclude={"protocol", "extractors"})

    def training_hash(self) -> str:
        """A hash of `training_settings`."""
        return hashed(json.loads(self.training_settings()))

    def training_code(self) -> str:
        """The fingerprint of the code that trains this run."""
        return fingerprint.training(
            self.network.name, self.loss.name, self._trick_files, self.training_extractors
        )

    def evaluation_code(self) -> str:
        """The fingerprint of the code that evaluates this run: metrics and extractors too."""
        extractors = tuple(self.extractors)
        return fingerprint.evaluation(
            self.network.name, self.loss.name, self._trick_files, extractors
        )

    @property
    def _trick_files(self) -> tuple[str, ...]:
        return tuple(trick.name for trick in self.applied)

    def evaluation_hash(self) -> str:
        """A hash of all settings that decide how it is evaluated."""
        return hashed(self.model_dump(mode="json", include={"protocol", "extractors"}))


@dataclass(frozen=True)
class Missing:
    """A cell that is not run, and why."""

    dataset: str
    network: str
    loss: str
    trick: str
    variant: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """A study with its runs, and with the cells that have no runs and the reason.

    Attributes:
        study: the study.
        runs: what is trained.
        missing: what is not, and why.
        costs: the first run of each cell whose cost claims compare: its steps are timed, and it is
            trained only if it is among `runs`.
    """

    study: Study
    runs: tuple[Run, ...]
    missing: tuple[Missing, ...]
    costs: tuple[Run, ...] = ()

    @cached_property
    def by_id(self) -> dict[str, Run]:
        """The runs by their path."""
        return {run.id: run for run in self.runs}

    @cached_property
    def cells(self) -> frozenset[Cell]:
        """The cells that have runs."""
        return frozenset(run.cell for run in self.runs)

    @cached_property
    def firsts(self) -> dict[Cell, Run]:
        """The first run of each cell: what its other seeds share with it."""
        return {run.cell: run for run in reversed(self.runs)}

    def run(self, run_id: str) -> Run:
        """A run by its path; an unknown one is an error with the nearest."""
        if run_id not in self.by_id:
            near = difflib.get_close_matches(run_id, self.by_id, n=3, cutoff=0.0)
            raise GanloreError(
                f"study {self.study.name}: unknown run {run_id!r}; did you mean one of these?\n  "
                + "\n  ".join(near)
                + "\n  a run is <data>/<network>/<loss>/<trick>/<variant>/seed<N>"
            )
        return self.by_id[run_id]

    @property
    def protocols(self) -> dict[str, tuple[Protocol, list[str]]]:
        """The protocol and the extractors of each data set."""
        return {run.dataset.name: (run.protocol, run.extractors) for run in self.runs}

    @property
    def extractors(self) -> dict[str, tuple[str, ...]]:
        """All extractors that are fitted to each data set: of evaluation, then of training."""
        by_dataset = {name: dict.fromkeys(names) for name, (_, names) in self.protocols.items()}
        for run in self.runs:
            by_dataset[run.dataset.name] |= dict.fromkeys(run.training_extractors)
        return {name: tuple(extractors) for name, extractors in by_dataset.items()}

    @property
    def references(self) -> dict[tuple[str, str], Protocol]:
        """The protocol of each data set and extractor that samples are compared in."""
        return {
            (dataset, extractor): protocol
            for dataset, (protocol, extractors) in self.protocols.items()
            for extractor in extractors
        }

    @property
    def costs_made_of(self) -> dict[str, str]:
        """What decides the costs of `costs`, and not how fast the machine is."""
        cells = [run.model_dump(mode="json", exclude=UNTIMED) for run in self.costs]
        code = {run.training_code() for run in self.costs} | {fingerprint.timing()}
        return {"cells": hashed(cells), "code_hash": hashed(sorted(code))}

    @property
    def costs_folder(self) -> Path:
        """Where they lie: of other cells or other code elsewhere, so that none is out of date."""
        return Path(self.study.results) / "costs" / hashed(self.costs_made_of)

    @property
    def controls(self) -> dict[tuple[str, str], Protocol]:
        """Those of `references` on whose data a test of claims asks for real data in disguise."""
        tests = (test for _, test in self.study.claims.tests) if self.study.claims else ()
        asked = {
            name for test in tests if test.take == "real-data" for name in test.treatment.datasets
        }
        return {key: value for key, value in self.references.items() if key[0] in asked}

    @property
    def datasets(self) -> dict[str, dict[str, Any]]:
        """The settings of each data set."""
        return {run.dataset.name: run.dataset.settings for run in self.runs}

    def folder(self, run: Run) -> Path:
        """Where a run's finished files lie."""
        return Path(self.study.results) / "runs" / run.id

    def facts_hash(self) -> str:
        """A hash of what the report shows beside results: plug-ins' facts, and reasons for n/a."""
        named = {
            "dataset": {run.dataset.name for run in self.runs},
            "network": {run.network.name for run in self.runs},
            "loss": {run.loss.name for run in self.runs} | {gap.loss for gap in self.missing},
            "trick": {t.name for run in self.runs for t in (*run.tricks, *run.applied)},
        }
        facts = [
            (declared.name, declared.summary, repr(sorted(declared.facts.items())))
            for kind, names in named.items()
            for declared in (registry.declaration(kind, name) for name in sorted(names))
        ]
        return hashed([facts, [repr(gap) for gap in self.missing]])


def hashed(value: Any) -> str:
    """A hash of a JSON-ready value: 16 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
