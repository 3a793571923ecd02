"""The command line. Heavy modules are imported where a command needs them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ganlore import config, grid, listing, planning, plugins, slots
from ganlore.console import INTERRUPTED, say
from ganlore.errors import GanloreError, unknown

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


def main() -> None:
    """Run a command; a user's mistake is told without a traceback and ends with status 1."""
    try:
        app()
    except GanloreError as error:
        say(f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say(INTERRUPTED)
        sys.exit(130)


@app.command("prepare")
def prepare(
    dataset: Annotated[str, typer.Argument(help="A data set; see `ganlore list data`.")],
    data: DataOption = Path("data"),
    settings: SettingsOption = None,
) -> None:
    """Bring a data set into the store: arrays, labels, and a manifest with licence and hashes."""
    from ganlore import data as datasets

    declared = plugins.declaration("dataset", dataset).settings(json.loads(settings or "{}"))
    plugin = plugins.create("dataset", dataset, declared)
    store = datasets.prepare(dataset, plugin, declared, data / "prepared" / dataset)
    say(f"{store.folder}: {store.manifest['counts']}")


@app.command("extract")
def extract(
    dataset: Annotated[str, typer.Argument(help="A prepared data set.")],
    extractor: Annotated[str, typer.Argument(help="A feature extractor.")],
    data: DataOption = Path("data"),
    device: Annotated[str, typer.Option(help="auto, cpu or cuda: where features are made.")] = (
        "auto"
    ),
) -> None:
    """Fit a feature extractor to a data set, and keep the features of its real samples."""
    # first of all: once torch has looked for GPUs it is too late to choose one
    with slots.slot(device):
        from ganlore import build, features
        from ganlore.data import Store

        plugins.path_of("extractor", extractor)
        folder = data / "extractors" / dataset / extractor
        store = Store.open(data / "prepared" / dataset)
        features.fit(extractor, store, folder, build.device(device, "--device"))
        record = json.loads((folder / "record.json").read_text())
        say(f"{folder}: { {k: v for k, v in record.items() if k != 'files'} }")


@app.command("reference")
def reference(
    dataset: Annotated[str, typer.Argument(help="A prepared data set.")],
    extractor: Annotated[str, typer.Argument(help="An extractor that was fitted to it.")],
    protocol: Annotated[str, typer.Option(help="The protocol as JSON, as the Snakefile gives it.")],
    data: DataOption = Path("data"),
) -> None:
    """Measure the data alone: what evaluations reuse, and the floor that perfect samples get."""
    chosen = config.Protocol.model_validate_json(protocol)
    with slots.slot(chosen.device):
        from ganlore import evaluate
        from ganlore.data import Store

        store = Store.open(data / "prepared" / dataset)
        say(str(evaluate.refer(extractor, store, data, chosen)))


@app.command("fetch")
def fetch(
    extractor: Annotated[str, typer.Argument(help="An extractor that needs weights.")],
    data: DataOption = Path("data"),
) -> None:
    """Fetch the published weights of an extractor once; a cut download goes on where it was."""
    from ganlore import weights

    plugins.path_of("extractor", extractor)
    wanted = weights.required(extractor)
    if wanted.own:
        say(f"{wanted.variable} names {wanted.own}: it is used, and nothing is fetched")
        return
    say(str(weights.fetch(wanted, data)))


@app.command("train")
def train(
    run: Annotated[
        str, typer.Argument(help="A run's path, for example digits/mlp/wgan-gp/ema/base/seed0.")
    ] = "",
    study: StudyOption = DEFAULT,
    settings: SettingsOption = None,
    data: DataOption = Path("data"),
    results: Annotated[Path, typer.Option(help="Folder of results.")] = Path("results"),
    save_every: Annotated[
        float, typer.Option(help="Seconds between two saved states, for resuming.")
    ] = 30.0,
    benchmark: BenchmarkOption = None,
) -> None:
    """Train one run, from its last saved state if there is one."""
    chosen, data, results = _run(run, study, settings, data, results)
    folder, state_folder = results / "runs" / chosen.id, results / "state" / chosen.id
    # first of all: once torch has looked for GPUs it is too late to choose one
    with slots.slot(chosen.training.device):
        from ganlore import build, checkpoint, features, gpu, provenance, storage
        from ganlore import train as training
        from ganlore.data import Store

        try:
            device = build.device(chosen.training.device)
            store = Store.open(data / "prepared" / chosen.dataset.name)
            store.require(chosen.dataset.settings)
            extractors = {
                name: features.open_fitted(name, store, data / "extractors" / store.name / name)
                for name in chosen.training_extractors
            }
            fitted = provenance.fitted(extractors, store.name, data)
            identity = checkpoint.identity(chosen, store, fitted)
            state = checkpoint.State(state_folder, identity, save_every)
            provenance.environment()
            status = training.train(chosen, store, state, device, extractors)
        except Exception as error:
            failure = {"error": f"{type(error).__name__}: {error}"}
            storage.write_json(state_folder / "failed.json", failure)
            raise
        checkpoint.finish(chosen, store, folder, state, status, gpu.name(device), fitted)
    if benchmark:
        provenance.benchmark(benchmark)
    say(f"{folder}: {status}")


@app.command("evaluate")
def evaluate(
    run: Annotated[str, typer.Argument(help="A trained run's path.")] = "",
    study: StudyOption = DEFAULT,
    settings: SettingsOption = None,
    data: DataOption = Path("data"),
    results: Annotated[Path, typer.Option(help="Folder of results.")] = Path("results"),
    benchmark: BenchmarkOption = None,
    keep: Annotated[
        str | None, typer.Option(help="What will stay of the run, as JSON; all by default.")
    ] = None,
) -> None:
    """Measure every snapshot of a trained run: FID, KID, precision, recall, modes and others."""
    chosen, data, results = _run(run, study, settings, data, results)
    with slots.slot(chosen.protocol.device):
        from ganlore import evaluate as evaluation
        from ganlore import provenance, storage
        from ganlore.data import Store

        folder = results / "runs" / chosen.id
        remedy = f"delete {folder} and run `ganlore train` or snakemake"
        # of a training's files only this one is needed; another may have been let go
        record = storage.read_json(folder / "run.json", remedy)
        storage.check(folder / "snapshots.pt", storage.hashes(record)["snapshots.pt"], remedy)
        snapshots = storage.read_torch(folder / "snapshots.pt")
        store = Store.open(data / "prepared" / chosen.dataset.name).require(chosen.dataset.settings)
        evaluation.check_trained(chosen, record, store, data, folder)
        rows, pictures = evaluation.evaluate(chosen, record, snapshots, store, data)
        kept = config.Keep.model_validate_json(keep) if keep else None
        last = snapshots[-1] if snapshots else None
        evaluation.write(folder, chosen, record, rows, pictures, data, kept, last)
        if benchmark:
            provenance.benchmark(benchmark)
        say(f"{folder}: {len(rows)} numbers")


@app.command("collect")
def collect(study: StudyArgument = DEFAULT) -> None:
    """Gather all runs of a study into tidy tables; stale or damaged runs are an error."""
    from ganlore import collect as collection

    plan = grid.expand(config.load(study))
    collection.write(plan, collection.collect(plan))
    say(f"{plan.study.results}: {len(plan.runs)} runs")


@app.command("report")
def report(study: StudyArgument = DEFAULT) -> None:
    """Write figures, tables and the page from the collected tables."""
    from ganlore import report as reporting

    plan = grid.expand(config.load(study))
    say(str(reporting.build(plan)))


LISTS = {
    "losses": "loss", "tricks": "trick", "networks": "network", "data": "dataset",
    "extractors": "extractor",
}  # fmt: skip


@app.command("list")
def list_plugins(
    what: Annotated[
        str, typer.Argument(help=f"One of {', '.join(LISTS)}; all of them if left out.")
    ] = "",
) -> None:
    """Show the plug-ins that can be used in a study, with formula, settings and paper."""
    if what and what not in LISTS:
        raise unknown("list", what, LISTS)
    for title in [what] if what else LISTS:
        typer.echo(f"\n{title}")
        for name in plugins.find(LISTS[title]):
            typer.echo("\n".join(listing.lines(plugins.declaration(LISTS[title], name))))


@app.command("docs")
def docs(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where a page is out of date.")
    ] = False,
    root: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
) -> None:
    """Write the generated blocks of README.md and docs/*.md, from plug-ins, studies, benchmarks."""
    from ganlore import documentation

    if not check:
        typer.echo("\n".join(documentation.write(root)) or "all pages are up to date")
        return
    if wrong := documentation.check(root):
        raise GanloreError("\n".join([*wrong, "to write them: ganlore docs"]))
    typer.echo("all pages are up to date")


