"""From a study to its list of runs, with everything resolved and checked. Imports no torch."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from ganlore.errors import GanloreError, unknown
from ganlore.settings import LEAST, LONGEST, Optimizer
from ganlore.study import asking, claim_cells, compatibility, registry, schema, search
from ganlore.study.claims import PLURAL
from ganlore.study.explain import explain
from ganlore.study.protocol import Protocol
from ganlore.study.run import Cell, Missing, Plan, PlugIn, Run
from ganlore.study.schema import Exclusion, Study, Training, Variant

KINDS = ("dataset", "network", "loss", "trick")
"""Kinds of plug-in that a study may change."""


@registry.unchanging()
def expand(study: Study) -> Plan:
    """All runs of a study.

    Raises:
        GanloreError: before the first job, for unknown names, settings that do not fit, two grids
            that want different things of one run, or a study without runs.
    """
    study = asking.in_part(search.settled(study))
    search.check(study)
    _check_settings(study)
    missing: dict[Cell, Missing] = {}
    placed = [(f"study {study.name}: grids.{i}", grid) for i, grid in enumerate(study.grids)]
    runs = _runs(study, [*placed, *claim_cells.grids(study)], study.seeds, missing)
    timed = _runs(study, claim_cells.grids(study, timed=True), study.seeds[:1], missing)
    if not runs:
        reasons = "".join(
            f"\n  {m.dataset} {m.network} {m.loss} {m.trick}: {m.reason}"
            for m in list(missing.values())[:5]
        )
        raise GanloreError(f"study {study.name}: no runs are left{reasons}")
    costs = [runs.get(name, run) for name, run in timed.items()]
    _check_matches(study, {run.cell for run in (*runs.values(), *costs)} | missing.keys())
    _check_protocols(study, runs.values())
    return Plan(study, tuple(runs.values()), tuple(missing.values()), tuple(costs))


def _runs(
    study: Study,
    grids: Iterable[tuple[str, schema.Grid]],
    seeds: Iterable[int],
    missing: dict[Cell, Missing],
) -> dict[str, Run]:
    """The runs of some grids, by their path; the cells that have none are put into `missing`."""
    runs: dict[str, Run] = {}
    for where, grid in grids:
        training = _changed(study.training.of_runs, grid.training, f"{where}.training")
        protocol = _changed(study.protocol, grid.protocol, f"{where}.protocol")
        prepared: dict[tuple[str, str], Data] = {}
        for cell in _cells(study, grid, where):
            if (place := (cell.dataset, cell.variant)) not in prepared:
                prepared[place] = _data(study, cell, protocol)
            reason = _why_not(study, cell, prepared[place])
            if reason:
                missing[cell] = Missing(**cell._asdict(), reason=reason)
                continue
            for seed in seeds:
                run = _resolve(study, cell, seed, training, protocol, prepared[place])
                if runs.setdefault(run.id, run) != run:
                    raise GanloreError(
                        f"{where}: the run {run.id} is also in an earlier grid, with other "
                        "settings\n  give one of them a variant of its own"
                    )
    return runs


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
        for kind in KINDS:
            for name, settings in getattr(change, PLURAL[kind]).items():
                registry.path_of(kind, name, f"{place}.{PLURAL[kind]}")
                if kind != "loss" or "optimizer" not in settings:
                    registry.declaration(kind, name).settings(settings)
    for name, variant in study.variants.items():
        where = f"study {study.name}: variants.{name}.training"
        _changed(study.training.of_runs, variant.training, where)
    _check_exclusions(study)


def _check_exclusions(study: Study) -> None:
    """What the study leaves out must have names that exist."""
    for index, rule in enumerate(study.exclude):
        where = f"study {study.name}: exclude.{index}"
        for kind in ("dataset", "network", "loss"):
            if (name := getattr(rule, kind)) is not None:
                registry.path_of(kind, name, f"{where}.{kind}")
        for name in rule.trick.split("+") if rule.trick is not None else ():
            registry.path_of("trick", name, f"{where}.trick")
        variants = ["base", *study.variants]
        if rule.variant is not None and rule.variant not in variants:
            raise unknown("variant", rule.variant, variants, f"{where}.variant")


def _cells(study: Study, grid: schema.Grid, where: str) -> Iterator[Cell]:
    losses = list(registry.find("loss")) if grid.losses == "all" else list(grid.losses)
    tricks = list(registry.find("trick")) if grid.tricks == "all" else list(grid.tricks)
    combinations = [(t,) if isinstance(t, str) else tuple(t) for t in tricks]
    _check_names("dataset", grid.datasets, f"{where}.datasets")
    _check_names("network", grid.networks, f"{where}.networks")
    _check_names("loss", losses, f"{where}.losses")
    for combination in combinations:
        _check_names("trick", combination, f"{where}.tricks")
        if len(set(compatibility.applied(combination))) < len(compatibility.applied(combination)):
            raise GanloreError(f"{where}.tricks: {list(combination)} names a trick twice")
    for variant in grid.variants:
        if variant != "base" and variant not in study.variants:
            raise unknown("variant", variant, ["base", *study.variants], f"{where}.variants")
    joined = ["+".join(combination) for combination in combinations]
    axes = (grid.datasets, grid.networks, losses, joined, grid.variants)
    yield from (Cell(*values) for values in itertools.product(*axes))


def _check_names(kind: str, names: list[str] | tuple[str, ...], where: str) -> None:
    if not names:
        raise GanloreError(f"{where}: the list is empty; expected at least one {kind}, or 'all'")
    for name in names:
        registry.path_of(kind, name, where)


class Data(NamedTuple):
    """A data set with its settings, and the extractors that it is evaluated with."""

    plugin: PlugIn
    extractors: list[str]


def _data(study: Study, cell: Cell, protocol: Protocol) -> Data:
    """The data set of a cell, with the protocol's extractors or its own.

    Raises:
        GanloreError: for an unknown extractor, or one that needs what the data set does not have.
    """
    declared = registry.declaration("dataset", cell.dataset)
    settings = declared.settings(_given(study, cell.variant, "dataset", cell.dataset))
    names = list(protocol.extractors or declared.fact("extractors", ()))
    where = f"study {study.name}: protocol.extractors"
    for name in names:
        registry.path_of("extractor", name, where)
        for need, reason in registry.declaration("extractor", name).fact("requires", {}).items():
            if need not in declared.provided(settings):
                raise GanloreError(
                    f"{where}: {name} cannot be used on the data set {cell.dataset}: {reason}\n"
                    + compatibility.instead_of(name, cell.dataset, settings)
                )
    return Data(PlugIn(name=cell.dataset, settings=settings), names)


def _why_not(study: Study, cell: Cell, data: Data) -> str | None:
    """Why a cell has no meaning or is left out by the study, None when it runs."""
    names = (cell.dataset, cell.network, cell.loss, cell.tricks)
    if reason := compatibility.why_not(*names, data.plugin.settings, data.extractors):
        return str(reason)
    for rule in study.exclude:
        if _matches(rule, cell):
            return f"left out by the study: {rule.reason}"
    return None


def _matches(rule: Exclusion, cell: Cell) -> bool:
    wanted = rule.model_dump(exclude={"reason"}, exclude_none=True)
    return all(getattr(cell, field) == value for field, value in wanted.items())


def _check_matches(study: Study, cells: Iterable[Cell]) -> None:
    """A rule that leaves nothing out is a mistake in its names."""
    for index, rule in enumerate(study.exclude):
        if not any(_matches(rule, cell) for cell in cells):
            names = rule.model_dump(exclude={"reason"}, exclude_none=True)
            raise GanloreError(
                f"study {study.name}: exclude.{index}: no cell of the study has {names}\n"
                "  correct it, or leave it out"
            )


def _given(study: Study, variant: str, kind: str, name: str) -> dict[str, Any]:
    """What the study says of a plug-in's settings, and a variant over it."""
    sources = (study.settings, study.variants.get(variant, Variant()))
    return schema.merge(*(getattr(source, PLURAL[kind]).get(name, {}) for source in sources))


