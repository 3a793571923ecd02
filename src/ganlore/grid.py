"""From a study to its list of runs, with everything resolved and checked. Imports no torch."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ganlore import config, fingerprint, plugins
from ganlore.config import Protocol, Study, Training, Variant
from ganlore.errors import GanloreError, unknown
from ganlore.settings import Model, Optimizer

FOLDERS = {"dataset": "datasets", "network": "networks", "loss": "losses", "trick": "tricks"}
"""Kinds of plug-in that a study may change, and the key of its settings they stand under."""


class PlugIn(Model):
    """A plug-in in a run: its name, and all its settings."""

    name: str
    settings: dict[str, Any] = {}


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
    def trick(self) -> str:
        """The trick's name; the parts of a combination are joined by `+`."""
        return "+".join(trick.name for trick in self.tricks)

    @property
    def key(self) -> dict[str, str | int]:
        """The columns that name a run in every table."""
        return {
            "dataset": self.dataset.name,
            "network": self.network.name,
            "loss": self.loss.name,
            "trick": self.trick,
            "variant": self.variant,
            "train_seed": self.seed,
        }

    @property
    def cell(self) -> tuple[str, str, str, str, str]:
        """A run without its seed."""
        return (
            self.dataset.name, self.network.name, self.loss.name, self.trick, self.variant
        )  # fmt: skip

    @property
    def id(self) -> str:
        """The run's path below `runs`."""
        return "/".join((*self.cell, f"seed{self.seed}"))

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
        return _hash(json.loads(self.training_settings()))

    def training_code(self) -> str:
        """The fingerprint of the code that trains this run."""
        return _training_code(self.network.name, self.loss.name, tuple(t.name for t in self.tricks))

    def evaluation_code(self) -> str:
        """The fingerprint of the code that evaluates this run: metrics and extractors too."""
        return _evaluation_code(
            self.network.name,
            self.loss.name,
            tuple(trick.name for trick in self.tricks),
            tuple(self.extractors),
        )

    def evaluation_hash(self) -> str:
        """A hash of all settings that decide how it is evaluated."""
        return _hash(self.model_dump(mode="json", include={"protocol", "extractors"}))


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
    """A study with its runs, and with the cells that have no runs and the reason."""

    study: Study
    runs: tuple[Run, ...]
    missing: tuple[Missing, ...]

    @cached_property
    def by_id(self) -> dict[str, Run]:
        """The runs by their path."""
        return {run.id: run for run in self.runs}

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
    def datasets(self) -> dict[str, dict[str, Any]]:
        """The settings of each data set."""
        return {run.dataset.name: run.dataset.settings for run in self.runs}

    def folder(self, run: Run) -> Path:
        """Where a run's finished files lie."""
        return Path(self.study.results) / "runs" / run.id


def expand(study: Study) -> Plan:
    """All runs of a study.

    Raises:
        GanloreError: before the first job, for unknown names, settings that do not fit, two grids
            that want different things of one run, or a study without runs.
    """
    _check_settings(study)
    runs: dict[str, Run] = {}
    missing: dict[tuple[str, ...], Missing] = {}
    for index, grid in enumerate(study.grids):
        where = f"study {study.name}: grids.{index}"
        training = _changed(study.training, grid.training, f"{where}.training")
        protocol = _changed(study.protocol, grid.protocol, f"{where}.protocol")
        for cell in _cells(study, grid, where):
            reason = _why_not(study, *cell)
            if reason:
                missing[_names(*cell)] = Missing(*_names(*cell), reason)
                continue
            for seed in study.seeds:
                run = _resolve(study, *cell, seed, training, protocol)
                if runs.setdefault(run.id, run) != run:
                    raise GanloreError(
                        f"{where}: the run {run.id} is also in an earlier grid, with other "
                        "settings\n  give one of them a variant of its own"
                    )
    if not runs:
        reasons = "".join(
            f"\n  {m.dataset} {m.network} {m.loss} {m.trick}: {m.reason}"
            for m in list(missing.values())[:5]
        )
        raise GanloreError(f"study {study.name}: no runs are left{reasons}")
    _check_protocols(study, runs.values())
    return Plan(study, tuple(runs.values()), tuple(missing.values()))


def _check_protocols(study: Study, runs: Iterable[Run]) -> None:
    """Numbers of different protocols do not belong in one table."""
    protocols: dict[str, Protocol] = {}
    for run in runs:
        if protocols.setdefault(run.dataset.name, run.protocol) != run.protocol:
            raise GanloreError(
                f"study {study.name}: two protocols for the data set {run.dataset.name}; FID "
                "depends on the protocol\n  use one protocol for a data set, or two studies"
            )


