"""Errors that a user can act on: what is wrong, where, what is expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST = 40
"""The most allowed names that a message lists."""


class GanloreError(Exception):
    """An error in a study, a file or a plug-in that a user can correct.

    The command line prints its message without a traceback.
    """


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
