"""The commands that hand results on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlore.cli.app import app
from ganlore.console import say


@app.command("export")
def export(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run's folder, as results/runs/.../seed0.")
    ],
    to: Annotated[Path, typer.Argument(help="Where the generator goes: a folder.")],
    data: Annotated[Path, typer.Option("--data", help="Folder of prepared data.")] = Path("data"),
    step: Annotated[
        int | None, typer.Option(min=0, help="The snapshot's step; the last one.")
    ] = None,
) -> None:
    """Export a run's trained generator: weights as safetensors, settings, and a model card.

    `ganlore.generator(FOLDER)` opens it in Python, without the study and its data.
    """
    from ganlore.api import generators

    say(str(generators.generator(folder, data, step).save(to)))
