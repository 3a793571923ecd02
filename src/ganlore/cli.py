"""The command line. Heavy modules are imported where a command needs them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganlore import config, grid, plugins
from ganlore.console import say
from ganlore.errors import GanloreError, unknown

if TYPE_CHECKING:
    import torch

app = typer.Typer(
    name="ganlore",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Measures the lore of GAN training: every loss x every trick x every seed, on equal terms.\n\n"
    "A STUDY is a YAML file in configs/. `snakemake --cores 8` runs a whole study and writes its "
    "report; the commands here show, check, and do single pieces of it.",
)

StudyArgument = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study file (or the study itself as JSON).")
]
StudyOption = Annotated[str, typer.Option("--study", metavar="STUDY", help="The study file.")]
DataOption = Annotated[Path, typer.Option("--data", help="Folder of prepared data.")]
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
        say("interrupted; finished work is kept, and the next start goes on from it")
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
) -> None:
    """Fit a feature extractor to a data set, and keep the features of its real samples."""
    from ganlore import features
    from ganlore.data import Store

    plugins.path_of("extractor", extractor)
    folder = data / "extractors" / dataset / extractor
    features.fit(extractor, Store.open(data / "prepared" / dataset), folder)
    record = json.loads((folder / "record.json").read_text())
    say(f"{folder}: { {k: v for k, v in record.items() if k != 'files'} }")


@app.command("train")
def train(
    run: Annotated[
        str, typer.Argument(help="A run's path, for example digits/dcgan/wgan/none/base/seed0.")
    ] = "",
    study: StudyOption = DEFAULT,
    settings: SettingsOption = None,
    data: DataOption = Path("data"),
    results: Annotated[Path, typer.Option(help="Folder of results.")] = Path("results"),
    save_every: Annotated[
        float, typer.Option(help="Seconds between two saved states, for resuming.")
    ] = 30.0,
) -> None:
    """Train one run, from its last saved state if there is one."""
    chosen, data, results = _run(run, study, settings, data, results)
    folder, state_folder = results / "runs" / chosen.id, results / "state" / chosen.id
    from ganlore import checkpoint, provenance, storage, train as training
    from ganlore.data import Store

    device = _device(chosen.training.device)
    state = checkpoint.State(state_folder, checkpoint.identity(chosen), save_every)
    try:
        store = Store.open(data / "prepared" / chosen.dataset.name)
        provenance.environment()
        status = training.train(chosen, store, state, device)
    except Exception as error:
        failure = {"error": f"{type(error).__name__}: {error}"}
        storage.write_json(state_folder / "failed.json", failure)
        raise
    checkpoint.finish(chosen, folder, state, status, str(device))
    say(f"{folder}: {status}")


@app.command("evaluate")
def evaluate(
    run: Annotated[str, typer.Argument(help="A trained run's path.")] = "",
    study: StudyOption = DEFAULT,
    settings: SettingsOption = None,
    data: DataOption = Path("data"),
    results: Annotated[Path, typer.Option(help="Folder of results.")] = Path("results"),
) -> None:
    """Measure every snapshot of a trained run: FID, KID, precision, recall, modes and others."""
    chosen, data, results = _run(run, study, settings, data, results)
    from ganlore import evaluate as evaluation, storage
    from ganlore.data import Store

    folder = results / "runs" / chosen.id
    remedy = f"delete {folder} and run `ganlore train` or snakemake"
    record = storage.read_json(folder / "run.json", remedy)
    for name, digest in record["files"].items():
        storage.check(folder / name, digest, remedy)
    snapshots = storage.read_torch(folder / "snapshots.pt")
    store = Store.open(data / "prepared" / chosen.dataset.name)
    rows, pictures = evaluation.evaluate(chosen, record, snapshots, store, data)
    evaluation.write(folder, chosen, rows, pictures)
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


def _run(
    run: str, study: str, settings: str | None, data: Path, results: Path
) -> tuple[grid.Run, Path, Path]:
    """The run that a command names, by its settings or by its path in a study."""
    if settings:
        return grid.Run.model_validate_json(settings), data, results
    if not run:
        raise GanloreError("name a run, for example digits/dcgan/wgan/none/base/seed0")
    plan = grid.expand(config.load(study))
    return plan.run(run), Path(plan.study.data), Path(plan.study.results)


def _device(wanted: str) -> torch.device:
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise GanloreError(
            "training.device = 'cuda', but torch finds no GPU\n"
            "  use 'auto' or 'cpu', or install a driver that torch can use"
        )
    gpu = wanted != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")
