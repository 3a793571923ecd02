"""The commands that show, check and publish studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ganlore import formatting
from ganlore.cli import listing
from ganlore.cli.app import DEFAULT, CoresOption, StudyArgument, app, finite, refuse
from ganlore.console import say
from ganlore.errors import GanloreError, unknown
from ganlore.forecast import summary
from ganlore.study import outside, registry, schema
from ganlore.study.expand import expand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ganlore.analysis.tables import Tables
    from ganlore.study.run import Plan

LISTS = {
    "losses": "loss", "tricks": "trick", "networks": "network", "data": "dataset",
    "extractors": "extractor",
}  # fmt: skip


@app.command("list")
def list_plugins(
    what: Annotated[
        str,
        typer.Argument(help=f"One of {', '.join(LISTS)}, or a plug-in's name; all if left out."),
    ] = "",
) -> None:
    """Show the plug-ins that can be used in a study, with formula, settings and paper."""
    names = {title: list(registry.find(kind)) for title, kind in LISTS.items()}
    if what in names:
        names = {what: names[what]}
    elif what:  # a loss and a trick may have one name
        names = {title: [what] for title, of_kind in names.items() if what in of_kind}
    if not names:
        every = [*LISTS, *(name for kind in LISTS.values() for name in registry.find(kind))]
        raise unknown("list or plug-in", what, every)
    for title, some in names.items():
        typer.echo(f"\n{title}")
        for name in some:
            typer.echo("\n".join(listing.lines(registry.declaration(LISTS[title], name))))


@app.command("docs")
def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where a page is out of date.")
    ] = False,
    root: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
) -> None:
    """Render README.md, CONTRIBUTING.md and docs/*.md from docs/templates."""
    from ganlore.docgen import pages

    if not check:
        typer.echo("\n".join(pages.write(root)) or "all pages are up to date")
        return
    if wrong := pages.check(root):
        raise GanloreError("\n".join([*wrong, "to write them: ganlore docs"]))
    typer.echo("all pages are up to date")


@app.command("claims")
def show_claims(
    study: StudyArgument = "configs/study.yaml",
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Say of each test whether it can come out both ways; fails where one cannot.",
        ),
    ] = False,
    results: Annotated[
        str | None,
        typer.Option(
            help="A finished study, or the folder of a published one. The claims are judged on its "
            "runs; with --check its floor and controls bound what can come out.",
        ),
    ] = None,
) -> None:
    """List a study's claims: what each is tested by, and the cells that it needs.

    Nothing is trained or written: with --check nothing needs to have been trained, and with
    --results claims that were changed are judged anew on runs that are there.
    """
    from ganlore.analysis.claims import describe

    plan = expand(schema.load(study))
    if plan.study.claims is None:
        raise GanloreError(f"{study}: the study names no file of claims (`claims: claims.yaml`)")
    if not check:
        for line in _judged(plan, results) if results else describe.lines(plan):
            say(line)
        return
    from ganlore.cli import dry

    made = list(dry.check(plan, _finished(results) if results else None))
    for test in made:
        say(test.line)
    refused = sum(bool(test.reason) for test in made)
    say(f"{len(made)} tests, {refused} that cannot come out both ways")
    if refused:
        raise typer.Exit(1)


def _judged(plan: Plan, results: str) -> Iterator[str]:
    """The plan's claims on the runs of a finished study."""
    from ganlore.cli import anew

    return anew.lines(plan.study, *_finished(results))


def _finished(place: str) -> tuple[Plan, Tables]:
    """The plan and the tables of a finished study, or of a published one's folder."""
    from ganlore.analysis import tables
    from ganlore.publishing import publication

    if Path(place).is_dir():
        published = publication.opened(Path(place))
        return published.plan(), published.tidy()
    plan = expand(schema.load(place))
    return plan, tables.read(plan)


@app.command("plan")
def plan_study(
    study: StudyArgument = DEFAULT,
    cores: Annotated[
        int | None, typer.Option(min=0, help="Cores that snakemake will be given; 0 means all.")
    ] = None,
    measure: Annotated[
        bool, typer.Option(help="Count arithmetic, and time a few steps of each cell.")
    ] = True,
    tflops: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            callback=finite,
            help="Assume that a GPU which is not here sustains so many TFLOP/s, in place of what "
            "was measured on named cards.",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0, callback=finite, help="Seconds to spend on timing; 60."),
    ] = None,
) -> None:
    """Show what a study will do and needs: runs, jobs, cells without a run, hours and disk.

    Fails where something is missing that nothing will fetch.
    """
    import os

    if not measure:
        options = {"--cores": cores, "--tflops": tflops, "--seconds": seconds}
        refuse(options, "with --no-measure nothing is forecast")
    from ganlore.forecast import needs

    plan = expand(schema.load(study))
    for line in (*summary.outline(plan), *outside.lines(plan.runs)):
        typer.echo(line)
    lacking = needs.of(plan)
    for line in needs.lines(lacking, needs.asked(lacking)):
        typer.echo(line)
    needs.check(plan, lacking, {})
    if measure:
        spent = 60.0 if seconds is None else seconds
        jobs = cores or os.cpu_count() or 1
        for line in summary.forecast(plan, jobs, tflops, spent):
            typer.echo(line)
        for line in summary.search_costs(plan, jobs, spent):
            typer.echo(line)


@app.command("needs")
def check_needs(study: StudyArgument = DEFAULT) -> None:
    """Look for what a study needs from outside; fails with status 4 where it is not to be had.

    Files, folders, packages, memory, and servers that answer. The Snakefile asks this before the
    first job. Plug-ins that are not part of this package are named.
    """
    from ganlore.forecast import needs

    plan = expand(schema.load(study))
    for line in outside.lines(plan.runs):
        say(line)
    lacking = needs.of(plan)
    answers = needs.asked(lacking)
    try:
        needs.check(plan, lacking, answers)
    except GanloreError as error:
        say(f"error: {error}")
        raise typer.Exit(summary.UNMET_NEEDS) from None
    for line in needs.lines(lacking, answers):
        say(line.strip())


@app.command("disk-space")
def disk_space(
    study: StudyArgument = DEFAULT,
    jobs: Annotated[int, typer.Option(min=1, help="Runs that train side by side.")] = 1,
) -> None:
    """Check that the disk has space for what is left of a study; fails with status 3 if not.

    The Snakefile asks this before the first job. Where it cannot be computed, that is no failure.
    """
    import tempfile

    from ganlore.forecast import disk
    from ganlore.forecast.costs import Costs

    plan = expand(schema.load(study))
    try:
        with tempfile.TemporaryDirectory() as folder:
            space = disk.disk_space(Costs(plan, Path(folder)), jobs)
    except GanloreError as error:
        say(f"disk: not checked: {error}")
        return
    say(f"disk: up to {formatting.size(space.peak)}, of {formatting.size(space.free)} free")
    try:
        space.check(f"study {plan.study.name}")
    except GanloreError as error:
        say(f"error: {error}")
        raise typer.Exit(summary.TOO_LITTLE_DISK_SPACE) from None


@app.command("status")
def status(
    study: StudyArgument = DEFAULT,
    cores: CoresOption = 0,
) -> None:
    """Show how far a study is: done, trained, running, failed, missing, and the time left."""
    import os

    from ganlore.execution import extractors
    from ganlore.execution import status as progress

    plan = expand(schema.load(study))
    for text in extractors.warnings(plan):
        typer.echo(text)
    stages = progress.stages(plan)
    counts = progress.tally(stages)
    typer.echo(f"study {plan.study.name}: {len(stages)} runs")
    for name in progress.STATES:
        if counts[name]:
            typer.echo(f"  {name:<12} {counts[name]}")
    for run_id, stage in stages.items():
        if stage.state not in ("done", "missing"):
            typer.echo(f"  {stage.state}: {run_id}: {stage.note}")
    for line in progress.rungs(plan):
        typer.echo(f"  {line}")
    diverged = [run_id for run_id, stage in stages.items() if stage.note == "diverged"]
    for run_id in diverged:
        typer.echo(f"  diverged: {run_id}")
    if counts["done"] < len(stages):
        left = progress.seconds_left(plan, stages, cores or os.cpu_count() or 1)
        typer.echo(f"  time left: {progress.time_left(left)}")
    else:
        typer.echo(f"  report: {plan.study.reports}/index.html")


@app.command("publish")
def publish(
    study: StudyArgument = DEFAULT,
    to: Annotated[
        Path | None, typer.Option(help="Folder of tables and records; results/<study>.")
    ] = None,
    reports: Annotated[
        Path | None, typer.Option(help="Folder of the report; reports/<study>.")
    ] = None,
    limit: Annotated[
        float, typer.Option(min=0, callback=finite, help="Megabytes that it may take.")
    ] = 15.0,
) -> None:
    """Copy a finished study's tables, records and report to where git keeps them, and check them.

    Weights, samples and data are left out. `ganlore verify FOLDER` checks the copy in any clone.
    """
    from ganlore.publishing import publish as publishing

    plan = expand(schema.load(study))
    name = plan.study.name
    places = to or Path("results") / name, reports or Path("reports") / name
    sizes = publishing.publish(plan, study, *places, limit)
    for place in places:
        size = sum(size for path, size in sizes.items() if path.is_relative_to(place))
        say(f"{place}: {size / publishing.MEGABYTE:.1f} MB")
    say(f"{len(plan.runs)} runs published; to check them anywhere: ganlore verify {places[0]}")


@app.command("verify")
def verify(
    study: Annotated[
        str,
        typer.Argument(
            metavar="[STUDY|FOLDER]",
            help="A study file, or the folder of a published result; without it the default study "
            "and every published result.",
        ),
    ] = "",
) -> None:
    """Check every file of a study (data, checkpoints, metrics, settings) against its record.

    Of a published result: that its tables, records and report agree to the letter.
    """
    from ganlore.publishing import publication, verify_published
    from ganlore.publishing.verify import verify as verify_study

    places = [study] if study else [DEFAULT, *map(str, publication.find())]
    wrong = 0
    for place in places:
        inline = place.lstrip().startswith("{")
        if not inline and Path(place).is_dir():
            findings = verify_published.verify(Path(place))
        else:
            findings = verify_study(expand(schema.load(place)))
        head = [place] if len(places) > 1 else []
        typer.echo("\n".join([*head, *findings.lines()]))
        wrong += len(findings.wrong)
    if wrong:
        raise typer.Exit(1)


@app.command("schema")
def print_schema() -> None:
    """Print the JSON schema of a study file, for editors (see configs/study.schema.json)."""
    typer.echo(json.dumps(schema.schema(), indent=1))
