"""The records that this project writes beside its files: what each must have to be read.

A record may have more than is named here. Hashes decide whether one is what was written; a shape
only lets a damaged record be named, where it would be an accident somewhere later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ganlore.errors import GanloreError


class Record(BaseModel):
    """A mapping with the keys of a subclass, each of its type, and any others."""

    model_config = ConfigDict(extra="allow", strict=True)


class WithFiles(Record):
    """A record of files, by name: without the hash of a file nothing would check it."""

    NEEDED: ClassVar[tuple[str, ...]] = ()

    @field_validator("files", check_fields=False)
    @classmethod
    def _has_all(cls, files: Mapping[str, Any]) -> Mapping[str, Any]:
        if lacking := [name for name in cls.NEEDED if name not in files]:
            raise ValueError(f"no hash of {', '.join(lacking)}")
        return files


class Files(WithFiles):
    """The SHA-256 of each file, by its name."""

    files: dict[str, str]


class StoredFile(Record):
    """A file of prepared data."""

    sha256: str


class Form(Record):
    """What the report reads of `manifest.json`."""

    shape: list[int]
    classes: int


class Manifest(Form, WithFiles):
    """`manifest.json` of prepared data."""

    NEEDED = ("train.npy", "test.npy")

    name: str
    settings: dict[str, Any]
    files: dict[str, StoredFile]


class Fitted(Files):
    """`record.json` of a fitted extractor."""

    NEEDED = ("weights.pt", "train.npy", "test.npy")


class Git(Record):
    """The state of the code; None where git could not tell."""

    commit: str | None
    dirty: bool | None


class Environment(Record):
    """Where a run was trained."""

    git: Git
    versions: dict[str, str | None]
    processor: str


class Made(Record):
    """What the report reads of `run.json`."""

    environment: Environment


class PlugIn(Record):
    """A plug-in in a run's settings."""

    name: str


class Settings(Record):
    """A run's settings, as far as they are read without a run's own check of them."""

    dataset: PlugIn


class Trained(Made, Files):
    """`run.json`."""

    NEEDED = ("snapshots.pt", "checkpoint.pt", "history.csv")
    id: str
    status: str
    settings: Settings
    settings_hash: str
    code_hash: str
    data_hash: str
    steps: int
    seconds: float
    peak_memory_mb: float
    parameters: dict[str, int]
    device: str
    threads: int
    extractors: dict[str, str] = {}


class Sampled(Files):
    """What the report reads of `evaluation.json`."""

    NEEDED: ClassVar[tuple[str, ...]] = ("samples.npz",)


class Evaluated(Sampled):
    """`evaluation.json`."""

    NEEDED = ("metrics.csv", "samples.npz")

    id: str
    protocol: dict[str, Any]
    extractors: dict[str, str]
    evaluation_hash: str
    code_hash: str
    snapshots: str
    discarded: list[str] = []


class Reference(Files):
    """`record.json` of what was measured of the data alone."""

    NEEDED = ("statistics.npz", "floor.json")

    protocol: str
    data_hash: str
    extractors: dict[str, str]
    code_hash: str


class Controls(Files):
    """`record.json` of real data in disguise."""

    NEEDED = ("rows.json",)

    protocol: str
    data_hash: str
    extractors: dict[str, str]
    code_hash: str


class Costs(Files):
    """`record.json` of what steps of cells cost."""

    NEEDED = ("rows.json",)

    cells: str
    code_hash: str
    device: str
    environment: Environment


class Progress(Record):
    """`progress.json` of a run in training."""

    step: int
    seconds: float
    pid: int
    time: float


class Failed(Record):
    """`failed.json` of a run that ended with an error."""

    error: str


class FilesOfBoth(Record):
    """The SHA-256 of each file of a publication's two folders, by its path in them."""

    results: dict[str, str]
    reports: dict[str, str]


class Publication(Record):
    """`publication.json`."""

    ganlore: str
    source: dict[str, str]
    settings: dict[str, Any]
    reports: str
    files: FilesOfBoth


class PublishedRun(Record):
    """A line of `records.jsonl`."""

    run: Trained
    evaluation: Evaluated
    history: list[str]


class SpeedRow(Record):
    """A case of `benchmarks/training.py`; each loop that was timed is a key beside these."""

    network: str
    loss: str
    flops: float = Field(gt=0)

    @model_validator(mode="after")
    def _timed(self) -> SpeedRow:
        for name, loop in (self.model_extra or {}).items():
            if isinstance(loop, dict):
                images = loop.get("images")
                if not isinstance(images, int | float) or images <= 0:
                    raise ValueError(f"{name}.images: expected images a second, above 0")
        return self


class AtOnce(Record):
    """Runs that were timed side by side."""

    runs: int
    gain: float = Field(gt=0)


class CardSpeed(Record):
    """A card's section of docs/performance.json."""

    measured: dict[str, Any]
    date: str
    batch: int
    settings: dict[str, dict[str, Any]]
    rows: list[SpeedRow]
    together: AtOnce | None = None


def check(value: Any, shape: type[Record], where: str, remedy: str) -> dict[str, Any]:
    """A value that was read, once it has a record's shape; the value itself, with all of its keys.

    Args:
        value: what the file holds.
        shape: what it must have.
        where: the file.
        remedy: how to make it again.

    Raises:
        GanloreError: naming the first key that is missing or has another type.
    """
    try:
        shape.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the whole of it"
        raise GanloreError(
            f"{where}: damaged, not the record that it should be\n"
            f"  {key}: {first['msg']}\n  to make it again: {remedy}"
        ) from None
    checked: dict[str, Any] = value
    return checked
