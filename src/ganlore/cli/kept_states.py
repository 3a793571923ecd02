"""The state at the end of a training, kept so that more budget goes on from it.

A run that goes on gives the bits of one that had the larger budget from the start, or it does not
go on: what would differ is looked for, and said. Training itself knows nothing of it: a kept state
becomes that of a training that was killed.
"""

from __future__ import annotations

import ast
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import ValidationError

from ganlore import arrays, provenance, shapes, storage
from ganlore.console import say
from ganlore.errors import GanloreError
from ganlore.execution import freshness
from ganlore.study import declarations, fingerprint, registry
from ganlore.study.run import Run
from ganlore.training import build, checkpoint
from ganlore.training.history import marks, snapshot_steps
from ganlore.training.trainer import Trainer

if TYPE_CHECKING:
    from ganlore.data import Store
    from ganlore.training.batches import Batches
    from ganlore.training.checkpoint import Checkpoints

RECORD = "run.json"
STATE = "state.pt"
CPU = torch.device("cpu")
SPREAD = frozenset({"budget", "snapshots", "history"})
"""Settings of a training that may change: how much, and where it is looked at."""


def keep(checkpoints: Checkpoints, folder: Path) -> Path:
    """Put the last state and the snapshots aside, before a training is finished.

    Gives the folder where they lie until `settle` puts them in their place.
    """
    aside = _aside(folder)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for path in (checkpoints.path, *checkpoints.folder.glob("snapshot-*.pt")):
        _link(path, aside / path.name)
    return aside


