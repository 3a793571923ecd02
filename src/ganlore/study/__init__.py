"""A study: its file, its plug-ins, its runs; nothing here imports torch or computes a number."""
