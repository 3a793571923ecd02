"""Whether a published result holds together, in a clone that has neither data nor weights.

The chain that is followed for every number: a table of the report is made again from the published
metrics; their rows have the hash that the run's evaluation recorded; the evaluation names the hash
of the snapshots that the run's training recorded; both name the hashes of settings, data and
extractors. Every record, `publication.json` too, has a hash of its own content. That this version
of the package has other code than the one that made the result, or that an earlier version
published it, which gave records no hash of their own, is no error in the result: it is a note.

This finds what was altered or mixed up, by hand or by accident. It cannot tell that numbers were
made up together with their records: for that the study is run again.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import os
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ganlore import shapes, storage
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.execution import freshness
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

Row = dict[str, str]


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

    @property
    def sealed(self) -> bool:
        """Whether its records have a hash of their own content, as those of this version have."""
        return storage.SEAL in self.manifest

    @cached_property
    def records(self) -> dict[str, dict[str, Any]]:
        """Each run's `run`, `evaluation` and columns of its `history`, by the run's path."""
        where = f"{self.folder}/records.jsonl"
        try:
            lines = [json.loads(line) for line in self.text("records.jsonl").splitlines()]
        except (json.JSONDecodeError, RecursionError) as error:
            raise GanloreError(f"{where}: damaged: {error}\n  to mend it: {REMEDY}") from None
        runs = [shapes.check(line, shapes.PublishedRun, where, REMEDY) for line in lines]
        return {record["run"]["id"]: record for record in runs}

    def text(self, name: str) -> str:
        """A file's text; a large one is there compressed, under its name and `.gz`."""
        plain = self.folder / name
        if plain.exists():
            return storage.read_text(plain)
        packed = plain.with_name(f"{name}.gz")
        try:
            return gzip.decompress(packed.read_bytes()).decode()
        except FileNotFoundError:
            raise GanloreError(f"{plain}: missing\n  to mend it: {REMEDY}") from None
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise GanloreError(f"{packed}: damaged: {error}\n  to mend it: {REMEDY}") from None

    def rows(self, name: str) -> dict[str, list[Row]]:
        """The rows of a table, values as written, by the path of their run."""
        rows: dict[str, list[Row]] = defaultdict(list)
        table = csv.DictReader(io.StringIO(self.text(name)))
        if lacking := [column for column in KEY if column not in (table.fieldnames or ())]:
            raise GanloreError(
                f"{self.folder}/{name}: no column {', '.join(lacking)}\n  to mend it: {REMEDY}"
            )
        for row in table:
            *cell, seed = (row[column] for column in KEY)
            rows["/".join((*cell, f"seed{seed}"))].append(row)
        return rows


REMEDY = "git checkout the folder, or publish the study again"


def opened(folder: Path) -> Publication:
    """The publication in a folder, unchecked.

    Raises:
        GanloreError: if there is none.
    """
    return Publication(folder, storage.read_json(folder / MANIFEST, REMEDY, shapes.Publication))


def verify(folder: Path) -> Findings:
    """Check a publication: files, tables, records, and the report's tables.

    Raises:
        GanloreError: if there is no publication in the folder.
    """
    publication = opened(folder)
    findings = Findings()
    _check_own(findings, publication)
    if not _check_files(findings, publication):
        return findings  # what follows needs all of them
    try:
        _check_runs(findings, publication)
        _check_inputs(findings, publication)
        plan = _plan(findings, publication)
        if plan:
            _check_tables(findings, publication, plan)
            _note_changes(findings, publication, plan)
    except GanloreError as error:
        findings.wrong.append(f"{error}\n  what follows from it was not checked")
    return findings


def _check_own(findings: Findings, publication: Publication) -> None:
    """`publication.json` has the hash of its own content, but for one of an earlier version."""
    path = publication.folder / MANIFEST
    if publication.sealed:
        findings.expect(_whole(publication.manifest), f"{path}: altered\n  to mend it: {REMEDY}")
    else:
        findings.notes.append(
            f"{path}: of an earlier version, whose records have no hash of their own content"
        )


