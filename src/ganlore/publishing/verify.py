"""Whether a study's files are what their records say."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ganlore import shapes, storage
from ganlore.console import Progress
from ganlore.errors import GanloreError
from ganlore.execution import freshness, records
from ganlore.report import files
from ganlore.study.run import Plan, Run


@dataclass
class Findings:
    """What a check found.

    Attributes:
        checked: the number of files and records that were compared.
        discarded: files that are not there because the study does not keep them.
        wrong: what is wrong, one text for each finding.
        notes: what a reader should know and is not wrong.
    """

    checked: int = 0
    discarded: list[Path] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def expect(self, agrees: bool, otherwise: str) -> None:
        """Count a check, and keep its text where it fails."""
        self.checked += 1
        if not agrees:
            self.wrong.append(otherwise)

    def lines(self) -> list[str]:
        """The findings as text, their count last."""
        texts = [*self.wrong, *(f"note: {note}" for note in self.notes)]
        discarded = f", {len(self.discarded)} discarded as the study says (keep)"
        checked = f"{self.checked} files and records checked{discarded if self.discarded else ''}"
        return [*texts, f"{checked}, {len(self.wrong)} findings"]


def verify(plan: Plan) -> Findings:
    """Check every file of a study against its record, and each record against its own hash."""
    data = Path(plan.study.data)
    findings = Findings()
    for name in plan.datasets:
        _record(findings, data / "prepared" / name / "manifest.json", shape=shapes.Manifest)
    changed, notes = freshness.changed_files(plan, thorough=True)
    findings.notes += notes
    for name, text in changed.items():
        findings.expect(False, f"{text}\n  to mend it: run snakemake, which prepares {name} again")
    for name, extractors in plan.extractors.items():
        for extractor in extractors:
            fitted = data / "extractors" / name / extractor / "record.json"
            _record(findings, fitted, shape=shapes.Fitted)
    for (name, extractor), protocol in plan.references.items():
        path = data / "extractors" / name / extractor / "reference" / protocol.place / "record.json"
        if path.exists():  # an evaluation can do without
            _record(findings, path, shape=shapes.Reference)
        if (disguised := path.parent / "controls/record.json").exists():
            _record(findings, disguised, shape=shapes.Controls)
    if plan.costs and (timed := plan.costs_folder / "record.json").exists():
        _record(findings, timed, "run snakemake", shapes.Costs)  # no time is compared with another
    with Progress(f"verify {plan.study.name}", len(plan.runs)) as progress:
        for done, run in enumerate(plan.runs, 1):
            _run(findings, plan, run)
            progress.update(done, "runs")
    _collected(findings, plan)
    return findings


def _collected(findings: Findings, plan: Plan) -> None:
    """Check tables and report, and that they are made of what there is; each if it was begun."""
    results, reports = Path(plan.study.results), Path(plan.study.reports)
    begun = {
        results / records.TABLES: [*results.glob("*.parquet"), results / "floor.csv"],
        reports / records.REPORT: [reports / name for name in (*files.WHOLE, *files.FOLDERS)],
    }
    for path, beside in begun.items():
        if any(file.exists() for file in (path, *beside)):
            _record(findings, path, remedy="run snakemake")
            if not findings.wrong:  # else it is of runs that are wrong or missing
                _chain(findings, plan, path.name)


def _record(
    findings: Findings, path: Path, remedy: str = "", shape: type[shapes.Record] = shapes.Record
) -> None:
    """Check a record and the files that it tells of."""
    remedy = remedy or records.remedy(path.parent)
    if record := _opened(findings, storage.open_record, path, remedy, shape):
        _files(findings, path.parent, record, remedy)


def _opened(
    findings: Findings, reader: Callable[..., records.Record], *arguments: Any
) -> records.Record | None:
    """What reads a record gives; None, and a finding, if it refuses it."""
    try:
        record = reader(*arguments)
    except GanloreError as error:
        findings.wrong.append(str(error))
        return None
    findings.checked += 1
    return record


def _files(
    findings: Findings,
    folder: Path,
    record: records.Record,
    remedy: str,
    optional: Collection[str] = (),
) -> None:
    """Check the files that a record tells of, of which some may be discarded."""
    for name, digest in storage.hashes(record).items():
        file = folder / name
        if name in optional and not file.exists():
            findings.discarded.append(file)
            continue
        findings.checked += 1
        try:
            storage.check(file, digest, remedy)
        except GanloreError as error:
            findings.wrong.append(str(error))


def _run(findings: Findings, plan: Plan, run: Run) -> None:
    """Check a run's files, and that its records are its own, up to date, and of each other."""
    folder = plan.folder(run)
    remedy = records.remedy(folder)
    record = _opened(findings, records.trained, run, folder)
    evaluated = _opened(findings, records.evaluated, run, folder)
    optional = freshness.discarded(plan.study.keep, evaluated)
    for one in filter(None, (evaluated, record)):
        _files(findings, folder, one, remedy, optional)
    if not record:
        return
    findings.checked += 1
    try:
        _check_settings(folder, record)
        freshness.changes(run, record, evaluated, Path(plan.study.data)).check(folder)
    except GanloreError as error:
        findings.wrong.append(str(error))


def _check_settings(folder: Path, record: records.Record) -> None:
    """Raise a GanloreError where a run's settings are not those of their hash."""
    try:
        settings_hash = Run.model_validate(record["settings"]).training_hash()
    except (ValidationError, GanloreError) as error:
        settings_hash = f"none: {str(error).splitlines()[0]}"
    if settings_hash != record["settings_hash"]:
        raise GanloreError(
            f"{folder / records.TRAINED}: its settings were altered\n"
            f"  expected hash {record['settings_hash']}\n  found    hash {settings_hash}\n"
            f"  to make it again: {records.remedy(folder)}"
        )


def _chain(findings: Findings, plan: Plan, name: str) -> None:
    """Check that tables are of the runs that there are, or the report of the tables."""
    findings.checked += 1
    try:
        (records.tables if name == records.TABLES else records.report)(plan)
    except GanloreError as error:
        findings.wrong.append(str(error))
