"""Whether a run is stale: what differs between its records and what would make it now.

Training, evaluation, collection, `ganlore status`, `ganlore verify` and `ganlore publish` all ask
here. Only small records and manifests are read: the hashes in them stand for the large files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganlore import provenance, shapes, storage
from ganlore.errors import GanloreError
from ganlore.study import registry
from ganlore.study.keep import Keep
from ganlore.study.run import Plan, Run

Record = dict[str, Any]

TRAINING = {
    "settings_hash": "settings", "code_hash": "code", "data_hash": "data",
    "extractors": "extractors",
}  # fmt: skip
"""The keys of `run.json` that name what a run was trained with, and a reader's word for each."""

EVALUATION = {
    "evaluation_hash": "protocol", "code_hash": "code", "extractors": "extractors",
    "snapshots": "snapshots",
}  # fmt: skip
"""Likewise of `evaluation.json`."""


@dataclass(frozen=True)
class Changes:
    """What changed since a run was made; both are empty for a run that is up to date.

    Attributes:
        training: words of `TRAINING`.
        evaluation: words of `EVALUATION`.
    """

    training: tuple[str, ...]
    evaluation: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.training or self.evaluation)

    def __str__(self) -> str:
        parts = (("trained", self.training), ("evaluated", self.evaluation))
        return "; ".join(f"{verb} with other {' and '.join(what)}" for verb, what in parts if what)

    def check(self, folder: Path) -> None:
        """Raise a GanloreError that names what changed and the run's folder, if anything did."""
        if self:
            raise GanloreError(
                f"{folder}: stale: it was {self}\n  to mend it: delete {folder} and run snakemake"
            )


def training_inputs(run: Run, data_hash: str | None, extractors: dict[str, str] | None) -> Record:
    """What decides the result of a training, by the keys of `TRAINING`.

    Args:
        run: the run's settings.
        data_hash: `Store.digest` of the prepared data, None where they are missing.
        extractors: hashes of the extractors that it trains with, None where one is missing.
    """
    values = (run.training_hash(), run.training_code(), data_hash, extractors)
    return dict(zip(TRAINING, values, strict=True))


def evaluation_inputs(run: Run, trained: Record, extractors: dict[str, str] | None) -> Record:
    """What decides the result of an evaluation, by the keys of `EVALUATION`.

    Args:
        run: the run's settings.
        trained: its `run.json`.
        extractors: hashes of the extractors that measure it, None where one is missing.
    """
    snapshots = storage.hashes(trained)["snapshots.pt"]
    values = (run.evaluation_hash(), run.evaluation_code(), extractors, snapshots)
    return dict(zip(EVALUATION, values, strict=True))


def changes(
    run: Run, trained: Record, evaluated: Record | None = None, data: Path | None = None
) -> Changes:
    """What differs between a run's records and study, code, data and extractors as they are now.

    Args:
        run: the run's settings in the study.
        trained: its `run.json`.
        evaluated: its `evaluation.json`, None for a run that is not evaluated.
        data: the folder of prepared data and extractors; None for a published run, whose data are
            not here: settings, code and snapshots alone are compared.
    """
    name = run.dataset.name
    trained = {"extractors": {}, **trained}  # a run that trains with none has no such key
    now = training_inputs(run, trained["data_hash"], trained["extractors"])
    if data is not None:
        now["data_hash"] = _data_hash(data, name)
        now["extractors"] = _extractors(run.training_extractors, name, data)
    training = differences(TRAINING, trained, now)
    if evaluated is None:
        return Changes(training)
    now = evaluation_inputs(run, trained, evaluated["extractors"])
    if data is not None:
        now["extractors"] = _extractors(run.extractors, name, data)
    return Changes(training, differences(EVALUATION, evaluated, now))


def differences(words: dict[str, str], record: Record, now: Record) -> tuple[str, ...]:
    """A reader's words for the keys in which two records differ."""
    return tuple(word for key, word in words.items() if record[key] != now[key])


def _data_hash(data: Path, name: str) -> str | None:
    """`Store.digest` without `Store.open`, which hashes the data's large files."""
    from ganlore.data import Store  # planning and `ganlore status` import no numpy at the start

    try:
        path = data / "prepared" / name / "manifest.json"
        manifest = storage.open_record(path, "run snakemake", shapes.Manifest)
    except GanloreError:
        return None
    return Store(data / "prepared" / name, manifest).digest


def _extractors(names: Iterable[str], dataset: str, data: Path) -> dict[str, str] | None:
    try:
        return provenance.fitted(names, dataset, data)
    except GanloreError:
        return None


def changed_files(plan: Plan, thorough: bool = False) -> tuple[dict[str, str], list[str]]:
    """Data sets whose files have changed since they were prepared.

    Args:
        plan: the study's.
        thorough: compare contents even where names, sizes and times are the same.

    Returns:
        What is different, by data set; and why others could not be compared.
    """
    changed, notes = {}, []
    for name, settings in plan.datasets.items():
        reads = registry.declaration("dataset", name).fact("reads", {})
        if reads:
            from ganlore.data import _raw  # imports numpy

            prepared = Path(plan.study.data, "prepared", name)
            try:
                text = _raw.change(reads, settings, prepared, thorough)
            except GanloreError as error:
                notes.append(f"{prepared}: not compared with what it was made from: {error}")
                continue
            if text:
                changed[name] = text
    return changed, notes


def discarded(keep: Keep, evaluation: Record | None) -> frozenset[str]:
    """The files that a run may lack, by name; their hashes stay in its records.

    Args:
        keep: what the study keeps now.
        evaluation: the run's `evaluation.json`, which has what the study kept when the run was
            measured; None for a run that is not evaluated yet, which may lack nothing.
    """
    if evaluation is None:
        return frozenset()
    generator = ["generator.pt"] if keep.snapshots == "none" else []
    return frozenset([*keep.discarded, *generator, *evaluation.get("discarded", ())])