@app.command("claims")
def show_claims(study: StudyArgument = "configs/study.yaml") -> None:
    """List a study's claims: what each is tested by, and the cells that it needs."""
    from ganlore import claim_words

    plan = grid.expand(config.load(study))
    if plan.study.claims is None:
        raise GanloreError(f"{study}: the study names no file of claims (`claims: claims.yaml`)")
    for line in claim_words.lines(plan):
        say(line)


@app.command("plan")
def plan_study(
    study: StudyArgument = DEFAULT,
    cores: Annotated[
        int, typer.Option(help="Cores that snakemake will be given; 0 means all.")
    ] = 0,
    measure: Annotated[
        bool, typer.Option(help="Count arithmetic, and time a few steps of each cell.")
    ] = True,
    tflops: Annotated[
        float,
        typer.Option(min=0.001, help="What a GPU that is not here sustains, in TFLOP/s."),
    ] = planning.TFLOPS,
    seconds: Annotated[float, typer.Option(help="Seconds to spend on timing.")] = 60.0,
) -> None:
    """Show what a study will do: runs, jobs, cells without a run, GPU hours, time and disk."""
    import os

    plan = grid.expand(config.load(study))
    for line in planning.outline(plan):
        typer.echo(line)
    if measure:
        for line in planning.forecast(plan, cores or os.cpu_count() or 1, tflops, seconds):
            typer.echo(line)