def _resolve(
    study: Study, cell: Cell, seed: int, training: Training, protocol: Protocol, data: Data
) -> Run:
    change = study.variants.get(cell.variant, Variant())
    training = _changed(training, change.training, f"study {study.name}: variants.{cell.variant}")
    found = search.chosen(study, *cell[:4])
    if draw := search.seeds_own(study, cell.variant, seed):
        where = f"study {study.name}: variants.{cell.variant}.draw"
        search.check_space(draw, where, set(registry.find("loss")), {cell.network})
        found = search.settings(study, draw, cell.loss, cell.network)

    def plugin(kind: str, name: str) -> PlugIn:
        values = schema.merge(_given(study, cell.variant, kind, name), found.get(kind, {}))
        if training.policy == "published":
            values = schema.merge(registry.declaration(kind, name).fact("published", {}), values)
        if kind == "loss":
            values["optimizer"] = _policy(name, training, values.get("optimizer", {}))
        own = compatibility.applied([name]) if kind == "trick" else [name]
        parts = [plugin(kind, part) for part in own] if own != [name] else []
        settings = registry.declaration(kind, name).settings(values)
        return PlugIn(name=name, settings=settings, parts=parts)

    run = Run(
        dataset=data.plugin,
        network=plugin("network", cell.network),
        loss=plugin("loss", cell.loss),
        tricks=[plugin("trick", trick) for trick in cell.tricks],
        variant=cell.variant,
        seed=seed,
        training=training,
        protocol=protocol,
        extractors=data.extractors,
    )
    _check_path(study, run)
    _check_batch(study, run)
    _check_samples(study, run)
    _check_flip(study, run)
    return run