def _check_settings(study: Study) -> None:
    """Every plug-in that the study names outside its grids must exist, used or not."""
    changes = {"settings": study.settings}
    changes |= {f"variants.{name}": variant for name, variant in study.variants.items()}
    for where, change in changes.items():
        place = f"study {study.name}: {where}"
        for kind, folder in FOLDERS.items():
            for name, given in getattr(change, folder).items():
                plugins.path_of(kind, name, f"{place}.{folder}")
                if kind != "loss" or "optimizer" not in given:
                    plugins.declaration(kind, name).settings(given)
    for name, variant in study.variants.items():
        _changed(study.training, variant.training, f"study {study.name}: variants.{name}.training")
    for index, rule in enumerate(study.exclude):
        for kind in ("dataset", "network", "loss"):
            if name := getattr(rule, kind):
                plugins.path_of(kind, name, f"study {study.name}: exclude.{index}.{kind}")
        for name in (rule.trick or "").split("+") if rule.trick else ():
            plugins.path_of("trick", name, f"study {study.name}: exclude.{index}.trick")


def _cells(
    study: Study, grid: config.Grid, where: str
) -> Iterator[tuple[str, str, str, tuple[str, ...], str]]:
    losses = list(plugins.find("loss")) if grid.losses == "all" else list(grid.losses)
    tricks = list(plugins.find("trick")) if grid.tricks == "all" else list(grid.tricks)
    combinations = [(t,) if isinstance(t, str) else tuple(t) for t in tricks]
    _check_names("dataset", grid.datasets, f"{where}.datasets")
    _check_names("network", grid.networks, f"{where}.networks")
    _check_names("loss", losses, f"{where}.losses")
    for combination in combinations:
        _check_names("trick", combination, f"{where}.tricks")
        if len(set(combination)) < len(combination):
            raise GanloreError(f"{where}.tricks: {list(combination)} names a trick twice")
    for variant in grid.variants:
        if variant != "base" and variant not in study.variants:
            raise unknown("variant", variant, ["base", *study.variants], f"{where}.variants")
    yield from itertools.product(
        grid.datasets, grid.networks, losses, combinations, grid.variants
    )  # fmt: skip


def _check_names(kind: str, names: list[str] | tuple[str, ...], where: str) -> None:
    if not names:
        raise GanloreError(f"{where}: the list is empty; expected at least one {kind}, or 'all'")
    for name in names:
        plugins.path_of(kind, name, where)


def _names(
    dataset: str, network: str, loss: str, tricks: tuple[str, ...], variant: str
) -> tuple[str, str, str, str, str]:
    return dataset, network, loss, "+".join(tricks), variant


def _why_not(
    study: Study, dataset: str, network: str, loss: str, tricks: tuple[str, ...], variant: str
) -> str | None:
    """Why a cell has no meaning or is left out, None when it runs.

    Any plug-in may declare `incompatible = {name of another plug-in: reason}`, and
    `requires = {something that a data set provides: reason}`.
    """
    parts = [
        plugins.declaration("network", network),
        plugins.declaration("loss", loss),
        *(plugins.declaration("trick", trick) for trick in tricks),
    ]
    provided = plugins.declaration("dataset", dataset).fact("provides", ())
    for part in parts:
        for need, reason in part.fact("requires", {}).items():
            if need not in provided:
                return f"{part.name}: {reason}"
        for name, reason in part.fact("incompatible", {}).items():
            if name in (dataset, network, loss, *tricks):
                return f"{part.name} with {name}: {reason}"
    named = dict(
        zip(
            ("dataset", "network", "loss", "trick", "variant"),
            _names(dataset, network, loss, tricks, variant),
            strict=True,
        )
    )
    for rule in study.exclude:
        wanted = rule.model_dump(exclude={"reason"}, exclude_none=True)
        if all(named[field] == value for field, value in wanted.items()):
            return f"left out by the study: {rule.reason}"
    return None


def _resolve(
    study: Study,
    dataset: str,
    network: str,
    loss: str,
    tricks: tuple[str, ...],
    variant: str,
    seed: int,
    training: Training,
    protocol: Protocol,
) -> Run:
    change = study.variants.get(variant, Variant())
    training = _changed(training, change.training, f"study {study.name}: variants.{variant}")

    def plugin(kind: str, name: str) -> PlugIn:
        folder = FOLDERS[kind]
        given = config.merge(
            getattr(study.settings, folder).get(name, {}), getattr(change, folder).get(name, {})
        )
        if kind == "loss":
            given["optimizer"] = _policy(loss, training, given.get("optimizer", {}))
        return PlugIn(name=name, settings=plugins.declaration(kind, name).settings(given))

    run = Run(
        dataset=plugin("dataset", dataset),
        network=plugin("network", network),
        loss=plugin("loss", loss),
        tricks=[plugin("trick", trick) for trick in tricks],
        variant=variant,
        seed=seed,
        training=training,
        protocol=protocol,
        extractors=list(plugins.declaration("dataset", dataset).fact("extractors", ())),
    )
    _check_batch(study, run)
    return run


