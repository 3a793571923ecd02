"""The command line's own frame: the application, and the arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="ganlore",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measures the lore of GAN training: every loss x every trick x every seed, on equal "
    "terms.\n\n"
    "A STUDY is a YAML file in configs/. `snakemake --cores 8` runs a whole study and writes its "
    "report; the commands here show, check, and do single pieces of it.",
)

StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study file (or the study itself as JSON).")
]
StudyOption = Annotated[str, typer.Option("--study", metavar="STUDY", help="The study file.")]
DataOption = Annotated[Path, typer.Option("--data", help="Folder of prepared data.")]
BenchmarkOption = Annotated[
    Path | None, typer.Option(help="Write time and memory of this command to a file (TSV).")
]
SettingsOption = Annotated[
    str | None, typer.Option(help="All settings as JSON, as the Snakefile gives them.")
]
DEFAULT = "configs/default.yaml"
