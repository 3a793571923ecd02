"""Whether a published result holds together, in a clone that has neither data nor weights.

The chain that is followed for every number: a table of the report is made again from the published
metrics; their rows have the hash that the run's evaluation recorded; the evaluation names the hash
of the snapshots that the run's training recorded; both name the hashes of settings, data and
extractors. That this version of the package has other code than the one that made the result is no
error in the result: it is a note.

This finds what was altered or mixed up, by hand or by accident. It cannot tell that numbers were
made up together with their records: for that the study is run again.
"""

from __future__ import annotations

import contextlib
import csv
import gc
import gzip
import hashlib
import io
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ganlore import storage
from ganlore.console import Progress
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.execution import freshness
from ganlore.publishing.tolerance import same
from ganlore.publishing.verify import Findings
from ganlore.study import schema
from ganlore.study.expand import expand
from ganlore.study.run import Plan, hashed

MANIFEST = "publication.json"
KEY = ("dataset", "network", "loss", "trick", "variant", "train_seed")
"""The columns that name a run, in the order of its path."""

FIRST = tuple(f"tables/{name}.csv" for name in ("cells", "metrics", "runs"))
"""What every publication's report has, whichever version made it."""

RECORDED = (
    "status", "steps", "seconds", "peak_memory_mb", "settings_hash", "code_hash", "device",
)  # fmt: skip
"""The columns of `runs.csv` that a run's record has as well."""


@dataclass(frozen=True)
class Table:
    """A published table, values as written.

    Attributes:
        head: the columns.
        runs: the rows of each run, by its path.
    """

    head: list[str]
    runs: dict[str, list[list[str]]]

    def sha256(self, run: str, columns: Sequence[str] | None = None) -> str:
        """The hash of a run's own file, which has some columns of this table or all of them."""
        rows = self.runs.get(run, [])
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if rows:
            writer.writerow(self.head if columns is None else columns)
        else:  # as `storage.csv_text` writes no rows
            text.write("\n")
        writer.writerows(rows if columns is None else self.values(run, columns))
        return hashlib.sha256(text.getvalue().encode()).hexdigest()

    def values(self, run: str, columns: Sequence[str]) -> list[list[str]]:
        """A run's rows, of some columns; an unknown one is empty."""
        places = [self.head.index(name) if name in self.head else None for name in columns]
        return [
            ["" if place is None else row[place] for place in places]
            for row in self.runs.get(run, [])
        ]


def find(root: Path = Path("results")) -> list[Path]:
    """The folders below a folder that hold a publication."""
    return sorted(path.parent for path in root.glob(f"*/{MANIFEST}"))


@dataclass(frozen=True)
class Publication:
    """A publication as it lies on disk.

    Attributes:
        folder: the one of `publication.json`.
        manifest: what it holds.
    """

    folder: Path
    manifest: dict[str, Any]

    @property
    def reports(self) -> Path:
        """The folder of the report."""
        return Path(os.path.normpath(self.folder / str(self.manifest["reports"])))

    @cached_property
    def records(self) -> dict[str, dict[str, Any]]:
        """Each run's `run`, `evaluation` and columns of its `history`, by the run's path."""
        lines = self.text("records.jsonl").splitlines()
        records = [json.loads(line) for line in lines]
        return {record["run"]["id"]: record for record in records}

    def text(self, name: str) -> str:
        """A file's text; a large one is there compressed, under its name and `.gz`."""
        plain = self.folder / name
        if plain.exists():
            return plain.read_text()
        return gzip.decompress(plain.with_name(f"{name}.gz").read_bytes()).decode()

    def table(self, name: str) -> Table:
        """A table by its name; a row that is too short is filled up with empty values."""
        head, *lines = list(csv.reader(io.StringIO(self.text(f"{name}.csv")))) or [[]]
        runs: dict[str, list[list[str]]] = defaultdict(list)
        if not set(KEY) <= set(head):
            return Table(head, runs)  # no run has its rows: a finding for each
        places = [head.index(column) for column in KEY]
        for line in lines:
            row = line + [""] * (len(head) - len(line))
            *cell, seed = (row[place] for place in places)
            runs["/".join((*cell, f"seed{seed}"))].append(row)
        return Table(head, runs)


