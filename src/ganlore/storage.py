"""Atomic writes, which leave files whole or absent, and reads that check a recorded hash.

A record is a JSON file with the hash and the size of each file beside it that it tells of, and with
the hash of its own content, so that an edited key is noticed as a damaged file is.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from ganlore import shapes
from ganlore.errors import GanloreError, of_system

CHUNK = 1 << 20

SEAL = "sha256"
"""The key of a record with the hash of its other keys."""


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, read in chunks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def write_bytes(path: Path, data: bytes) -> str:
    """Write a file atomically, as `write_blocks` does; returns the SHA-256."""
    return write_blocks(path, [data])


def write_blocks(path: Path, blocks: Iterable[bytes | memoryview]) -> str:
    """Write a file atomically (a temporary file in the same folder, then `os.replace`).

    A process that is killed at any moment leaves the old file or the new one, never a part.

    Args:
        path: the file.
        blocks: its bytes, in order; one block is needed at a time.

    Returns:
        The SHA-256 of the bytes.
    """
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            for block in blocks:
                file.write(block)
                digest.update(block)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private, but the user's group and DVC must be able to read results
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)  # a full disk names no file
        raise
    return digest.hexdigest()


def remove_leftovers(path: Path) -> None:
    """Remove temporary files of killed processes that were writing a file."""
    for leftover in path.parent.glob(f".{path.name}.*"):
        leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> str:
    """Write text atomically as UTF-8; returns its SHA-256."""
    return write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> str:
    """Write a value as indented JSON, atomically; returns the SHA-256."""
    return write_text(path, json.dumps(value, indent=1) + "\n")


def read_text(path: Path) -> str:
    """Read a text that a user wrote, which must be UTF-8.

    Raises:
        FileNotFoundError: if it is missing.
        GanloreError: if it is a folder, may not be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as error:
        raise GanloreError(
            f"{path}: not UTF-8 text: byte {error.start} is {error.object[error.start]:#x}\n"
            "  save it as UTF-8"
        ) from None
    except OSError as error:
        raise of_system(error, path) from None
    except ValueError as error:  # a NUL in the name
        raise GanloreError(f"{str(path)!r}: no name of a file ({error})") from None


def read_json(path: Path, remedy: str, shape: type[shapes.Record] | None = None) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        remedy: how to make it again.
        shape: what it must have.

    Raises:
        GanloreError: if it is missing, unreadable, not JSON or of another shape; the message has
            `remedy`.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise GanloreError(f"{path}: missing\n  to make it: {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise GanloreError(
            f"{path}: damaged, not valid JSON ({error})\n  to make it again: {remedy}"
        ) from None
    except OSError as error:
        raise of_system(error, path) from None
    return value if shape is None else shapes.check(value, shape, str(path), remedy)


def seal(record: dict[str, Any]) -> str:
    """The SHA-256 of a record's keys but for `SEAL`, as JSON in one order without spaces."""
    content = {key: value for key, value in record.items() if key != SEAL}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """A record as JSON has it, with the hash of its content."""
    content = json.loads(json.dumps(record))  # tuples become lists, keys become text
    return {**content, SEAL: seal(content)}


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a record atomically, with the size of each of its files and the hash of its content.

    Args:
        path: the record.
        record: JSON-ready; `files` has the SHA-256 of each file, which lies in the same folder.
    """
    sizes = {name: (path.parent / name).stat().st_size for name in hashes(record)}
    write_json(path, sealed({**record, "sizes": sizes}))


def hashes(record: dict[str, Any]) -> dict[str, str]:
    """The SHA-256 of each file of a record, by the file's name."""
    files: dict[str, Any] = record["files"]
    return {k: v["sha256"] if isinstance(v, dict) else v for k, v in files.items()}


def open_record(
    path: Path, remedy: str, shape: type[shapes.Record] = shapes.Record
) -> dict[str, Any]:
    """Read a record and check the hash of its content; its files are not looked at.

    Args:
        path: the record.
        remedy: how to make it again.
        shape: the keys that it must have.

    Raises:
        GanloreError: if it is missing, no record, altered, or lacks a key or its files.
    """
    record: dict[str, Any] = read_json(path, remedy)
    if not isinstance(record, dict) or SEAL not in record:
        raise GanloreError(
            f"{path}: has no hash of its own content: of an earlier version, or altered\n"
            f"  to make it again: {remedy}"
        )
    if (actual := seal(record)) != record[SEAL]:
        raise GanloreError(
            f"{path}: altered: its content is not that of its hash\n"
            f"  expected sha256 {record[SEAL]}\n  found    sha256 {actual}\n"
            f"  to make it again: {remedy}"
        )
    if not isinstance(record.get("files"), dict) or not record["files"]:
        raise GanloreError(f"{path}: names no files\n  to make it again: {remedy}")
    return shapes.check(record, shape, str(path), remedy)


def read_record(
    path: Path,
    remedy: str,
    optional: Collection[str] = (),
    shape: type[shapes.Record] = shapes.Record,
) -> dict[str, Any]:
    """Read a record, and check its own hash and that of each of its files.

    Args:
        path: the record.
        remedy: how to make it again.
        optional: files that may be absent; if they exist, they are checked.
        shape: what the record must have.

    Raises:
        GanloreError: if the record or a file is missing, truncated or altered.
    """
    record = open_record(path, remedy, shape)
    check_files(path.parent, record, remedy, optional)
    return record


def check_files(
    folder: Path, record: dict[str, Any], remedy: str, optional: Collection[str] = ()
) -> None:
    """As `read_record`, of a record that was read already and lies in a folder."""
    for name, digest in hashes(record).items():
        if name not in optional or (folder / name).exists():
            check(folder / name, digest, remedy)


def check_sizes(
    folder: Path, record: dict[str, Any], remedy: str, optional: Collection[str] = ()
) -> None:
    """As `check_files`, but of each file its size alone, which costs no reading.

    Raises:
        GanloreError: if a file is missing or of another size.
    """
    for name, size in record["sizes"].items():
        file = folder / name
        if not file.exists():
            if name in optional:
                continue
            raise GanloreError(f"{file}: missing\n  to make it again: {remedy}")
        if (actual := file.stat().st_size) != size:
            raise GanloreError(
                f"{file}: truncated or altered: {actual} bytes, expected {size}\n"
                f"  to make it again: {remedy}"
            )


def csv_text(rows: list[dict[str, Any]]) -> str:
    """Rows as CSV, with columns in the order of their first appearance.

    Numbers are written by Python's `repr`, without loss.
    """
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def check(path: Path, expected: str, remedy: str) -> Path:
    """Compare a file with its recorded SHA-256, before it is used.

    Raises:
        GanloreError: if it is missing or differs; the message has both hashes and `remedy`.
    """
    if not path.exists():
        raise GanloreError(
            f"{path}: missing\n  expected sha256 {expected}\n  to make it again: {remedy}"
        )
    try:
        actual = sha256(path)
    except OSError as error:
        raise of_system(error, path) from None
    if actual != expected:
        raise GanloreError(
            f"{path}: truncated or altered ({path.stat().st_size} bytes)\n"
            f"  expected sha256 {expected}\n  found    sha256 {actual}\n"
            f"  to make it again: {remedy}"
        )
    return path
