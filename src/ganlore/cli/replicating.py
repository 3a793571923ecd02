"""The command that puts a finished study beside the paper that it replicates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ganlore.cli.app import StudyArgument, app
from ganlore.errors import GanloreError
from ganlore.study import schema
from ganlore.study.expand import expand

if TYPE_CHECKING:
    from ganlore.analysis.replication import Outcome


@app.command("replicate")
def replicate(study: StudyArgument) -> None:
    """Put a finished study beside the paper's table: which numbers agree, and what differs.

    Two means agree within Welch's 95 % interval of their difference, a single seed within that of
    one more run of theirs.
    """
    from ganlore.analysis import replication, tables

    plan = expand(schema.load(study))
    table = plan.study.replicates
    if table is None:
        raise GanloreError(
            f"study {plan.study.name}: it names no paper's table (`replicates: published.yaml`)\n"
            "  configs/replications/ has studies that do"
        )
    outcomes = list(replication.outcomes(tables.read(plan), table))
    typer.echo(f"{plan.study.name} beside {table.paper}, {table.table}")
    typer.echo(f"  their protocol: {table.protocol}")
    typer.echo(f"  their numbers were checked: {table.checked}")
    for outcome in outcomes:
        typer.echo(f"  {_line(outcome)}")
    agree = sum(outcome.inside is True for outcome in outcomes)
    typer.echo(f"  {agree} of {len(outcomes)} inside")
    for text in plan.study.deviations:
        typer.echo(f"  differs: {text}")


def _line(outcome: Outcome) -> str:
    return (
        f"{outcome.cell}: {outcome.row.metric}: theirs {outcome.theirs}, ours {outcome.ours} "
        f"(standard error, {outcome.n} seeds): {outcome.agrees}"
    )
