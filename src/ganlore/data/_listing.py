"""Which image files a folder has: each real folder and each real file once."""

from __future__ import annotations

import heapq
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ganlore.console import say
from ganlore.data._decoding import EXTENSIONS
from ganlore.errors import GanloreError

LISTED = 10
"""The most names that a message lists."""


@dataclass(frozen=True)
class File:
    """An image file.

    Attributes:
        path: as it is reached from the folder, for messages and for the order.
        real: without symbolic links.
        label: the name of its class in Unicode's composed form (NFC), "" without labels.
    """

    path: Path
    real: Path
    label: str = ""


Listing = list[File]


@dataclass
class Contents:
    """What lies below a folder.

    Attributes:
        files: regular files and their real paths, the image files and all others.
        repeated: links to a folder or a file that is listed already.
        broken: what is neither a file nor a folder, with the reason: dangling links, pipes.
    """

    files: list[tuple[Path, Path]] = field(default_factory=list)
    repeated: list[Path] = field(default_factory=list)
    broken: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def pictures(self) -> list[tuple[Path, Path]]:
        """The files with an image's extension."""
        return [(path, real) for path, real in self.files if is_picture(path)]


def is_picture(path: Path) -> bool:
    """Whether a file's name ends like an image's."""
    return path.suffix.lower() in EXTENSIONS


def walk(folder: Path) -> Contents:
    """List what lies below a folder, hidden files and folders left out.

    Links are followed last, in the order of their names, so that a file is listed where it really
    lies if that is below the folder. A link to a folder that holds this one is not followed.

    Raises:
        GanloreError: if a folder cannot be read.
    """
    contents, root = Contents(), folder.resolve()
    seen: set[Path] = set()
    links = _walk_real(folder, root, seen, contents)
    heapq.heapify(links)
    while links:
        link = folder.joinpath(*heapq.heappop(links))
        try:
            real = link.resolve(strict=True)
        except (OSError, RuntimeError):  # the second, up to Python 3.12, for a loop of links
            contents.broken.append((link, f"a link that leads nowhere ({link.readlink()})"))
            continue
        if real in seen or (real.is_dir() and root.is_relative_to(real)):
            contents.repeated.append(link)
        elif real.is_dir():
            for more in _walk_real(link, real, seen, contents):
                heapq.heappush(links, link.relative_to(folder).parts + more)
        else:
            _add(link, real, seen, contents)
    contents.files.sort(key=lambda pair: pair[0].relative_to(folder).parts)
    return contents


def _walk_real(
    folder: Path, real: Path, seen: set[Path], contents: Contents
) -> list[tuple[str, ...]]:
    """Add what lies below a real folder; returns the links there, relative to it, in parts."""
    links, waiting = [], [(folder, real)]
    while waiting:
        place, below = waiting.pop()
        if below in seen:
            continue
        seen.add(below)
        try:
            entries = list(os.scandir(below))
        except OSError as error:
            raise GanloreError(f"{place}: cannot be read: {error.strerror}") from None
        for entry in entries:
            if entry.name[0] == ".":
                continue
            if entry.is_symlink():
                links.append((place / entry.name).relative_to(folder).parts)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append((place / entry.name, below / entry.name))
            else:
                _add(place / entry.name, below / entry.name, seen, contents)
    return links


def _add(path: Path, real: Path, seen: set[Path], contents: Contents) -> None:
    if not real.is_file():
        contents.broken.append((path, "a pipe, socket or device, not a file"))
    elif real not in seen:
        seen.add(real)
        contents.files.append((path, real))


