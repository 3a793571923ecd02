"""Something that a study needs and that may not be here: a file, a folder, a package, memory."""

from __future__ import annotations

import importlib.util
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

PATIENCE = 5.0
"""Seconds that a server may take to answer at all."""


@dataclass(frozen=True)
class Need:
    """Something that is not here.

    Attributes:
        what: names it, and who needs it.
        remedy: what to do where it cannot be fetched.
        urls: where it is fetched from by itself, the first that answers; none: it is missing.
    """

    what: str
    remedy: str
    urls: tuple[str, ...] = ()


def unreachable(urls: Iterable[str]) -> str:
    """Why none of some servers answers, "" where one does; nothing is downloaded."""
    reason = ""
    for url in urls:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE)
            return ""
        except urllib.error.HTTPError:  # an answer: some servers know no HEAD
            return ""
        except (OSError, HTTPException, ValueError) as error:
            reason = str(getattr(error, "reason", None) or error)
    return reason


def folders(paths: Iterable[Path], needed_by: str, remedy: str) -> list[Need]:
    """The folders that are not there."""
    return [
        Need(f"{needed_by}: {path}: no such folder", remedy) for path in paths if not path.is_dir()
    ]


def packages(names: Iterable[str], needed_by: str, remedy: str) -> list[Need]:
    """The Python packages that are not installed."""
    return [
        Need(f"{needed_by}: the package {name}: not installed", remedy)
        for name in names
        if importlib.util.find_spec(name) is None
    ]
