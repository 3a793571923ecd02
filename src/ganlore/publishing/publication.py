"""A publication as it lies on disk: its tables and records, read and not compared."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import os
import zlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlore import frames, shapes, storage
from ganlore.errors import GanloreError

if TYPE_CHECKING:
    from ganlore.analysis.tables import Tables
    from ganlore.study.run import Plan

MANIFEST = "publication.json"
KEY = ("dataset", "network", "loss", "trick", "variant", "train_seed")
"""The columns that name a run, in the order of its path."""


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

    def table(self, name: str) -> Table:
        """A table by its name; a row that is too short is filled up with empty values."""
        head, *lines = list(csv.reader(io.StringIO(self.text(f"{name}.csv")))) or [[]]
        runs: dict[str, list[list[str]]] = defaultdict(list)
        if lacking := [column for column in KEY if column not in head]:
            raise GanloreError(
                f"{self.folder}/{name}.csv: no column {', '.join(lacking)}\n  to mend it: {REMEDY}"
            )
        places = [head.index(column) for column in KEY]
        for line in lines:
            row = line + [""] * (len(head) - len(line))
            *cell, seed = (row[place] for place in places)
            runs["/".join((*cell, f"seed{seed}"))].append(row)
        return Table(head, runs)

    def plan(self) -> Plan:
        """The plan of the published settings.

        Raises:
            GanloreError: where this version cannot read them any more.
        """
        from ganlore.study import schema
        from ganlore.study.expand import expand

        return expand(schema.parse(self.manifest["settings"], str(self.folder)))

    def tidy(self) -> Tables:
        """The tables of its runs, as the report is made of.

        Raises:
            ArithmeticError, AttributeError, LookupError, TypeError, ValueError: where they are not
                such as a study has.
        """
        from ganlore.analysis import tables

        hashes = self.manifest["files"]["results"]
        later = [name for name in tables.LATER if hashes.keys() & {f"{name}.csv", f"{name}.csv.gz"}]
        searched = ["search"] if self.manifest["settings"].get("search") else []
        texts = {name: self.text(f"{name}.csv") for name in (*tables.NAMES, *later, *searched)}
        read = {
            name: frames.read_csv(
                io.StringIO(text),
                keep_default_na=False,
                na_values=["nan", ""],
                low_memory=False,
            )
            for name, text in texts.items()
        }
        return tables.Tables(**read)


REMEDY = "git checkout the folder, or publish the study again"


def opened(folder: Path) -> Publication:
    """The publication in a folder, unchecked.

    Raises:
        GanloreError: if there is none.
    """
    return Publication(folder, storage.read_json(folder / MANIFEST, REMEDY, shapes.Publication))
