"""The command line, and the warm workers behind it."""
