"""The commands that Snakemake starts as jobs. Heavy modules are imported where one needs them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from ganlore.cli.app import (
    DEFAULT,
    BenchmarkOption,
    BesideOption,
    DataOption,
    RunDataOption,
    RunResultsOption,
    RunStudyOption,
    SettingsOption,
    StudyArgument,
    app,
    finite,
    refuse,
)
from ganlore.console import say
from ganlore.errors import GanloreError, unknown
from ganlore.execution import extractors, gpu_slots, run_lock
from ganlore.study import explain, outside, registry, schema, search
from ganlore.study.expand import expand
from ganlore.study.keep import Beside, Keep
from ganlore.study.protocol import Protocol
from ganlore.study.run import Run


@app.command("prepare")
def prepare(
    dataset: Annotated[str, typer.Argument(help="A data set; see `ganlore list data`.")],
    data: RunDataOption = None,
    settings: SettingsOption = None,
    study: Annotated[
        str | None,
        typer.Option("--study", metavar="STUDY", help="The study whose settings it has."),
    ] = None,
    key: Annotated[
        str, typer.Option(help="By which Snakemake knows the pictures that it reads.")
    ] = "",
) -> None:
    """Bring a data set into the store: arrays, labels, and a manifest with licence and hashes.

    With the settings of a study (--study), or with its own (--settings; its defaults without).
    """
    from ganlore import data as datasets

    if study is None:
        asked = explain.mapping(settings or "{}", "--settings")
        declared = registry.declaration("dataset", dataset).settings(asked)
        data = data or Path("data")
    else:
        refuse({"--settings": settings, "--data": data}, f"the study {study} has them")
        declared, data = _of_study(dataset, study)
    plugin = registry.create("dataset", dataset, declared)
    store = datasets.prepare(dataset, plugin, declared, data / "prepared" / dataset, key)
    say(f"{store.folder}: {store.manifest['counts']}")
    if store.classes and len(store.shape) == 3:
        from ganlore.features import _learning

        if why := _learning.obstacle(store):
            say(f"warning: data set {dataset} {why}\n  a classifier's features will be refused")


def _of_study(dataset: str, study: str) -> tuple[dict[str, Any], Path]:
    """A data set's settings in a study, and the study's folder of data."""
    plan = expand(schema.load(study))
    if dataset not in plan.datasets:
        raise unknown("data set", dataset, plan.datasets, where=study)
    return plan.datasets[dataset], Path(plan.study.data)


@app.command("extract")
def extract(
    dataset: Annotated[str, typer.Argument(help="A prepared data set.")],
    extractor: Annotated[str, typer.Argument(help="A feature extractor.")],
    data: DataOption = Path("data"),
    device: Annotated[str, typer.Option(help="auto, cpu or cuda: where features are made.")] = (
        "auto"
    ),
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Features made at a time on a CPU: by default one a core."),
    ] = None,
) -> None:
    """Fit a feature extractor to a data set, and keep the features of its real samples."""
    # first of all: once torch has looked for GPUs it is too late to choose one
    with gpu_slots.slot(device):
        from ganlore import features, shapes, storage
        from ganlore.data import Store
        from ganlore.execution import gpu
        from ganlore.training import build

        registry.path_of("extractor", extractor)
        folder = data / "extractors" / dataset / extractor
        store = Store.open(data / "prepared" / dataset)
        with gpu.failure_explained(f"extractor {extractor} on {dataset}"):
            where = build.device(device, "--device")
            features.fit(extractor, store, folder, where, workers or os.cpu_count() or 1)
        record = storage.read_json(folder / "record.json", "extract again", shapes.Fitted)
        say(f"{folder}: { {k: v for k, v in record.items() if k != 'files'} }")
        if text := extractors.weakness(dataset, extractor, record):
            say(text)


@app.command("reference")
def reference(
    dataset: Annotated[str, typer.Argument(help="A prepared data set.")],
    extractor: Annotated[str, typer.Argument(help="An extractor that was fitted to it.")],
    protocol: Annotated[str, typer.Option(help="The protocol as JSON, as the Snakefile gives it.")],
    data: DataOption = Path("data"),
) -> None:
    """Measure the data alone: what evaluations reuse, and the floor that perfect samples get."""
    chosen = explain.parsed(Protocol, protocol, "--protocol")
    with gpu_slots.slot(chosen.device):
        from ganlore.data import Store
        from ganlore.evaluation import evaluate
        from ganlore.execution import gpu

        store = Store.open(data / "prepared" / dataset)
        with gpu.failure_explained(f"reference of {extractor} on {dataset}"):
            say(str(evaluate.refer(extractor, store, data, chosen)))


@app.command("controls")
def controls(
    dataset: Annotated[str, typer.Argument(help="A prepared data set.")],
    extractor: Annotated[str, typer.Argument(help="An extractor that was fitted to it.")],
    protocol: Annotated[str, typer.Option(help="The protocol as JSON, as the Snakefile gives it.")],
    data: DataOption = Path("data"),
) -> None:
    """Measure real data in disguise: two halves, one class alone, and noise; ten times each."""
    chosen = explain.parsed(Protocol, protocol, "--protocol")
    with gpu_slots.slot(chosen.device):
        from ganlore.data import Store
        from ganlore.evaluation import controls as disguised
        from ganlore.execution import gpu

        store = Store.open(data / "prepared" / dataset)
        with gpu.failure_explained(f"controls of {extractor} on {dataset}"):
            say(str(disguised.keep(extractor, store, data, chosen)))


@app.command("fetch")
def fetch(
    extractor: Annotated[str, typer.Argument(help="An extractor that needs weights.")],
    data: DataOption = Path("data"),
) -> None:
    """Fetch the published weights of an extractor once; a cut download goes on where it was."""
    from ganlore.study import weights

    registry.path_of("extractor", extractor)
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
    study: RunStudyOption = None,
    settings: SettingsOption = None,
    data: RunDataOption = None,
    results: RunResultsOption = None,
    save_every: Annotated[
        float,
        typer.Option(
            min=0, callback=finite, help="Seconds between two saved states, for resuming."
        ),
    ] = 30.0,
    benchmark: BenchmarkOption = None,
    beside: BesideOption = None,
) -> None:
    """Train one run, from its last saved state if there is one."""
    chosen, data, results = _named(run, study, settings, data, results)
    more = _beside(chosen, results, beside, None if settings else study or DEFAULT)
    folder, state_folder = results / "runs" / chosen.id, results / "state" / chosen.id
    # before torch is imported: once that has looked for GPUs it is too late to choose one
    with (
        run_lock.held(state_folder, chosen.id) as lock,
        gpu_slots.slot(chosen.training.device) as gpu,
    ):
        from ganlore import provenance
        from ganlore.cli import device_client, training

        words = (chosen, data, folder, state_folder, save_every, more)
        shared = device_client.train(*words, lock) if gpu else None
        status, used = shared or (training.train(*words), None)
    if benchmark:
        provenance.benchmark(benchmark, used)
    say(f"{folder}: {status}")


@app.command("evaluate")
def evaluate(
    run: Annotated[str, typer.Argument(help="A trained run's path.")] = "",
    study: RunStudyOption = None,
    settings: SettingsOption = None,
    data: RunDataOption = None,
    results: RunResultsOption = None,
    benchmark: BenchmarkOption = None,
    keep: Annotated[
        str | None, typer.Option(help="What will stay of the run, as JSON; all by default.")
    ] = None,
    beside: BesideOption = None,
) -> None:
    """Measure every snapshot of a trained run: FID, KID, precision, recall, modes and others."""
    chosen, data, results = _named(run, study, settings, data, results)
    kept = explain.parsed(Keep, keep, "--keep") if keep else None
    more = _beside(chosen, results, beside, None if settings else study or DEFAULT)
    state_folder = results / "state" / chosen.id
    lock = run_lock.held(state_folder, chosen.id)
    with lock, gpu_slots.slot(chosen.protocol.device):
        from ganlore import arrays, provenance, storage
        from ganlore.cli import events
        from ganlore.data import Store
        from ganlore.evaluation import evaluate as evaluation
        from ganlore.execution import freshness, gpu, records
        from ganlore.training import history

        folder = results / "runs" / chosen.id
        remedy = f"delete {folder} and run `ganlore train` or snakemake"
        # of a training's files only this one is needed; another may be discarded
        record = records.trained(chosen, folder)
        storage.check(folder / "snapshots.pt", storage.hashes(record)["snapshots.pt"], remedy)
        snapshots = arrays.read_torch(folder / "snapshots.pt")
        steps = [snapshot["step"] for snapshot in snapshots]
        history.check_snapshots(steps, chosen.training, record["steps"], folder)
        store = Store.open(data / "prepared" / chosen.dataset.name).require(chosen.dataset.settings)
        freshness.changes(chosen, record, data=data).check(folder)
        with gpu.failure_explained(f"evaluation of run {chosen.id}"):
            rows, pictures = evaluation.evaluate(chosen, record, snapshots, store, data)
        last = snapshots[-1] if snapshots else None
        evaluation.write(folder, chosen, record, rows, pictures, data, kept, last)
        events.measured(more, store, rows, steps, pictures)
        shutil.rmtree(state_folder, ignore_errors=True)  # kept for it (records.KEEP_STATE)
        if benchmark:
            provenance.benchmark(benchmark)
        say(f"{folder}: {len(rows)} numbers")


@app.command("costs")
def costs(study: StudyArgument = DEFAULT) -> None:
    """Measure what a step costs of the cells that claims about cost compare; nothing is trained.

    Times are of this machine, with nothing else on it: Snakemake gives this command all cores.
    """
    plan = expand(schema.load(study))
    if not plan.costs:
        raise GanloreError(f"{study}: no claim of the study is about a cost (`take: cost`)")
    devices = {run.training.device for run in plan.costs}
    with gpu_slots.slot("cpu" if devices == {"cpu"} else "auto"):
        import tempfile

        from ganlore.forecast import rounds

        with tempfile.TemporaryDirectory() as folder:
            rows = rounds.measure(plan, Path(folder))
        say(f"{rounds.write(plan, rows)}: {len(plan.costs)} cells")


@app.command("select")
def select(
    study: StudyArgument,
    rung: Annotated[int, typer.Argument(min=1, help="Of the search, from 1.")],
) -> None:
    """Choose the draws that a rung of a search keeps, from the trials of the rung."""
    from ganlore.evaluation import searching

    checked = schema.load(study)
    expand(checked)  # refuses a search that cannot be one
    if checked.search is None or rung > len(checked.search.rungs):
        raise GanloreError(
            f"study {checked.name}: no rung {rung} of a search\n"
            "  name a study whose policy is `searched`, and one of its rungs"
        )
    say(str(searching.select(checked, rung)))


@app.command("collect")
def collect(study: StudyArgument = DEFAULT) -> None:
    """Gather all runs of a study into tidy tables; stale or damaged runs are an error."""
    from ganlore.cli import events
    from ganlore.evaluation import collect as collection
    from ganlore.evaluation import searching

    plan = expand(schema.load(study))
    collection.write(plan, collection.collect(plan) | searching.tables(plan.study))
    events.complete(plan)
    say(f"{plan.study.results}: {len(plan.runs)} runs")


@app.command("report")
def report(study: StudyArgument = DEFAULT) -> None:
    """Write figures, tables and the page from the collected tables."""
    from ganlore.report import page as reporting

    plan = expand(schema.load(study))
    say(str(reporting.build(plan)))


def _named(
    run: str, study: str | None, settings: str | None, data: Path | None, results: Path | None
) -> tuple[Run, Path, Path]:
    """The run that a command names, by its settings or by its path in a study, and its folders."""
    if settings:
        refuse({"RUN": run or None, "--study": study}, "--settings is the whole run")
        chosen = explain.parsed(Run, settings, "--settings")
        _name_plugins(chosen)
        return chosen, data or Path("data"), results or Path("results")
    if not run:
        raise GanloreError("name a run, for example digits/mlp/wgan-gp/ema/base/seed0")
    source = study or DEFAULT
    refuse({"--data": data, "--results": results}, f"the study {source} names its own folders")
    plan = expand(schema.load(source))
    if search.waits(plan.study):
        raise GanloreError(
            f"study {plan.study.name}: its runs have the settings that a search chooses, and the "
            "search is not done\n  run snakemake"
        )
    chosen = plan.run(run)
    _name_plugins(chosen)
    return chosen, Path(plan.study.data), Path(plan.study.results)


def _beside(run: Run, results: Path, given: str | None, study: str | None) -> Beside:
    """What a job writes beside its run's files: as its study says, or as it was given."""
    wanted = explain.parsed(Beside, given, "--beside") if given else Beside()
    if study is not None:
        wanted = schema.load(study).beside
    return wanted.model_copy(update={"results": results, "run": run.id})


def _name_plugins(run: Run) -> None:
    """Name the plug-ins that are not part of this package, before they are imported."""
    for line in outside.lines([run]):
        say(line)
