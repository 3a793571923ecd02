"""The records of runs and of the collected tables, as all their readers open them.

The chain of hashes: the manifest of prepared data has those of its arrays; an extractor's record
names the data; `run.json` names data and extractors and has the hashes of a training's files;
`evaluation.json` names the snapshots and has the hash of the metrics; `tables.json` names all of
these records and has the hashes of the tables; the report's `report.json` names `tables.json` and
has the hashes of its files. Each record has a hash of its own content (`storage.write_record`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganlore import provenance, shapes, storage
from ganlore.errors import GanloreError
from ganlore.execution import freshness
from ganlore.study.run import Plan, Run

Record = dict[str, Any]

TRAINED, EVALUATED, TABLES, REPORT = "run.json", "evaluation.json", "tables.json", "report.json"

KEEP_STATE = "GANLORE_KEEP_STATE"
"""The variable that lets a finished run's saved states stay until it is evaluated.

Where a group of jobs is killed, Snakemake deletes what its finished runs have written, and begins
all of them again.
"""


def remedy(folder: Path) -> str:
    """What makes a run's files again."""
    return f"delete {folder} and run snakemake"


def trained(run: Run, folder: Path) -> Record:
    """A run's `run.json`; its files are not looked at.

    Raises:
        GanloreError: if it is missing or altered, or of another run than the folder's.
    """
    return _opened(run, folder / TRAINED, shapes.Trained)


def evaluated(run: Run, folder: Path) -> Record:
    """A run's `evaluation.json`, likewise."""
    return _opened(run, folder / EVALUATED, shapes.Evaluated)


def _opened(run: Run, path: Path, shape: type[shapes.Record]) -> Record:
    record = storage.open_record(path, remedy(path.parent), shape)
    if record["id"] != run.id:
        raise GanloreError(
            f"{path}: of the run {record['id']}, expected {run.id}\n"
            f"  to make it again: {remedy(path.parent)}"
        )
    return record


def check_files(plan: Plan, run: Run) -> tuple[Record, Record]:
    """A run's two records, once the hash of each of their files is that of the file."""
    return _checked(plan, run, storage.check_files)


def _checked(plan: Plan, run: Run, check: Callable[..., None]) -> tuple[Record, Record]:
    folder = plan.folder(run)
    record, evaluation = trained(run, folder), evaluated(run, folder)
    optional = freshness.discarded(plan.study.keep, evaluation)
    check(folder, record, remedy(folder), optional)
    check(folder, evaluation, remedy(folder), optional)
    return record, evaluation


def check_sizes(plan: Plan) -> None:
    """Compare each run's records with their own hash, and the sizes of their files with them.

    It reads no large file. Damage that leaves a size as it was is for `ganlore verify`.

    Raises:
        GanloreError: if something is missing or altered, with the first file that is.
    """
    for run in plan.runs:
        _checked(plan, run, storage.check_sizes)


def sources(plan: Plan) -> dict[str, dict[str, Any]]:
    """What the tables of a plan are made of.

    Returns:
        `runs`: the hashes of the two records of each run, by the run's path; `data` and
        `extractors`: those that floors are measured with, by data set.

    Raises:
        GanloreError: if a record is missing or altered.
    """
    from ganlore.data import Store  # planning and `ganlore status` import no numpy at the start

    data = Path(plan.study.data)
    digests = {}
    for name in plan.datasets:
        folder = data / "prepared" / name
        manifest = storage.open_record(folder / "manifest.json", remedy(folder))
        digests[name] = Store(folder, manifest).digest
    return {
        "runs": {
            run.id: [reader(run, plan.folder(run))[storage.SEAL] for reader in (trained, evaluated)]
            for run in plan.runs
        },
        "data": digests,
        "extractors": {
            name: provenance.fitted(extractors, name, data)
            for name, (_, extractors) in plan.protocols.items()
        },
    }


def tables(plan: Plan) -> Record:
    """The record of a plan's tables, once they are what it says, and made of what there is now.

    Raises:
        GanloreError: if a table or the record is missing or altered, or of other runs, data or
            extractors than there are. A run that it does not name is left to the reader.
    """
    path = Path(plan.study.results) / TABLES
    again = "run snakemake, or `ganlore collect`"
    record = storage.read_record(path, again)
    named = replace(plan, runs=tuple(run for run in plan.runs if run.id in record["runs"]))
    for kind, now in sources(named).items():
        for name, digest in now.items():
            if record[kind].get(name) != digest:
                raise GanloreError(
                    f"{path}: collected from other {kind} than there are now: {name}\n"
                    f"  to make it again: {again}"
                )
    return record


def costs(plan: Plan) -> list[Record]:
    """What the steps of `Plan.costs` cost, by cell and round; nothing where no claim asks for it.

    Raises:
        GanloreError: if it is missing or altered; what was measured of other cells or with other
            code than there are now is not looked for.
    """
    if not plan.costs:
        return []
    again = "run snakemake, or `ganlore costs` with nothing else on the machine"
    storage.read_record(plan.costs_folder / "record.json", again, shape=shapes.Costs)
    rows: list[Record] = storage.read_json(plan.costs_folder / "rows.json", again)
    return rows


def report(plan: Plan) -> Record:
    """The record of a plan's report, once its files are what it says, and made of these tables.

    Raises:
        GanloreError: if a file or the record is missing or altered, or of other tables.
    """
    path = Path(plan.study.reports) / REPORT
    again = "run snakemake, or `ganlore report`"
    record = storage.read_record(path, again)
    tables_path = Path(plan.study.results) / TABLES
    if record["tables"] != storage.open_record(tables_path, again)[storage.SEAL]:
        raise GanloreError(
            f"{path}: made of other tables than {tables_path} has\n  to make it again: {again}"
        )
    return record
