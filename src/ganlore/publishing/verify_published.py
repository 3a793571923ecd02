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

import contextlib
import gc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ganlore import __version__, shapes, storage
from ganlore.console import Progress
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.execution import freshness
from ganlore.publishing.publication import MANIFEST, REMEDY, Publication, opened
from ganlore.publishing.tolerance import same
from ganlore.publishing.verify import Findings
from ganlore.study.run import Plan, hashed

FIRST = tuple(f"tables/{name}.csv" for name in ("cells", "metrics", "runs"))
"""What every publication's report has, whichever version made it."""

RECORDED = (
    "status", "steps", "seconds", "peak_memory_mb", "settings_hash", "code_hash", "device",
)  # fmt: skip
"""The columns of `runs.csv` that a run's record has as well."""


def verify(folder: Path) -> Findings:
    """Check a publication: files, tables, records, and the report's tables.

    Raises:
        GanloreError: if there is no publication in the folder.
    """
    publication = opened(folder)
    findings = Findings()
    with _no_collection(), Progress(f"verify {folder}", 5) as progress:
        progress.update(0, "files")
        _check_own(findings, publication)
        if not _check_files(findings, publication):
            return findings  # what follows needs all of them
        try:
            _check_content(findings, publication, progress)
        except GanloreError as error:
            findings.wrong.append(f"{error}\n  what follows from it was not checked")
    return findings


def _check_content(findings: Findings, publication: Publication, progress: Progress) -> None:
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
    tables = {name: publication.table(name) for name in ("metrics", "history", "runs")}
    for name, table in tables.items():
        for run in table.runs.keys() - publication.records.keys():
            findings.wrong.append(f"{publication.folder}/{name}.csv: {run}: a run without a record")
    for run, record in publication.records.items():
        where = f"{publication.folder}: {run}"
        trained, evaluated = record["run"], record["evaluation"]
        findings.expect(
            tables["metrics"].sha256(run) == storage.hashes(evaluated)["metrics.csv"],
            f"{where}: its rows in metrics.csv are not those that its evaluation recorded",
        )
        steps = tables["history"].sha256(run, record["history"])
        findings.expect(
            steps == storage.hashes(trained)["history.csv"],
            f"{where}: its rows in history.csv are not those that its training recorded",
        )
        findings.expect(
            tables["runs"].values(run, RECORDED) == [[str(trained[name]) for name in RECORDED]],
            f"{where}: its row in runs.csv is not what its record tells",
        )
        for text in _disagreements(run, trained, evaluated):
            findings.wrong.append(f"{where}: {text}")
        for part in (trained, evaluated) if publication.sealed else ():
            findings.expect(_whole(part), f"{where}: a record was altered")
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
        plan = publication.plan()
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
    from ganlore.analysis import tables
    from ganlore.analysis.results import Results
    from ganlore.report import files

    try:
        tidy = publication.tidy()
        tables.check_protocols(tidy.metrics, publication.folder / "metrics.csv")
        return files.texts(Results(plan, tidy))
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise GanloreError(
            f"{publication.folder}: no report can be made of its tables ({error!r})\n"
            f"  to mend it: {REMEDY}"
        ) from None


def _check_tables(findings: Findings, publication: Publication, plan: Plan) -> None:
    """The report's tables, made again from the published metrics, have the same numbers.

    A table that another version of the package published may differ, since versions rank and count
    otherwise: that is a note.
    """
    made = _tables_again(publication, plan)
    published = publication.manifest["files"]["reports"]
    version = publication.manifest["ganlore"]
    for name, text in made.items():
        path = publication.reports / name
        if name not in published and name not in FIRST:
            findings.notes.append(f"{path}: this version makes it, the one that published did not")
            continue
        agrees = path.exists() and same(name, storage.read_text(path), text)
        if path.exists() and not agrees and version != __version__:
            findings.notes.append(f"{path}: made otherwise by this version than by {version}")
            continue
        findings.expect(
            agrees,
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
