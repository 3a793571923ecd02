"""`ganlore new`: a folder with a study, its workflow and an example of a plug-in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from ganlore import storage
from ganlore.cli.app import app
from ganlore.console import say
from ganlore.errors import GanloreError

SCAFFOLD = Path(__file__).parents[1] / "scaffold"
HIDDEN = "dot-"
"""Stands for the dot of a hidden file or folder, which would be left out of a wheel."""

TEMPLATE = ".template"
"""The end of a file's name that DVC would take for one of this project's own otherwise."""


@app.command("new")
def new(
    folder: Annotated[Path, typer.Argument(help="The new folder; its name is the study's.")],
) -> None:
    """Write a folder with a study, a Snakefile, a profile, a plug-in and DVC's files.

    In it `snakemake --cores 2` works, without this project's repository.
    """
    name = folder.resolve().name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise GanloreError(
            f"{folder}: {name!r} cannot be the name of a study\n"
            "  use letters, digits, hyphens and underscores"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise GanloreError(f"{folder}: is there already\n  name a new folder, or an empty one")
    for source in sorted(SCAFFOLD.rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            text = storage.read_text(source).replace("{{ name }}", name)
            storage.write_text(folder / target(source), text)
    say(f"{folder}: a study, its workflow, and a trick as an example of a plug-in")
    say(f"  to run it: cd {folder} && snakemake --cores 2")


def target(source: Path) -> Path:
    """Where a file of the scaffold goes, relative to the new folder."""
    parts = source.relative_to(SCAFFOLD).parts
    hidden = (f".{p.removeprefix(HIDDEN)}" if p.startswith(HIDDEN) else p for p in parts)
    return Path(*(part.removesuffix(TEMPLATE) for part in hidden))