REMEDY = "git checkout the folder, or publish the study again"


def opened(folder: Path) -> Publication:
    """The publication in a folder, unchecked.

    Raises:
        GanloreError: if there is none.
    """
    return Publication(folder, storage.read_json(folder / MANIFEST, REMEDY))


def verify(folder: Path) -> Findings:
    """Check a publication: files, tables, records, and the report's tables.

    Raises:
        GanloreError: if there is no publication in the folder.
    """
    publication = opened(folder)
    findings = Findings()
    with _no_collection(), Progress(f"verify {folder}", 5) as progress:
        progress.update(0, "files")
        if not _check_files(findings, publication):
            return findings  # what follows needs all of them
        progress.update(1, "runs")
        _check_runs(findings, publication)
        progress.update(2, "data")
        _check_inputs(findings, publication)
        progress.update(3, "tables of the report")
        plan = _plan(findings, publication)
        if plan:
            _check_tables(findings, publication, plan)
            progress.update(4, "code")
            _note_changes(findings, publication, plan)
    return findings


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Without Python's search for cycles, which through 230,000 rows takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _check_files(findings: Findings, publication: Publication) -> bool:
    """Every file has its hash, and there are no others; gives whether all are there."""
    whole = True
    for name, folder in (("results", publication.folder), ("reports", publication.reports)):
        hashes: dict[str, str] = publication.manifest["files"][name]
        for path, digest in hashes.items():
            findings.checked += 1
            whole = whole and (folder / path).exists()
            try:
                storage.check(folder / path, digest, REMEDY)
            except GanloreError as error:
                findings.wrong.append(str(error))
        there = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != MANIFEST)
        strange = [path for path in there if str(path.relative_to(folder)) not in hashes]
        findings.wrong += [f"{path}: not of this publication\n  delete it" for path in strange]
    return whole


def _check_runs(findings: Findings, publication: Publication) -> None:
    """The tables have each run's rows to the letter, and its records agree with each other."""
    tables = {name: publication.table(name) for name in ("metrics", "history", "runs")}
    for name, table in tables.items():
        for run in table.runs.keys() - publication.records.keys():
            findings.wrong.append(f"{publication.folder}/{name}.csv: {run}: a run without a record")
    for run, record in publication.records.items():
        where = f"{publication.folder}: {run}"
        trained, evaluated = record["run"], record["evaluation"]
        findings.expect(
            tables["metrics"].sha256(run) == evaluated["files"]["metrics.csv"],
            f"{where}: its rows in metrics.csv are not those that its evaluation recorded",
        )
        findings.expect(
            tables["history"].sha256(run, record["history"]) == trained["files"]["history.csv"],
            f"{where}: its rows in history.csv are not those that its training recorded",
        )
        findings.expect(
            tables["runs"].values(run, RECORDED) == [[str(trained[name]) for name in RECORDED]],
            f"{where}: its row in runs.csv is not what its record tells",
        )
        for text in _disagreements(run, trained, evaluated):
            findings.wrong.append(f"{where}: {text}")
        findings.checked += 1


def _disagreements(run: str, trained: dict[str, Any], evaluated: dict[str, Any]) -> Iterator[str]:
    """What is wrong between a run's two records, or within one."""
    if evaluated["id"] != run:
        yield f"its evaluation is of {evaluated['id']}"
    if hashed(trained["settings"]) != trained["settings_hash"]:
        yield "its settings are not those of their hash"
    protocol = {key: evaluated[key] for key in ("protocol", "extractors")}
    protocol["extractors"] = list(protocol["extractors"])
    if hashed(protocol) != evaluated["evaluation_hash"]:
        yield "its protocol is not that of its hash"
    if evaluated["snapshots"] != trained["files"]["snapshots.pt"]:
        yield "other snapshots were evaluated than those that its training left"


