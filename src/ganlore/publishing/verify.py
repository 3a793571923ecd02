"""Whether a study's files are what their records say."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganlore import storage
from ganlore.errors import GanloreError
from ganlore.execution import retention, status
from ganlore.study.run import Plan, Run


@dataclass
class Findings:
    """What a check has found.

    Attributes:
        checked: the number of files and records that were compared.
        let_go: files that are not there because the study does not keep them.
        wrong: what is wrong, one text for each finding.
        notes: what a reader should know and is not wrong.
    """

    checked: int = 0
    let_go: list[Path] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def expect(self, agrees: bool, otherwise: str) -> None:
        """Count a check, and keep its text where it fails."""
        self.checked += 1
        if not agrees:
            self.wrong.append(otherwise)

    def lines(self) -> list[str]:
        """The findings as text, their count last."""
        told = [*self.wrong, *(f"note: {note}" for note in self.notes)]
        gone = f", {len(self.let_go)} let go as the study says (keep)" if self.let_go else ""
        return [
            *told, f"{self.checked} files and records checked{gone}, {len(self.wrong)} findings"
        ]  # fmt: skip


def verify(plan: Plan) -> Findings:
    """Check every file of a study against its record."""
    data = Path(plan.study.data)
    found = Findings()
    for name in plan.datasets:
        _record(found, data / "prepared" / name / "manifest.json")
    for name, extractors in plan.extractors.items():
        for extractor in extractors:
            _record(found, data / "extractors" / name / extractor / "record.json")
    for (name, extractor), protocol in plan.references.items():
        path = data / "extractors" / name / extractor / "reference" / protocol.place / "record.json"
        if path.exists():  # an evaluation can do without
            _record(found, path)
    for run in plan.runs:
        folder = plan.folder(run)
        _record(found, folder / "run.json", retention.let_go(plan.study.keep, folder))
        _record(found, folder / "evaluation.json")
        if (path := folder / "run.json").exists():
            found.checked += 1
            found.wrong += _settings_findings(run, json.loads(path.read_text()), path, data)
    return found


def _record(found: Findings, path: Path, optional: Collection[str] = ()) -> None:
    """Check a record and the files that it tells of, of which some may have been let go."""
    remedy = f"delete {path.parent} and run snakemake"
    try:
        files = storage.hashes(storage.read_json(path, remedy))
    except GanloreError as error:
        found.wrong.append(str(error))
        return
    for name, digest in files.items():
        file = path.parent / name
        if name in optional and not file.exists():
            found.let_go.append(file)
            continue
        found.checked += 1
        try:
            storage.check(file, digest, remedy)
        except GanloreError as error:
            found.wrong.append(str(error))


def _settings_findings(run: Run, record: dict[str, Any], path: Path, data: Path) -> list[str]:
    """Whether a run's record tells the settings that its hash was made of, and the study's."""
    told = Run.model_validate(record["settings"]).training_hash()
    if told != record["settings_hash"]:
        return [
            f"{path}: its settings were altered\n  expected hash {record['settings_hash']}\n"
            f"  found    hash {told}\n  to make it again: delete {path.parent} and run snakemake"
        ]
    if what := status.changed(run, record, data):
        return [f"{path}: stale, {what} changed since\n  to mend it: run snakemake"]
    return []