@app.command("room")
def room(
    study: StudyArgument = DEFAULT,
    jobs: Annotated[int, typer.Option(help="Runs that train side by side.")] = 1,
) -> None:
    """Check that the disk has room for what is left of a study; fails with status 3 if not.

    The Snakefile asks this before the first job. Where it cannot be told, that is no failure.
    """
    import tempfile

    from ganlore import disk
    from ganlore.costs import Costs

    plan = grid.expand(config.load(study))
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = disk.room(Costs(plan, Path(folder)), jobs)
    except GanloreError as error:
        say(f"disk: not checked: {error}")
        return
    say(f"disk: up to {disk.size(found.peak)}, of {disk.size(found.free)} free")
    try:
        found.check(f"study {plan.study.name}")
    except GanloreError as error:
        say(f"error: {error}")
        raise typer.Exit(planning.TOO_LITTLE_ROOM) from None


@app.command("status")
def status(
    study: StudyArgument = DEFAULT,
    cores: Annotated[int, typer.Option(help="Cores that snakemake was given; 0 means all.")] = 0,
) -> None:
    """Show how far a study is: done, running, failed, missing, and the time left."""
    import os

    from ganlore import overview

    plan = grid.expand(config.load(study))
    stages = {run.id: overview.progress(plan, run) for run in plan.runs}
    counts = overview.tally(stages)
    typer.echo(f"study {plan.study.name}: {len(stages)} runs")
    for name in ("done", "running", "interrupted", "failed", "stale", "missing"):
        if counts[name]:
            typer.echo(f"  {name:<12} {counts[name]}")
    for run_id, stage in stages.items():
        if stage.state in ("running", "interrupted", "failed", "stale"):
            typer.echo(f"  {stage.state}: {run_id}: {stage.note}")
    diverged = [run_id for run_id, stage in stages.items() if stage.note == "diverged"]
    for run_id in diverged:
        typer.echo(f"  diverged: {run_id}")
    if counts["done"] < len(stages):
        left = overview.seconds_left(plan, stages, cores or os.cpu_count() or 1)
        known = "unknown until a first run is done" if left is None else f"{left / 60:.0f} minutes"
        typer.echo(f"  time left: {known}")
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
    limit: Annotated[float, typer.Option(help="Megabytes that it may take.")] = 15.0,
) -> None:
    """Copy a finished study's tables, records and report to where git keeps them, and check them.

    Weights, samples and data are left out. `ganlore verify FOLDER` checks the copy in any clone.
    """
    from ganlore import publication

    plan = grid.expand(config.load(study))
    name = plan.study.name
    places = to or Path("results") / name, reports or Path("reports") / name
    sizes = publication.publish(plan, study, *places, limit)
    for place in places:
        size = sum(size for path, size in sizes.items() if path.is_relative_to(place))
        say(f"{place}: {size / publication.MEGABYTE:.1f} MB")
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
    from ganlore import published, verification

    places = [study] if study else [DEFAULT, *map(str, published.find())]
    wrong = 0
    for place in places:
        if Path(place).is_dir():
            findings = published.verify(Path(place))
        else:
            findings = verification.verify(grid.expand(config.load(place)))
        head = [place] if len(places) > 1 else []
        typer.echo("\n".join([*head, *findings.lines()]))
        wrong += len(findings.wrong)
    if wrong:
        raise typer.Exit(1)


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of a study file, for editors (see configs/study.schema.json)."""
    typer.echo(json.dumps(config.schema(), indent=1))


def _run(
    run: str, study: str, settings: str | None, data: Path, results: Path
) -> tuple[grid.Run, Path, Path]:
    """The run that a command names, by its settings or by its path in a study."""
    if settings:
        return grid.Run.model_validate_json(settings), data, results
    if not run:
        raise GanloreError("name a run, for example digits/mlp/wgan-gp/ema/base/seed0")
    plan = grid.expand(config.load(study))
    return plan.run(run), Path(plan.study.data), Path(plan.study.results)
