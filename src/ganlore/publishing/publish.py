"""A finished study's result in the form that belongs into git: small, whole, and checkable.

A publication has two folders. Beside the tables lies `publication.json` with the study's settings
and the SHA-256 of every file of both.

    <results>/publication.json
    <results>/records.jsonl      a line for each run: its `run.json` and its `evaluation.json`
    <results>/metrics.csv        the rows of all runs' `metrics.csv`, to the letter
    <results>/history.csv        likewise of `history.csv`, with the columns that name the run
    <results>/runs.csv floor.csv controls.csv costs.csv
                                 the tables that `collect` wrote
                                 (each of these above a megabyte compressed, as `<name>.gz`)
    <results>/data/<data set>/manifest.json
    <results>/extractors/<data set>/<extractor>/record.json
    <reports>/index.html paper.pdf leaderboard.csv numbers.json numbers.tex figures/ tables/
              pictures/

Weights, samples and data stay out of it. `verify_published` follows every number back to the hash
in its run's record.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

from ganlore import provenance, storage
from ganlore.errors import GanloreError
from ganlore.evaluation import collect
from ganlore.execution import records
from ganlore.publishing import publication, verify_published
from ganlore.report import files as report_files
from ganlore.study.run import Plan

MEGABYTE = 1_000_000


def publish(
    plan: Plan, source: str, results: Path, reports: Path, limit: float = 15.0
) -> dict[Path, int]:
    """Copy what belongs into git from a finished study's folders, and check the copy.

    Args:
        plan: the study's plan; all its runs are done and the report is made.
        source: the study's file, to be named; empty where the study came as JSON.
        results: where tables and records go.
        reports: where the page, its figures and tables go.
        limit: megabytes that all of it may take; git keeps them for ever.

    Returns:
        The size of each file in bytes.

    Raises:
        GanloreError: if a run is missing, stale or damaged, if the report is of other numbers, if
            a folder is one that the study itself writes, or if it is all too large.
    """
    _check_places(plan, results, reports)
    _check_settings(plan)
    files = {results / name: data for name, data in _results(plan).items()}
    files |= {reports / name: data for name, data in _report(plan).items()}
    sizes = {path: len(data) for path, data in files.items()}
    if (total := sum(sizes.values()) / MEGABYTE) > limit:
        largest = sorted(sizes, key=lambda path: -sizes[path])[:3]
        names = "".join(f"\n  {path}: {sizes[path] / MEGABYTE:.1f} MB" for path in largest)
        raise GanloreError(
            f"a publication of {total:.1f} MB is above the limit of {limit:g} MB; largest:{names}\n"
            "  lower protocol.pictures, training.history or training.snapshots, or give --limit"
        )
    (results / publication.MANIFEST).unlink(missing_ok=True)  # written last: it is whole or none
    _forget(set(files), results, reports)
    hashes = {path: storage.write_bytes(path, data) for path, data in files.items()}
    manifest = _manifest(plan, source, hashes, results, reports)
    storage.write_json(results / publication.MANIFEST, storage.sealed(manifest))
    if wrong := verify_published.verify(results).wrong:
        (results / publication.MANIFEST).unlink()
        raise GanloreError("\n".join([f"{results}: this result is not sound", *wrong[:10]]))
    return sizes


def _manifest(
    plan: Plan, source: str, hashes: dict[Path, str], results: Path, reports: Path
) -> dict[str, Any]:
    """The study's settings, what published it, and the hash of each file of both folders."""
    environment = provenance.environment()
    return {
        "study": plan.study.name,
        "title": plan.study.title,
        "source": _source(source),
        "settings": plan.study.model_dump(mode="json"),
        "runs": len(plan.runs),
        "ganlore": environment["versions"]["ganlore"],
        "git": environment["git"],
        "reports": os.path.relpath(reports, results),
        "files": {
            name: {
                str(path.relative_to(folder)): digest
                for path, digest in hashes.items()
                if path.is_relative_to(folder)
            }
            for name, folder in (("results", results), ("reports", reports))
        },
    }