def listing(folder: Path, labelled: bool) -> Listing:
    """List the images below a folder; with labels, each of its folders is a class.

    Hidden files are ignored; other files without an image's extension, and links to what is listed
    already, are reported.

    Raises:
        GanloreError: if the folder does not exist or has no images, or a name of an image is not
            that of a file; with labels also if images lie outside the folders of classes, a class
            is empty, or two have one name.
    """
    if not folder.is_dir():
        raise GanloreError(f"{folder}: no such folder; expected one with pictures")
    contents = walk(folder)
    if broken := [f"{path}: {why}" for path, why in contents.broken if is_picture(path)]:
        summary = f"{folder}: {len(broken)} pictures are no files:"
        raise GanloreError("\n  ".join([summary, *first(broken), "repair or remove them"]))
    pictures = contents.pictures
    if not pictures:
        raise GanloreError(f"{folder}: no pictures; expected files *{', *'.join(EXTENSIONS)}")
    others = [path for path, _ in contents.files if not is_picture(path)]
    if others := sorted([*others, *(path for path, _ in contents.broken)]):
        say(f"{folder}: {len(others)} files are no pictures and left out, the first {others[0]}")
    if contents.repeated:
        say(
            f"{folder}: {len(contents.repeated)} links lead to what is listed already and are left "
            f"out, the first {contents.repeated[0]}"
        )
    if not labelled:
        return [File(path, real) for path, real in pictures]
    return _by_class(folder, pictures, contents)


def _by_class(folder: Path, pictures: list[tuple[Path, Path]], contents: Contents) -> Listing:
    if stray := [path for path, _ in pictures if path.parent == folder]:
        raise GanloreError(
            f"{folder}: {len(stray)} of {len(pictures)} pictures are in no class, the first "
            f"{stray[0].name}\n  expected {folder}/<class>/<picture>"
        )
    names = [path.relative_to(folder).parts[0] for path, _ in pictures]
    folders = {path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."}
    if empty := sorted(folders - set(names)):
        links = [link.name for link in contents.repeated if link.parent == folder]
        why = [f"\n  {name} is a link to what is listed already" for name in empty if name in links]
        raise GanloreError(f"{folder}: no pictures in the classes {some(empty)}{''.join(why)}")
    composed: dict[str, str] = {}
    for name in dict.fromkeys(names):
        other = composed.setdefault(unicodedata.normalize("NFC", name), name)
        if other != name:
            raise GanloreError(
                f"{folder}: two classes have one name that is written in two ways in Unicode: "
                f"{other!a} and {name!a}\n  merge or rename them"
            )
    for name, spelled in composed.items():
        if name != spelled:
            say(f"{folder}: the class {spelled!a} is taken as {name!a}, composed (NFC)")
    return [
        File(path, real, unicodedata.normalize("NFC", name))
        for (path, real), name in zip(pictures, names, strict=True)
    ]


def check_apart(listings: dict[str, Listing], dataset: str) -> None:
    """Check that no file is in two splits, which links can bring about.

    Raises:
        GanloreError: with the first of them.
    """
    splits: dict[Path, tuple[str, Path]] = {}
    twice = []
    for split, files in listings.items():
        for file in files:
            other, path = splits.setdefault(file.real, (split, file.path))
            if other != split:
                twice.append(f"{path} and {file.path}")
    if twice:
        summary = f"data set {dataset}: {len(twice)} files are in both splits, by links:"
        remedy = "remove the links; to hold out a share of one folder, use `held_out`"
        raise GanloreError("\n  ".join([summary, *first(twice), remedy]))


def some(names: Sequence[str]) -> str:
    """The first of some names; those with letters that can be mistaken are also spelled out."""
    plain = [name if _plain(name) else f"{name} ({name!a})" for name in names[:LISTED]]
    first = ", ".join(plain)
    return f"{first}, ... ({len(names)} in all)" if len(names) > LISTED else first


def _plain(name: str) -> bool:
    return name.isascii() and name.isprintable() and name == name.strip()


def first(lines: Sequence[str]) -> Iterator[str]:
    """The first of some lines for a message, and how many more there are."""
    yield from lines[:LISTED]
    if len(lines) > LISTED:
        yield f"... and {len(lines) - LISTED} more"
