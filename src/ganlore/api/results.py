"""The results of a finished or a published study, as tidy data frames."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from ganlore import frames, storage
from ganlore.analysis import tables
from ganlore.errors import GanloreError
from ganlore.execution import records
from ganlore.publishing import publication
from ganlore.study import schema

VERDICTS = "tables/verdicts.csv"
COLLECT = "run snakemake, or `ganlore collect STUDY`"
NO_CLAIMS = ("claim", "statement", "verdict", "label", "effect", "low", "high", "n")
"""Columns of the frame of a study without claims, which has no rows."""


@dataclass(frozen=True)
class StudyResults:
    """A study's results, one data frame each; every row names its run or its claim.

    A run is named by the columns dataset, network, loss, trick, variant and train_seed.

    Attributes:
        folder: where they were read.
        metrics: one row for each run, snapshot, extractor and metric: `images` (shown to the
            discriminator until then), `metric`, `value`, the protocol, and `status`; a run that
            diverged ends with a row of each metric without a value and with status "diverged".
        history: one row for each run and recorded step: losses, logits, gradient norms, time.
        runs: one row for each run: status, seconds, memory (MB), optimiser, versions.
        floor: the metrics of real data compared with real data.
    """

    folder: Path
    metrics: pd.DataFrame
    history: pd.DataFrame
    runs: pd.DataFrame
    floor: pd.DataFrame
    _read_claims: Callable[[], pd.DataFrame] = field(repr=False)

    @cached_property
    def claims(self) -> pd.DataFrame:
        """One row for each test of each claim: verdict, effect, interval, n, p.

        Without rows for a study that names no claims.

        Raises:
            GanloreError: if the report that has them is missing or of other results.
        """
        return self._read_claims()

    @cached_property
    def ends(self) -> pd.DataFrame:
        """One row for each run and extractor: each metric at the last snapshot, and at the best."""
        return tables.finals(self.metrics)


def load(place: str | Path, reports: str | Path | None = None) -> StudyResults:
    """The results of a study.

    Args:
        place: the folder of a finished study's results (`results`, `smoke/results`), the folder of
            a published study (`results/study`), or a study file, whose folders are then read.
        reports: the folder of the report, which has the claims; for a finished study that lies
            elsewhere than in `reports` beside the results.

    Raises:
        GanloreError: if there are no results, or they are damaged.
    """
    folder = Path(place)
    if folder.is_file():
        study = schema.load(str(place))
        folder, reports = Path(study.results), reports or study.reports
    if (folder / publication.MANIFEST).exists():
        return _published(folder)
    if not (folder / records.TABLES).exists():
        raise GanloreError(
            f"{folder}: neither {records.TABLES} of a finished study nor {publication.MANIFEST} of "
            f"a published one\n  to make it: {COLLECT}; or name another folder"
        )
    record = storage.read_record(folder / records.TABLES, COLLECT)
    report = Path(reports) if reports else folder.parent / "reports"
    return StudyResults(
        folder,
        metrics=pd.read_parquet(folder / "metrics.parquet"),
        history=pd.read_parquet(folder / "history.parquet"),
        runs=pd.read_parquet(folder / "runs.parquet"),
        floor=frames.read_csv(folder / "floor.csv"),
        _read_claims=lambda: _claims_of_report(report, record[storage.SEAL]),
    )


def _published(folder: Path) -> StudyResults:
    opened = publication.opened(folder)
    try:
        tidy = opened.tidy()
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise GanloreError(
            f"{folder}: damaged: {error}\n  to see what: ganlore verify {folder}"
        ) from None
    return StudyResults(
        folder,
        tidy.metrics,
        tidy.history,
        tidy.runs,
        tidy.floor,
        lambda: _claims(opened.reports, opened.manifest["files"]["reports"], publication.REMEDY),
    )


def _claims_of_report(reports: Path, tables_seal: str) -> pd.DataFrame:
    """The claims of a report, once it is made of the tables with a hash."""
    again = "run snakemake; or name the report's folder: ganlore.load(place, reports=...)"
    record = storage.open_record(reports / records.REPORT, again)
    if record["tables"] != tables_seal:
        raise GanloreError(
            f"{reports / records.REPORT}: made of other tables than these\n"
            f"  to make it again: {again}"
        )
    return _claims(reports, storage.hashes(record), again)


def _claims(reports: Path, hashes: dict[str, str], again: str) -> pd.DataFrame:
    if VERDICTS not in hashes:
        return pd.DataFrame(columns=list(NO_CLAIMS))
    storage.check(reports / VERDICTS, hashes[VERDICTS], again)
    text = io.StringIO(storage.read_text(reports / VERDICTS))
    return frames.read_csv(text, keep_default_na=False, na_values=["", "nan"])