def _policy(loss: str, training: Training, given: dict[str, Any]) -> dict[str, Any]:
    """The optimiser of a loss: the study's or its published one, and the study's changes to it."""
    published = plugins.declaration("loss", loss).model.model_fields["optimizer"].default
    start: Optimizer = training.optimizer if training.policy == "shared" else published
    return config.merge(start.model_dump(mode="json"), given)


def _check_batch(study: Study, run: Run) -> None:
    training = run.training
    where = f"study {study.name}: run {run.id}"
    if training.steps < training.snapshots:
        raise GanloreError(
            f"{where}: a budget of {training.budget} images is {training.steps} steps of "
            f"{training.batch}, fewer than the {training.snapshots} snapshots\n"
            "  raise training.budget or lower training.batch or training.snapshots"
        )
    if training.steps < run.loss.settings["n_critic"]:
        raise GanloreError(
            f"{where}: a budget of {training.budget} images is {training.steps} steps of "
            f"{training.batch}, fewer than n_critic = {run.loss.settings['n_critic']}: the "
            "generator would make no step\n  raise training.budget"
        )
    for trick in run.tricks:
        field = plugins.declaration("trick", trick.name).fact("batch_multiple_of")
        if field and training.batch % trick.settings[field]:
            raise GanloreError(
                f"{where}: training.batch = {training.batch} is not a multiple of "
                f"{trick.name}'s {field} = {trick.settings[field]}"
            )
    fact = plugins.declaration("dataset", run.dataset.name).fact("n_train")
    size = run.dataset.settings.get("n_train", fact)
    if size and training.batch > size:
        raise GanloreError(
            f"{where}: training.batch = {training.batch} is larger than the data set "
            f"{run.dataset.name}, which has {size} training samples"
        )


def _changed(model: Any, change: dict[str, Any], where: str) -> Any:
    try:
        return type(model).model_validate(
            config.merge(model.model_dump(mode="json", exclude_unset=False), change)
        )
    except ValidationError as error:
        raise config.explain(error, type(model), where) from None


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plugin_files(network: str, loss: str, tricks: tuple[str, ...]) -> list[Path]:
    return [
        plugins.path_of("network", network),
        plugins.path_of("loss", loss),
        *(plugins.path_of("trick", trick) for trick in tricks),
    ]


@cache
def _training_code(network: str, loss: str, tricks: tuple[str, ...]) -> str:
    files = _plugin_files(network, loss, tricks)
    return fingerprint.of([fingerprint.module("train"), *files])


@cache
def _evaluation_code(
    network: str, loss: str, tricks: tuple[str, ...], extractors: tuple[str, ...]
) -> str:
    files = _plugin_files(network, loss, tricks)
    files += [plugins.path_of("extractor", name) for name in extractors]
    # metrics are found by listing their folder, so no import leads to them
    files += sorted((plugins.PACKAGE / "metrics").glob("*.py"))
    return fingerprint.of([fingerprint.module("evaluate"), *files])


def preparation_code(dataset: str) -> str:
    """The fingerprint of the code that prepares a data set."""
    return fingerprint.of([fingerprint.module("data"), plugins.path_of("dataset", dataset)])


def extraction_code(extractor: str) -> str:
    """The fingerprint of the code that fits an extractor."""
    return fingerprint.of([fingerprint.module("features"), plugins.path_of("extractor", extractor)])


def report_code() -> str:
    """The fingerprint of the code and the template of the report."""
    templates = sorted((plugins.PACKAGE / "templates").glob("*"))
    shown = hashlib.sha256(b"".join(path.read_bytes() for path in templates)).hexdigest()[:16]
    return fingerprint.of([fingerprint.module("report")]) + shown


def shown(plan: Plan) -> str:
    """A hash of what the report shows beside results: facts of plug-ins, and reasons for n/a."""
    named = {
        "dataset": {run.dataset.name for run in plan.runs},
        "network": {run.network.name for run in plan.runs},
        "loss": {run.loss.name for run in plan.runs} | {gap.loss for gap in plan.missing},
        "trick": {trick.name for run in plan.runs for trick in run.tricks},
    }
    told = [
        (declared.name, declared.summary, repr(sorted(declared.facts.items())))
        for kind, names in named.items()
        for declared in (plugins.declaration(kind, name) for name in sorted(names))
    ]
    return _hash([told, [repr(gap) for gap in plan.missing]])