def settle(aside: Path | None, folder: Path, finished: Path) -> None:
    """Put a state in its place, with the record of its training.

    Args:
        aside: from `keep`; None where the study keeps none: then one of before goes.
        folder: of the kept state.
        finished: the run's own.
    """
    shutil.rmtree(folder, ignore_errors=True)
    if aside is None:
        shutil.rmtree(_aside(folder), ignore_errors=True)  # of a process that was killed here
    else:
        shutil.copyfile(finished / RECORD, aside / RECORD)
        aside.rename(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.new")


def _link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy where the disk has no such thing.

    Files are replaced whole and never written into, so that it stays as it is.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def adopt(
    run: Run, store: Store, extractors: dict[str, str], device: str, state: Checkpoints, kept: Path
) -> None:
    """Make the kept state of a run the one that its training goes on from, if it can be.

    A line says that it is, or why it is not.

    Args:
        run: the run's settings.
        store: the prepared data.
        extractors: hashes of the extractors that it trains with.
        device: the name of the device that it trains on.
        state: of the training; its own saved state comes first.
        kept: the folder of the kept state.
    """
    if not (kept / RECORD).exists() or _under_way(state):
        return
    try:
        record = storage.open_record(kept / RECORD, "train again", shapes.Trained)
    except GanloreError:
        record = {}
    saved = arrays.read_sealed(kept / STATE) if record else None
    names = saved["files"] if saved else []
    if saved is None or any(arrays.read_sealed(kept / name) is None for name in names):
        say(f"{kept}: damaged; training from the first step")
        return
    if reasons := _obstacles(run, store, extractors, device, record, saved):
        say(f"its kept state is not continued: {'; '.join(reasons)}. Training from the first step")
        return
    state.folder.mkdir(parents=True, exist_ok=True)
    state.path.unlink(missing_ok=True)  # a state of others, whose snapshots are replaced now
    for name in names:
        (state.folder / name).unlink(missing_ok=True)
        _link(kept / name, state.folder / name)
    arrays.write_sealed(state.path, {**saved, "identity": state.identity})
    before = record["settings"]["training"]["budget"]
    say(f"more budget: {run.training.budget:,} images in place of {before:,}; the run goes on")


def _under_way(state: Checkpoints) -> bool:
    """Whether the training has a state of its own."""
    saved = arrays.read_sealed(state.path)
    return saved is not None and saved["identity"] == state.identity


def _obstacles(
    run: Run,
    store: Store,
    extractors: dict[str, str],
    device: str,
    record: dict[str, Any],
    saved: dict[str, Any],
) -> list[str]:
    """Why a run cannot go on from a saved state with its record; nothing if it can."""
    try:
        before = Run.model_validate(record["settings"])
    except ValidationError:
        return ["its settings are of another version of this package"]
    if other := _other_settings(before, run):
        return [f"{', '.join(other)} changed"]
    now = freshness.training_inputs(before, store.digest, extractors)
    then = {"extractors": {}, **record}
    if changed := [word for key, word in freshness.TRAINING.items() if then[key] != now[key]]:
        return [f"{' and '.join(changed)} changed"]
    if saved["identity"] != checkpoint.identity(before, store, extractors):
        return ["the state is of another training than its record"]
    if run.training.steps <= before.training.steps:
        return [f"{run.training.steps} steps are not more than {before.training.steps}"]
    environment, there = provenance.environment(), record["environment"]
    found = [
        f"it was trained with {what} {one}, and this is {here}"
        for what, one, here in (
            ("device", record["device"], device),
            ("torch", there["versions"]["torch"], environment["versions"]["torch"]),
            ("processor", there["processor"], environment["processor"]),
        )
        if one != here
    ]
    return [*found, *_spread(before, run, store, saved["step"]), *_read_elsewhere(run)]


def _other_settings(before: Run, run: Run) -> list[str]:
    """The settings that differ and decide the steps, by their path."""
    one, other = (_flat(r.model_dump(mode="json"), "") for r in (before, run))
    paths = dict.fromkeys([*one, *other])
    spread = {f"training.{name}" for name in SPREAD}
    differing = [path for path in paths if one.get(path) != other.get(path)]
    own = ("protocol", "extractors")  # of the evaluation
    return [p for p in differing if p not in spread and p.split(".")[0] not in own]


def _flat(value: Any, path: str) -> dict[str, Any]:
    if isinstance(value, dict) and value:
        parts = [_flat(part, f"{path}.{name}" if path else name) for name, part in value.items()]
        return {name: leaf for part in parts for name, leaf in part.items()}
    return {path: value}


def _spread(before: Run, run: Run, store: Store, done: int) -> Iterator[str]:
    """What depends on the whole budget: places of snapshots and history, and schedules."""
    state = build.train_state(run, store.shape, store.classes, CPU)
    for name in ("snapshots", "history"):
        old, new = (_places(r, name, state.n_critic, done) for r in (before, run))
        if old != new:
            yield _other_places(before, run, name)
    optimizer = build.optimizer_settings(run, state.tricks)
    trainers = [  # which schedule, and train nothing: they need no batches
        Trainer(state, cast("Batches", None), r.training, optimizer, r.seed, CPU)
        for r in (before, run)
    ]
    for number in range(done):
        then, now = (trainer.schedule_of(number) for trainer in trainers)
        differing = [name for name in now.numbers if then.numbers.get(name) != now.numbers[name]]
        for what in ("learning_rate", "beta2", "frozen"):
            if getattr(then, what) != getattr(now, what):
                differing.append(what.replace("_", " "))
        if differing:
            yield f"the schedule of {', '.join(differing)} depends on the whole budget"
            return


def _places(run: Run, name: str, n_critic: int, done: int) -> list[int]:
    """The steps with a snapshot or a row of history, up to a step."""
    training = run.training
    if name == "snapshots":
        return snapshot_steps(training, done)
    return [step for step in marks(training.steps, training.history, n_critic) if step <= done]


def _other_places(before: Run, run: Run, name: str) -> str:
    """That the places differ, and with how many they would not, where there is such a number."""
    old, new = before.training, run.training
    count, odd = divmod(getattr(old, name) * new.steps, old.steps)
    kept = "no number keeps" if odd else f"{count} keeps"
    asked = f"training.{name} = {getattr(new, name)}"
    return f"{asked} gives other steps than in {old.steps} steps ({kept} them)"


def _read_elsewhere(run: Run) -> Iterator[str]:
    """Plug-ins that may read the progress where no schedule shows it."""
    named = [("network", run.network.name), ("loss", run.loss.name)]
    named += [("trick", trick.name) for trick in run.applied]
    for kind, name in named:
        for path in fingerprint.closure([registry.path_of(kind, name)]):
            if path.parent.name == "steps" and path.is_relative_to(declarations.PACKAGE):
                continue
            tree = declarations.parse(path)
            if any(isinstance(n, ast.Attribute) and n.attr == "moment" for n in ast.walk(tree)):
                yield f"the {kind} {name} reads `.moment` in {path.name}, perhaps its progress"