def _check_places(plan: Plan, results: Path, reports: Path) -> None:
    """A publication needs folders of its own, which no study writes into."""
    own = {Path(plan.study.results).resolve(), Path(plan.study.reports).resolve()}
    for place in (results, reports):
        if place.resolve() in own or (place / "runs").is_dir():
            raise GanloreError(
                f"{place}: the study itself writes here; a publication needs a folder of its own\n"
                "  name one with --to or --reports"
            )
    if results.resolve() == reports.resolve():
        raise GanloreError(f"{results}: name different folders with --to and --reports")


def _check_settings(plan: Plan) -> None:
    """What is published names no place of this machine: nobody else could run it again."""
    for run in plan.runs:
        for part in (run.dataset, run.network, run.loss, *run.applied):
            for key, value in part.settings.items():
                if isinstance(value, str) and Path(value).is_absolute():
                    raise GanloreError(
                        f"{part.name}: {key} = {value!r} is a place of this machine, which nobody "
                        "else has\n  name it relative to the working directory and run the study "
                        "again; a link may lie there"
                    )


def _source(source: str) -> dict[str, str]:
    """The study's file and its hash."""
    path = Path(source)
    inline = source.lstrip().startswith("{")
    return {} if inline or not path.is_file() else {str(path): storage.sha256(path)}


def _forget(files: set[Path], *folders: Path) -> None:
    """Delete the files of an earlier publication that this one has not."""
    for folder in folders:
        for path in folder.rglob("*") if folder.is_dir() else ():
            if path.is_file() and path not in files:
                path.unlink()


def _results(plan: Plan) -> dict[str, bytes]:
    """The files of the results folder, by their path in it."""
    data = Path(plan.study.data)
    lines, metrics, history = [], [], []
    for run in plan.runs:
        folder = plan.folder(run)
        record = collect.check_run(plan, run)
        steps = _rows((folder / "history.csv").read_text(encoding="utf-8"))
        metrics += _rows((folder / "metrics.csv").read_text(encoding="utf-8"))
        history += [{**run.key, **row} for row in steps]
        lines.append(
            {
                "run": record,
                "evaluation": records.evaluated(run, folder),
                # the order of a run's columns, which a table of all runs cannot keep
                "history": list(steps[0]) if steps else [],
            }
        )
    texts = {
        "records.jsonl": "".join(json.dumps(record) + "\n" for record in lines),
        "metrics.csv": storage.csv_text(metrics),
        "history.csv": storage.csv_text(history),
        **_tables(plan),
    }
    files = dict(_stored(name, text.encode()) for name, text in texts.items())
    for name in plan.datasets:
        place = f"{name}/manifest.json"
        files[f"data/{place}"] = (data / "prepared" / place).read_bytes()
    for name, extractors in plan.extractors.items():
        for extractor in extractors:
            place = f"extractors/{name}/{extractor}/record.json"
            files[place] = (data / place).read_bytes()
    return files


def _stored(name: str, data: bytes) -> tuple[str, bytes]:
    """A file as it is published: above a megabyte compressed, always to the same bytes."""
    if len(data) <= MEGABYTE:
        return name, data
    return f"{name}.gz", gzip.compress(data, mtime=0)


def _rows(text: str) -> list[dict[str, Any]]:
    """A table's rows, every value as it is written."""
    return list(csv.DictReader(io.StringIO(text)))


def _tables(plan: Plan) -> dict[str, str]:
    """The tables of runs, and of what is no run's, as `collect` wrote them."""
    from ganlore.analysis import tables

    tidy = tables.read(plan)
    searched = ["search"] if plan.study.search else []
    names = ("floor", *tables.LATER, *searched)
    files = [Path(plan.study.results) / f"{name}.csv" for name in names]
    return {
        "runs.csv": tidy.runs.to_csv(index=False, lineterminator="\n"),
        **{file.name: file.read_text(encoding="utf-8") for file in files},
    }


def _report(plan: Plan) -> dict[str, bytes]:
    """The files of the report, by their path in it."""
    folder = Path(plan.study.reports)
    records.report(plan)
    return {str(path.relative_to(folder)): path.read_bytes() for path in report_files.paths(folder)}
