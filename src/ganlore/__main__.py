"""`python -m ganlore` is the command `ganlore`."""

from ganlore.cli import main

main()
