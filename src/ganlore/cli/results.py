"""The commands that hand results on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ganlore.cli.app import DEFAULT, StudyArgument, app
from ganlore.console import say
from ganlore.study import schema
from ganlore.study.expand import expand


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


@app.command("summary")
def summary(study: StudyArgument = DEFAULT) -> None:
    """Write a finished study's numbers for DVC: metrics and plots, in results/summary.

    `dvc metrics show`, `dvc metrics diff` and `dvc plots show` read them. The workflow does it by
    itself.
    """
    from ganlore.api import summary as summaries

    say(str(summaries.write(expand(schema.load(study)))))
