"""The command line's own frame: the application, and the arguments that several commands have."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ganlore.errors import GanloreError, of_system
from ganlore.study.keep import BESIDE


class Commands(TyperGroup):
    """Commands whose failures that a user can mend are a GanloreError, and no traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with explained():
            return super().invoke(ctx)


@contextmanager
def explained() -> Iterator[None]:
    """Make a GanloreError of each failure that a user can mend.

    Raises:
        GanloreError: in place of it.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:  # who reads us has read enough: click knows
            raise
        raise of_system(error) from error
    except UnicodeError as error:
        raise GanloreError(f"not UTF-8 text: {error}\n  save the file as UTF-8") from error
    except MemoryError as error:
        reason = f" ({error})" if str(error) else ""
        raise GanloreError(
            f"too little memory{reason}\n  lower training.batch, protocol.n_fake or "
            "protocol.n_neighbours, or run fewer jobs at a time"
        ) from error
    except SystemExit as error:  # click's own ends are no SystemExit yet
        if isinstance(error.__context__, BrokenPipeError):  # rich's is, of who has read enough
            raise
        raise GanloreError(
            f"a plug-in ended Python (sys.exit({error.code!r})) before the command was done\n"
            "  mend the plug-in: raise an error where something is wrong"
        ) from error


def finite(value: float | None) -> float | None:
    """A number that an option may have: nan passes every bound.

    Raises:
        typer.BadParameter: for nan and infinity.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number")
    return value


app = typer.Typer(
    name="ganlore",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measures the lore of GAN training: every loss x every trick x every seed, on equal "
    "terms.\n\n"
    "A STUDY is a YAML file in configs/. `snakemake --cores 8` runs a whole study and writes its "
    "report; the commands here show, check, and do single pieces of it.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"ganlore {metadata.version('ganlore')}")
        raise typer.Exit


@app.callback()
def _all_commands(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """The options of the application itself; its help is given above."""


DEFAULT = "configs/default.yaml"

StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study file (or the study itself as JSON).")
]
CoresOption = Annotated[
    int, typer.Option(min=0, help="Cores that snakemake was given; 0 means all.")
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
BesideOption = Annotated[
    str | None,
    typer.Option(
        envvar=BESIDE,
        help="What is written beside the run's files, as JSON, with --settings alone.",
    ),
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
