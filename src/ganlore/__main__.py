"""The command `ganlore`, and `python -m ganlore`: in a warm worker if there is one."""

from __future__ import annotations

import sys

from ganlore.cli import client


def main() -> None:
    """Run a command and end with its status."""
    status = client.ask(sys.argv[1:])
    if status is not None:
        sys.exit(status)
    from ganlore.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