def _whole(record: dict[str, Any]) -> bool:
    """Whether a record has the hash of its own content."""
    return record.get(storage.SEAL) == storage.seal(record)


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
    metrics, history = publication.rows("metrics.csv"), publication.rows("history.csv")
    summaries = publication.rows("runs.csv")
    for name, table in (("metrics", metrics), ("history", history), ("runs", summaries)):
        for run in table.keys() - publication.records.keys():
            findings.wrong.append(f"{publication.folder}/{name}.csv: {run}: a run without a record")
    for run, record in publication.records.items():
        where = f"{publication.folder}: {run}"
        trained, evaluated = record["run"], record["evaluation"]
        measured = storage.hashes(evaluated)["metrics.csv"]
        findings.expect(
            _sha256(metrics.get(run, [])) == measured,
            f"{where}: its rows in metrics.csv are not those that its evaluation recorded",
        )
        steps = [
            {name: row.get(name, "") for name in record["history"]} for row in history.get(run, [])
        ]
        findings.expect(
            _sha256(steps) == storage.hashes(trained)["history.csv"],
            f"{where}: its rows in history.csv are not those that its training recorded",
        )
        findings.expect(
            [{name: row.get(name, "") for name in RECORDED} for row in summaries.get(run, [])]
            == [{name: str(trained[name]) for name in RECORDED}],
            f"{where}: its row in runs.csv is not what its record tells",
        )
        for text in _disagreements(run, trained, evaluated):
            findings.wrong.append(f"{where}: {text}")
        for part in (trained, evaluated) if publication.sealed else ():
            findings.expect(_whole(part), f"{where}: a record was altered")
        findings.checked += 1


def _sha256(rows: list[Row]) -> str:
    return hashlib.sha256(storage.csv_text(rows).encode()).hexdigest()


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
    if evaluated["snapshots"] != storage.hashes(trained)["snapshots.pt"]:
        yield "other snapshots were evaluated than those that its training left"


def _check_inputs(findings: Findings, publication: Publication) -> None:
    """The data and extractors that the runs name are those whose records are published."""
    folder = publication.folder
    for run, record in publication.records.items():
        dataset = record["run"]["settings"]["dataset"]["name"]
        manifest = folder / "data" / dataset / "manifest.json"
        described = storage.read_json(manifest, "publish again", shapes.Manifest)
        digest = Store(manifest.parent, described).digest
        findings.expect(
            not publication.sealed or _whole(described), f"{manifest}: altered\n  {REMEDY}"
        )
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


def _tables_again(publication: Publication, plan: Plan) -> dict[str, str]:
    """The report's tables, made of the published metrics, by their path in the report.

    Raises:
        GanloreError: where the published tables are not such as a study has.
    """
    import pandas as pd

    from ganlore.analysis import tables
    from ganlore.analysis.results import Results
    from ganlore.report import files

    try:
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
        return files.texts(Results(plan, tidy))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise GanloreError(
            f"{publication.folder}: no report can be made of its tables ({error!r})\n"
            f"  to mend it: {REMEDY}"
        ) from None


def _check_tables(findings: Findings, publication: Publication, plan: Plan) -> None:
    """The report's tables, made again from the published metrics, have the same numbers."""
    made = _tables_again(publication, plan)
    published = publication.manifest["files"]["reports"]
    for name, text in made.items():
        path = publication.reports / name
        if name not in published and name not in FIRST:
            findings.notes.append(f"{path}: this version makes it, the one that published did not")
            continue
        findings.expect(
            path.exists() and _same(storage.read_text(path), text),
            f"{path}: not what the published metrics give\n"
            "  to mend it: make the report again with this version, and publish again",
        )
    tables_folder = publication.reports / "tables"
    for path in sorted(tables_folder.iterdir()) if tables_folder.is_dir() else ():
        name = f"tables/{path.name}"
        if name in published and name not in made:
            findings.notes.append(f"{path}: the version that published made it, this one does not")


def _same(one: str, other: str) -> bool:
    """Whether two tables are equal, numbers up to the last bits that libraries may differ in."""
    if one == other:
        return True
    rows, others = (list(csv.reader(io.StringIO(text))) for text in (one, other))
    return [len(row) for row in rows] == [len(row) for row in others] and all(
        _close(value, expected)
        for row, there in zip(rows, others, strict=True)
        for value, expected in zip(row, there, strict=True)
    )


def _close(value: str, other: str) -> bool:
    try:
        return value == other or math.isclose(float(value), float(other), rel_tol=1e-9)
    except ValueError:
        return False


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
