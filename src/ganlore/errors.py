"""Errors that a user can act on: what is wrong, where, what is expected, what to do."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

MOST = 40
"""The most allowed names that a message lists."""


class GanloreError(Exception):
    """An error in a study, a file or a plug-in that a user can correct.

    The command line prints its message without a traceback.
    """


LONG = 300
"""Characters of a path that a message has; one that is longer is no path."""

ADVICE = {
    errno.ENOSPC: "the disk is full: make space and start again; finished work is kept",
    errno.EDQUOT: "the quota of the disk is used up: make space and start again",
    errno.EACCES: "check who may read and write it, or name another place",
    errno.EPERM: "check who may read and write it, or name another place",
    errno.EROFS: "the disk is read-only: name another place",
    errno.EISDIR: "this is a folder; expected a file",
    errno.ENOTDIR: "a part of this path is a file; expected a folder",
    errno.EEXIST: "a file is where a folder is expected: name another place",
    errno.ENOENT: "check the path",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.EMFILE: "too many files are open: run fewer jobs at a time, or raise `ulimit -n`",
}
"""What to do where the system refuses to read or write, by its number of the error."""


def of_system(error: OSError, path: object = None) -> GanloreError:
    """The system's refusal to read or write a file, with the file and what to do.

    Args:
        error: what was raised; it mostly names the file.
        path: the file, where it does not.
    """
    place = error.filename if error.filename is not None else path
    place = place.decode(errors="replace") if isinstance(place, bytes) else place
    if isinstance(place, str) and len(place) > LONG:
        place = f"{place[:LONG]}..."
    named = f"{place or '(no file named)'}: " if not isinstance(place, int) else ""
    reason = error.strerror or str(error) or type(error).__name__
    advice = ADVICE.get(error.errno or 0, "check the path and the disk, and start again")
    return GanloreError(f"{named}{reason}\n  {advice}")


def unknown(what: str, name: str, allowed: Iterable[str], where: str = "") -> GanloreError:
    """The error for an unknown name, with the most similar allowed one."""
    options = sorted(allowed)
    listed = options if len(options) <= MOST else [*options[:MOST], f"... ({len(options)} in all)"]
    near = difflib.get_close_matches(name, options, n=1, cutoff=0.4)
    hint = f"\n  did you mean {near[0]!r}?" if near else ""
    place = f"{where}: " if where else ""
    return GanloreError(
        f"{place}unknown {what} {name!r}{hint}\n  allowed: {', '.join(listed) or '(none)'}"
    )
