"""The user's own files that a data set is prepared from, and whether they have changed since.

They lie outside of what Snakemake makes, so that it has to be told when they change. Names, sizes
and times are compared first, which is cheap; where these differ, hashes of names and contents
decide. A copy of the pictures with other times changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ganlore import storage
from ganlore.data._listing import walk
from ganlore.errors import GanloreError

Reads = Mapping[str, Mapping[str, tuple[Any, ...]]]
"""The fact `reads` of a data set: {setting that names a folder: {other setting: its values}}."""


@dataclass(frozen=True)
class Listing:
    """Pictures in folders, without their contents.

    Attributes:
        files: their number.
        bytes: their size in all.
        listing: a hash of their names, sizes and times.
    """

    files: int
    bytes: int
    listing: str


def folders(reads: Reads, settings: Mapping[str, Any]) -> list[Path]:
    """The folders that a data set with these settings is read from: `train` and `test`, or all.

    Args:
        reads: the data set's fact; a setting counts where each of the others has one of the values.
        settings: all of its settings.
    """
    roots = [
        Path(settings[name])
        for name, wanted in reads.items()
        if all(settings[other] in values for other, values in wanted.items())
    ]
    places: list[Path] = []
    for root in roots:
        parts = [root / split for split in ("train", "test")]
        places += [part for part in parts if part.is_dir()] or [root]
    return places


def _pictures(places: list[Path]) -> list[tuple[str, Path]]:
    """Name and real path of each picture, in order."""
    return [
        (f"{place.name}/{path.relative_to(place)}", real)
        for place in places
        for path, real in walk(place).pictures
    ]


def listing(places: list[Path]) -> Listing:
    """What lies in folders, without reading a file.

    Raises:
        GanloreError: if a folder is missing or cannot be read, or changes meanwhile.
    """
    digest, files, size = hashlib.sha256(), 0, 0
    try:
        for name, real in _pictures(places):
            state = real.stat()
            line = f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n"
            digest.update(line.encode(errors="surrogateescape"))
            files, size = files + 1, size + state.st_size
    except OSError as error:
        raise GanloreError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return Listing(files, size, digest.hexdigest()[:16])


def content(places: list[Path]) -> str:
    """A hash of the names and the contents of all pictures in folders.

    Raises:
        GanloreError: if one cannot be read.
    """
    digest = hashlib.sha256()
    try:
        for name, real in _pictures(places):
            line = f"{name}\0{storage.sha256(real)}\n"
            digest.update(line.encode(errors="surrogateescape"))
    except OSError as error:
        raise GanloreError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()[:16]


def earlier(prepared: Path) -> dict[str, Any]:
    """What the manifest of a prepared data set keeps of the files; nothing if there is none."""
    try:
        manifest = storage.read_json(prepared / "manifest.json", "run snakemake")
    except GanloreError:
        return {}
    raw = manifest.get("raw") if isinstance(manifest, dict) else None
    return raw if isinstance(raw, dict) else {}


@dataclass(frozen=True)
class Before:
    """The files before a data set is prepared from them.

    Attributes:
        places: their folders.
        listing: what lies there; None where nothing is read.
        earlier: what an earlier manifest kept of them, or nothing.
        key: by which Snakemake knows them, "" if it did not ask.
    """

    places: list[Path]
    listing: Listing | None
    earlier: Mapping[str, Any]
    key: str

    @classmethod
    def look(cls, reads: Reads, settings: Mapping[str, Any], prepared: Path, key: str) -> Before:
        """List the files; where that is not possible, reading them will say why."""
        places = folders(reads, settings)
        present = places and all(place.is_dir() for place in places)
        return cls(places, listing(places) if present else None, earlier(prepared), key)

    def record(self) -> dict[str, Any]:
        """What the manifest keeps of the files, once they have been read; nothing without files.

        Returns:
            The listing, the content, and a `key`, which stays while the content stays.

        Raises:
            GanloreError: if they changed meanwhile.
        """
        if self.listing is None:
            return {}
        if listing(self.places) != self.listing:
            where = ", ".join(str(place) for place in self.places)
            raise GanloreError(f"{where}: changed while it was read\n  prepare the data set again")
        now = content(self.places)
        same = self.earlier.get("content") == now
        key = self.key or (self.earlier["key"] if same else self.listing.listing)
        return {**asdict(self.listing), "content": now, "key": key}


def key(reads: Reads, settings: Mapping[str, Any], prepared: Path) -> str:
    """What changes exactly when a data set has to be prepared again for its files' sake.

    Files that are gone, or cannot be read, count as unchanged: what was made of them is there.

    Args:
        reads: the data set's fact.
        settings: all of its settings.
        prepared: its folder in the store.
    """
    places = folders(reads, settings)
    if not places:
        return ""
    kept = earlier(prepared)
    try:
        now = listing(places)
        if kept and (now.listing == kept["listing"] or content(places) == kept["content"]):
            return str(kept["key"])
    except GanloreError:
        return str(kept.get("key", ""))
    return now.listing


def change(
    reads: Reads, settings: Mapping[str, Any], prepared: Path, thorough: bool = False
) -> str | None:
    """What is different in the files that a data set was prepared from, None if nothing is.

    Args:
        reads: the data set's fact.
        settings: all of its settings.
        prepared: its folder in the store.
        thorough: compare contents even where names, sizes and times are the same.

    Raises:
        GanloreError: if the files are not there, or cannot be read, and so cannot be compared.
    """
    places, kept = folders(reads, settings), earlier(prepared)
    if not places or not kept:
        return None
    now = listing(places)
    if now.listing == kept["listing"] and not thorough:
        return None
    if content(places) == kept["content"]:
        return None
    where = ", ".join(str(place) for place in places)
    counts = f"prepared from {kept['files']} pictures of {kept['bytes']} bytes"
    return f"{where}: other pictures: {counts}, now {now.files} of {now.bytes} bytes"
