"""The command line's own frame: the application, and the arguments that several commands have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ganlore.errors import GanloreError

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

DEFAULT = "configs/default.yaml"

StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study file (or the study itself as JSON).")
]
RunStudyOption = Annotated[
    str | None,
    typer.Option("--study", metavar="STUDY", help=f"The study that has the run; {DEFAULT}."),
]
DataOption = Annotated[Path, typer.Option("--data", help="Folder of prepared data.")]
RunDataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of prepared data, with --settings alone; data."),
]
RunResultsOption = Annotated[
    Path | None,
    typer.Option("--results", help="Folder of results, with --settings alone; results."),
]
BenchmarkOption = Annotated[
    Path | None, typer.Option(help="Write time and memory of this command to a file (TSV).")
]
SettingsOption = Annotated[
    str | None, typer.Option(help="All settings as JSON, as the Snakefile gives them.")
]


def refuse(options: Mapping[str, object], why: str) -> None:
    """Refuse options that a command would ignore.

    Args:
        options: by name, None for one that was not given.
        why: what makes them useless, as the end of a sentence.

    Raises:
        GanloreError: naming those that were given.
    """
    if useless := [name for name, value in options.items() if value is not None]:
        raise GanloreError(f"{' and '.join(useless)} would have no effect: {why}\n  leave it out")
