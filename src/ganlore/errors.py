"""Errors that a user can act on: what is wrong, where, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 40
"""So many allowed names are shown at most."""


class GanloreError(Exception):
    """A mistake in a study, a file or a plug-in, told so that a user can mend it.

    The command line prints its text without a traceback.
    """


def unknown(what: str, name: str, allowed: Iterable[str], where: str = "") -> GanloreError:
    """The error for a name that does not exist, with the nearest one that does."""
    options = sorted(allowed)
    listed = options if len(options) <= MOST else [*options[:MOST], f"... ({len(options)} in all)"]
    near = difflib.get_close_matches(name, options, n=1, cutoff=0.4)
    hint = f"\n  did you mean {near[0]!r}?" if near else ""
    place = f"{where}: " if where else ""
    return GanloreError(
        f"{place}unknown {what} {name!r}{hint}\n  allowed: {', '.join(listed) or '(none)'}"
    )
