"""The command line's entry: runs a command, and tells a user's mistake without a traceback."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import sys

from ganlore.cli import jobs, new, replicating, results, studies, watch
from ganlore.cli.app import app
from ganlore.console import INTERRUPTED, say
from ganlore.errors import GanloreError

# the modules are imported for the commands that they register
__all__ = ["jobs", "main", "new", "replicating", "results", "studies", "watch"]


def main() -> None:
    """Run a command; a user's mistake is reported without a traceback and ends with status 1."""
    with contextlib.suppress(io.UnsupportedOperation):  # a stream that is no file, in tests
        faulthandler.enable()  # compiled code that crashes says where
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale may lack a letter
    try:
        app()
    except GanloreError as error:
        say(f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say(INTERRUPTED)
        sys.exit(130)