def _policy(loss: str, training: Training, overrides: dict[str, Any]) -> dict[str, Any]:
    """The optimiser of a loss: the study's or its published one, and the study's changes to it."""
    published = registry.declaration("loss", loss).model.model_fields["optimizer"].default
    start: Optimizer = published if training.policy == "published" else training.optimizer
    return schema.merge(start.model_dump(mode="json"), overrides)


def _check_path(study: Study, run: Run) -> None:
    """Each name in a run's path is a folder's."""
    for name in run.id.split("/"):
        if (size := len(name.encode())) > LONGEST:
            raise GanloreError(
                f"study {study.name}: {name}: a name of {size} bytes; a folder of results can have "
                f"{LONGEST}\n  combine fewer tricks, or choose shorter names"
            )


def _check_samples(study: Study, run: Run) -> None:
    """Metrics need some samples of each split: both are compared with the other."""
    for split in ("n_train", "n_test"):
        size = run.dataset.settings.get(split)
        if isinstance(size, int) and size < LEAST:
            raise GanloreError(
                f"study {study.name}: {run.dataset.name}.{split} = {size}: metrics need at least "
                f"{LEAST} samples of each split"
            )


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
    least = registry.declaration("network", run.network.name).fact("least_batch", 1)
    if training.batch < least:
        raise GanloreError(
            f"{where}: training.batch = {training.batch}: the network {run.network.name} needs at "
            f"least {least}, for its batch norm"
        )
    for trick in run.applied:
        field = registry.declaration("trick", trick.name).fact("batch_multiple_of")
        if field and training.batch % trick.settings[field]:
            raise GanloreError(
                f"{where}: training.batch = {training.batch} is not a multiple of "
                f"{trick.name}'s {field} = {trick.settings[field]}"
            )
    fact = registry.declaration("dataset", run.dataset.name).fact("n_train")
    size = run.dataset.settings.get("n_train", fact)
    if size:
        size = max(1, round(training.subset * size))
    if size and training.batch > size:
        raise GanloreError(
            f"{where}: training.batch = {training.batch} is larger than the data set "
            f"{run.dataset.name}, which has {size} training samples"
        )


def _check_flip(study: Study, run: Run) -> None:
    """Mirrored images are wrong samples of a data set that does not call them as good."""
    fact = registry.declaration("dataset", run.dataset.name).fact("mirrored", False)
    if run.training.flip and not run.dataset.settings.get("mirrored", fact):
        raise GanloreError(
            f"study {study.name}: run {run.id}: training.flip = true, but a sample of "
            f"{run.dataset.name} mirrored left to right is no sample of it (its fact `mirrored`)\n"
            "  leave training.flip out, or set it in the grid of other data sets alone"
        )


def _changed(model: Any, change: dict[str, Any], where: str) -> Any:
    try:
        return type(model).model_validate(schema.merge(model.model_dump(mode="json"), change))
    except ValidationError as error:
        raise explain(error, type(model), where) from None
