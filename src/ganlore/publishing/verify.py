"""Whether a study's files are what their records say."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from ganlore import storage
from ganlore.errors import GanloreError
from ganlore.execution import freshness
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
    """Check every file of a study against its record."""
    data = Path(plan.study.data)
    findings = Findings()
    for name in plan.datasets:
        _record(findings, data / "prepared" / name / "manifest.json")
    changed, notes = freshness.changed_files(plan, thorough=True)
    findings.notes += notes
    for name, text in changed.items():
        findings.expect(False, f"{text}\n  to mend it: run snakemake, which prepares {name} again")
    for name, extractors in plan.extractors.items():
        for extractor in extractors:
            _record(findings, data / "extractors" / name / extractor / "record.json")
    for (name, extractor), protocol in plan.references.items():
        path = data / "extractors" / name / extractor / "reference" / protocol.place / "record.json"
        if path.exists():  # an evaluation can do without
            _record(findings, path)
    for run in plan.runs:
        folder = plan.folder(run)
        _record(findings, folder / "run.json", freshness.discarded(plan.study.keep, folder))
        _record(findings, folder / "evaluation.json")
        if (folder / "run.json").exists():
            findings.checked += 1
            findings.wrong += _stale(run, folder, data)
    return findings


def _record(findings: Findings, path: Path, optional: Collection[str] = ()) -> None:
    """Check a record and the files that it tells of, of which some may be discarded."""
    remedy = f"delete {path.parent} and run snakemake"
    try:
        files = storage.hashes(storage.read_json(path, remedy))
    except GanloreError as error:
        findings.wrong.append(str(error))
        return
    for name, digest in files.items():
        file = path.parent / name
        if name in optional and not file.exists():
            findings.discarded.append(file)
            continue
        findings.checked += 1
        try:
            storage.check(file, digest, remedy)
        except GanloreError as error:
            findings.wrong.append(str(error))


def _stale(run: Run, folder: Path, data: Path) -> list[str]:
    """Whether a run's record has the settings that its hash was made of, and is up to date."""
    path, evaluation = folder / "run.json", folder / "evaluation.json"
    record = json.loads(path.read_text())
    settings_hash = Run.model_validate(record["settings"]).training_hash()
    if settings_hash != record["settings_hash"]:
        return [
            f"{path}: its settings were altered\n  expected hash {record['settings_hash']}\n"
            f"  found    hash {settings_hash}\n"
            f"  to make it again: delete {folder} and run snakemake"
        ]
    evaluated = json.loads(evaluation.read_text()) if evaluation.exists() else None
    try:
        freshness.changes(run, record, evaluated, data).check(folder)
    except GanloreError as error:
        return [str(error)]
    return []