def _check_inputs(findings: Findings, publication: Publication) -> None:
    """The data and extractors that the runs name are those whose records are published."""
    folder = publication.folder
    for run, record in publication.records.items():
        dataset = record["run"]["settings"]["dataset"]["name"]
        manifest = folder / "data" / dataset / "manifest.json"
        digest = Store(manifest.parent, storage.read_json(manifest, "publish again")).digest
        findings.expect(
            record["run"]["data_hash"] == digest,
            f"{folder}: {run}: trained with other data than {manifest} tells of",
        )
        fitted = {**record["run"].get("extractors", {}), **record["evaluation"]["extractors"]}
        for name, expected in fitted.items():
            path = folder / "extractors" / dataset / name / "record.json"
            findings.expect(
                path.exists() and storage.sha256(path) == expected,
                f"{folder}: {run}: made with another extractor {name} than {path} tells of",
            )


def _plan(findings: Findings, publication: Publication) -> Plan | None:
    """The plan of the published settings, None where this version cannot read them any more."""
    try:
        plan = expand(schema.parse(publication.manifest["settings"], str(publication.folder)))
    except GanloreError as error:
        findings.notes.append(f"this version cannot plan the study any more: {error}")
        return None
    findings.expect(
        {run.id for run in plan.runs} == publication.records.keys(),
        f"{publication.folder}: its runs are not those of its study's settings",
    )
    return plan


def _check_tables(findings: Findings, publication: Publication, plan: Plan) -> None:
    """The report's tables, made again from the published metrics, have the same numbers."""
    import pandas as pd

    from ganlore.analysis import tables
    from ganlore.analysis.results import Results
    from ganlore.report import files

    tidy = tables.Tables(
        **{
            name: pd.read_csv(
                io.StringIO(publication.text(f"{name}.csv")),
                keep_default_na=False,
                na_values=["nan", ""],
                low_memory=False,
            )
            for name in ("metrics", "history", "runs", "floor")
        }
    )
    tables.check_protocols(tidy.metrics, publication.folder / "metrics.csv")
    made = files.texts(Results(plan, tidy))
    published = publication.manifest["files"]["reports"]
    for name, text in made.items():
        path = publication.reports / name
        if name not in published and name not in FIRST:
            findings.notes.append(f"{path}: this version makes it, the one that published did not")
            continue
        findings.expect(
            path.exists() and same(name, path.read_text(), text),
            f"{path}: not what the published metrics give\n"
            "  to mend it: make the report again with this version, and publish again",
        )
    tables_folder = publication.reports / "tables"
    for path in sorted(tables_folder.iterdir()) if tables_folder.is_dir() else ():
        name = f"tables/{path.name}"
        if name in published and name not in made:
            findings.notes.append(f"{path}: the version that published made it, this one does not")


def _note_changes(findings: Findings, publication: Publication, plan: Plan) -> None:
    """Notes whether this version of the package and the study's file are those of the result."""
    records = {name: r for name, r in publication.records.items() if name in plan.by_id}
    counts: Counter[str] = Counter()
    for name, record in records.items():
        changes = freshness.changes(plan.by_id[name], record["run"], record["evaluation"])
        counts.update(f"trained with other {what}" for what in changes.training)
        counts.update(f"evaluated with other {what}" for what in changes.evaluation)
    git = [record["run"]["environment"]["git"] for record in records.values()]
    commits = ", ".join(sorted({str(state["commit"]) for state in git}))
    for what, count in counts.items():
        findings.notes.append(
            f"{count} of {len(records)} runs were {what} than this version's; "
            f"theirs is that of commit {commits}"
        )
    if dirty := sum(bool(state["dirty"]) for state in git):
        findings.notes.append(f"{dirty} of {len(records)} runs were trained on uncommitted changes")
    for name, digest in publication.manifest["source"].items():
        if not Path(name).is_file() or storage.sha256(Path(name)) != digest:
            findings.notes.append(f"{name} is not what it was when the result was published")
