"""From the files of all runs of a plan to tidy tables; stale or damaged runs stop it.

The tables, each a Parquet file in the study's results folder:

- `metrics`: one row for each run, snapshot, extractor and metric (`evaluate.evaluate`);
- `history`: one row for each run and recorded step (`history.History`);
- `runs`: one row for each run: status, cost, sizes, optimiser, provenance.

`floor.csv` has the metrics of real data against real data, which perfect samples would get, and
`controls.csv` those of real data in disguise, where claims ask for them (`controls.measure`);
`costs.csv` has what a step of each cell costs whose cost a claim is about, by round
(`forecast.rounds`).
`tables.json` is their record: their hashes, and those of all records that they were made of.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from ganlore import frames, storage
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.evaluation import controls, evaluate
from ganlore.execution import freshness, records
from ganlore.steps.schedule import beta2, learning_rate_factor, learning_rates
from ganlore.study import registry
from ganlore.study.run import CONTROLS, TIMED, Cell, Plan, Run
from ganlore.training import build
from ganlore.training import history as marks


def check_run(plan: Plan, run: Run) -> dict[str, Any]:
    """A run's `run.json`, once its files agree with their records and these with the study.

    Raises:
        GanloreError: if a file is missing or damaged, or if the run was trained or evaluated with
            other settings, code or data than the study's and this package's as they are now.
    """
    folder = plan.folder(run)
    record, evaluation = records.check_files(plan, run)
    freshness.changes(run, record, evaluation, Path(plan.study.data)).check(folder)
    return record


def collect(plan: Plan) -> dict[str, pd.DataFrame]:
    """The tables `metrics`, `history`, `runs`, `floor`, `controls` and `costs` of a plan.

    Raises:
        GanloreError: naming every run that cannot be used; none is left out silently.
    """
    data = Path(plan.study.data)
    stores = {
        name: Store.open(data / "prepared" / name).require(settings)
        for name, settings in plan.datasets.items()
    }
    problems: list[str] = []
    metrics, history, runs = [], [], []
    for run in plan.runs:
        folder = plan.folder(run)
        try:
            record = check_run(plan, run)
            measured = _metrics(run, record, folder)
        except GanloreError as error:
            problems.append(str(error))
            continue
        metrics.append(measured)
        history.append(frames.read_csv(folder / "history.csv").assign(**run.key))
        runs.append(_summary(run, record, history[-1]))
    if problems:
        listed = "\n".join(problems[:10])
        raise GanloreError(f"{len(problems)} of {len(plan.runs)} runs cannot be used\n{listed}")
    devices = {row["device"] for row in runs}
    if len(devices) > 1:
        raise GanloreError(
            f"runs of this study were trained on {' and '.join(sorted(devices))}, which draw "
            "different noise\n  set training.device and run snakemake"
        )
    floors = [
        row
        for dataset, (protocol, extractors) in plan.protocols.items()
        for extractor in extractors
        for row in evaluate.floor(extractor, stores[dataset], data, protocol)
    ]
    disguised = [
        row
        for (dataset, extractor), protocol in plan.controls.items()
        for row in controls.rows(extractor, stores[dataset], data, protocol)
    ]
    return {
        "metrics": pd.concat(metrics, ignore_index=True),
        "history": pd.concat(history, ignore_index=True),
        "runs": pd.DataFrame(runs),
        "floor": pd.DataFrame(floors),
        "controls": pd.DataFrame(disguised, columns=list(CONTROLS)),
        "costs": pd.DataFrame(records.costs(plan), columns=[*Cell._fields, "round", *TIMED]),
    }


def _metrics(run: Run, record: dict[str, Any], folder: Path) -> pd.DataFrame:
    """A run's table of metrics, which has all its snapshots, but for those that diverged."""
    table = frames.read_csv(folder / "metrics.csv", keep_default_na=False, na_values=["nan"])
    steps = sorted(int(step) for step in table.loc[table["status"] == "done", "step"].unique())
    if "diverged" in set(table["status"]):
        expected = marks.snapshot_steps(run.training, record["steps"])
        steps += expected[len(steps) :]  # the snapshots from here on gave no finite sample
    marks.check_snapshots(steps, run.training, record["steps"], folder)
    return table


def _summary(run: Run, record: dict[str, Any], history: pd.DataFrame) -> dict[str, Any]:
    """One row of the table `runs`."""
    tricks = [registry.create("trick", part.name, part.settings) for part in run.applied]
    loss = registry.create("loss", run.loss.name, run.loss.settings)
    optimizer = build.optimizer_settings(run, tricks)
    environment = record["environment"]
    return {
        **run.key,
        "status": record["status"],
        "steps": record["steps"],
        "images": record["steps"] * run.training.batch,
        "seconds": record["seconds"],
        "step_ms": 1000 * record["seconds"] / max(record["steps"], 1),
        "peak_memory_mb": record["peak_memory_mb"],
        "step_memory_mb": history["step_memory_mb"].max(),
        "parameters_generator": record["parameters"]["generator"],
        "parameters_discriminator": record["parameters"]["discriminator"],
        "optimizer": optimizer.kind,
        "lr_generator": learning_rates(optimizer)[0],
        "lr_discriminator": learning_rates(optimizer)[1],
        "betas": json.dumps(optimizer.betas),
        "lr_factor_end": learning_rate_factor(optimizer, 1.0)
        * math.prod(t.learning_rate(1.0) for t in tricks),
        "beta2_end": beta2(optimizer, 1.0),
        "n_critic": build.n_critic(loss, tricks),
        "batch": run.training.batch,
        "policy": run.training.policy,
        **{key: record[key] for key in ("device", "threads", "settings_hash", "code_hash")},
        "git_commit": environment["git"]["commit"],
        "git_dirty": environment["git"]["dirty"],
        "torch": environment["versions"]["torch"],
        "processor": environment["processor"],
    }


def write(plan: Plan, tables: dict[str, pd.DataFrame]) -> None:
    """Write the tables atomically, and last their record."""
    folder = Path(plan.study.results)
    searched = {"search": tables["search"]} if "search" in tables else {}
    contents: dict[str, bytes] = {
        f"{name}.parquet": tables[name].to_parquet(index=False)
        for name in ("metrics", "history", "runs")
    }
    texts = {name: tables[name] for name in ("floor", "controls", "costs")}
    for name, table in {**texts, **searched}.items():
        contents[f"{name}.csv"] = table.to_csv(index=False, lineterminator="\n").encode()
    (folder / records.TABLES).unlink(missing_ok=True)
    files = {name: storage.write_bytes(folder / name, data) for name, data in contents.items()}
    storage.write_record(folder / records.TABLES, {**records.sources(plan), "files": files})
