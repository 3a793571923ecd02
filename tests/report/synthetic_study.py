"""The tables and files of a study that was never trained: plausible, and the same every time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ganlore import arrays, storage
from ganlore.evaluation import collect
from ganlore.execution import records
from ganlore.study import schema
from ganlore.study.expand import expand
from ganlore.study.run import CONTROLS, TIMED, Cell, Plan, Run

LOSS = {"wgan-gp": 0.6, "hinge": 0.9, "dragan": 0.8, "nonsaturating": 1.0, "lsgan": 1.3,
        "minimax": 2.2, "wgan": 3.0}  # fmt: skip
TRICK = {"none": 1.0, "r1": 0.6, "ema": 0.7, "gradient-penalty": 0.75, "spectral-norm": 0.8,
         "ttur": 0.9, "packing": 1.1, "relativistic": 1.2}  # fmt: skip
TIME = {"none": 1.0, "ema": 1.05, "gradient-penalty": 1.9, "r1": 1.7, "spectral-norm": 1.2}
SCALE = {"digits": 40.0, "ring": 0.02}
DIVERGED = {
    ("digits", "lsgan", "relativistic"): (0, 2),
    ("digits", "minimax", "packing"): (0, 1, 2),
    ("ring", "wgan", "none"): (1,),
}
"""Seeds that diverge after a quarter of the budget, by cell."""

METRICS = {
    "digits": ("fid", "kid", "modes", "reverse_kl", "precision", "recall", "density", "coverage"),
    "ring": ("fid", "kid", "modes", "high_quality", "reverse_kl", "precision", "recall",
             "density", "coverage"),
}  # fmt: skip
ENCODER = (("reconstruction_mse", "reconstruction_mae"), ("reconstructions",))
OWN = {
    "cgan": (("asked_share",), ("classes",)),
    "infogan": (("code_nmi",), ("categorical", "continuous")),
    "vaegan": ENCODER, "gan-mse": ENCODER, "gan-mae": ENCODER,
}  # fmt: skip
"""Metrics and pictures that only some losses have."""

FLOOR = {"digits": 2.4, "ring": 0.0002}


def _claim(statement: str, article: str, *tests: dict[str, Any], **more: str) -> dict[str, Any]:
    return {"statement": statement, "articles": [article], "tests": list(tests), **more}


def _test(
    treatment: dict[str, Any], control: dict[str, Any] | None, **changes: Any
) -> dict[str, Any]:
    sides = {"treatment": {"networks": ["dcgan"], **treatment}}
    if control is not None:
        sides["control"] = {"networks": ["dcgan"], **control}
    fid = {"take": "end", "of": "fid", "scale": "log", "claimed": "lower", "margin": 0.05,
           "converged": False}  # fmt: skip
    return {**fid, **sides, **changes}


LSGAN, MINIMAX = {"losses": ["lsgan"]}, {"losses": ["minimax"]}
PACKED = {"losses": ["lsgan"], "tricks": ["packing"]}
CLAIMS: dict[str, Any] = {
    "articles": {
        "000": {"language": "Arabic", "about": "losses"},
        "004": {"language": "Turkish", "about": "tips"},
    },
    "claims": {
        "C01": _claim("Least squares beat the logarithm.", "000", _test(LSGAN, MINIMAX),
                      _test(LSGAN, None, of="precision", scale="value", claimed="higher", constant=0.2)),
        "C02": _claim("The logarithm beats least squares.", "000", _test(MINIMAX, LSGAN)),
        "C03": _claim("A slower rate is better.", "004", _test({**LSGAN, "variants": ["slow"]}, LSGAN)),
        "C04": _claim("Packing halves the distance.", "004", _test(PACKED, LSGAN, margin=0.7)),
        "C05": _claim("Attention helps.", "004", _test({"losses": ["lsgan"], "tricks": ["self-attention"]}, LSGAN),
                      note="It is left out here.", elsewhere="The default study has it."),
        "C06": _claim("Least squares beat the logarithm at the end.", "000", _test(LSGAN, MINIMAX, converged=True)),
        "C07": _claim("Everything is precise.", "004",
                      _test(LSGAN, MINIMAX, of="precision", scale="value", claimed="higher", margin=1.0)),
    },
}  # fmt: skip
"""A claim for each verdict: holds, contradicted, undecided, does not hold, not tested, not converged, not testable here."""


def claiming(folder: Path, **changes: Any) -> Plan:
    """A plan with claims and as many seeds as they need."""
    grids = [{"datasets": ["digits"], "networks": ["dcgan"], "losses": ["lsgan", "minimax", "wgan"],
              "tricks": ["none", "packing", "relativistic"]}]  # fmt: skip
    left_out = [{"trick": "self-attention", "reason": "it takes too long"}]
    named = {"name": "claiming", "title": "Which advice on training GANs holds up?"}
    slow = {"training": {"optimizer": {"lr": 1.0e-4}}}
    settings = {**named, "variants": {"slow": slow}, "seeds": list(range(3, 11)), "claims": CLAIMS, "grids": grids,
                "exclude": left_out}  # fmt: skip
    return small(folder, **settings | changes)


def small(folder: Path, **changes: Any) -> Plan:
    """A plan with both kinds of data, an n/a cell and diverged runs."""
    document: dict[str, Any] = {
        "name": "small",
        "title": "A small study",
        "seeds": [0, 1, 2],
        "training": {"budget": 6400, "snapshots": 4},
        "protocol": {"n_fake": 1438, "pictures": 16},
        "grids": [
            {"datasets": ["digits"], "networks": ["dcgan"], "losses": ["lsgan", "minimax", "wgan", "cgan", "vaegan"],
             "tricks": ["none", "packing", "relativistic"]},
            {"datasets": ["ring"], "networks": ["mlp"], "losses": ["lsgan", "minimax", "wgan"],
             "tricks": ["none"], "protocol": {"n_real": 2500, "n_fake": 2500}},
        ],
        **changes,
    }  # fmt: skip
    return expand(schema.parse(_inside(document, folder), "study"))


def default(folder: Path, **changes: Any) -> Plan:
    """The plan of the default study, with its results and reports in a folder."""
    root = Path(__file__).parents[2]
    document = schema.read(root / "configs/default.yaml") | changes
    return expand(schema.parse(_inside(document, folder), "study"))


def _inside(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    places = {name: str(folder / name) for name in ("data", "results", "reports")}
    return document | places


def planned(run: Run) -> bool:
    """Whether a run diverges, by `DIVERGED`."""
    return run.seed in DIVERGED.get((run.dataset.name, run.loss.name, run.trick), ())


def make(plan: Plan, diverges: Callable[[Run], bool] = planned, last: float = 0.25) -> Plan:
    """Write all that a report reads.

    Args:
        plan: the study's.
        diverges: whether a run does.
        last: the share of its budget at which a run that diverges has its last snapshot; 0: none.
    """
    for dataset, extractors in plan.extractors.items():
        _data(Path(plan.study.data), dataset, extractors)
    metrics: list[dict[str, Any]] = []
    history: list[dict[str, Any]] = []
    runs: list[dict[str, Any]] = []
    for index, run in enumerate(plan.runs):
        rng = np.random.default_rng(index)
        failed = diverges(run)
        metrics += _metrics(run, rng, failed, last)
        history += [{**run.key, "step": step, "d_loss": 1.0} for step in (10, 20)]
        runs.append(_run(run, rng, failed))
        _files(plan, run, rng, failed, runs[-1])
    tables = {"metrics": metrics, "history": history, "runs": runs, "floor": _floor(plan)}
    frames = {name: pd.DataFrame(rows) for name, rows in tables.items()}
    empty = {"controls": CONTROLS, "costs": [*Cell._fields, "round", *TIMED]}
    frames |= {name: pd.DataFrame(columns=list(columns)) for name, columns in empty.items()}
    collect.write(plan, frames)
    return plan


def change_record(plan: Plan, dataset: str, extractor: str, **changes: Any) -> None:
    """Change the record of an extractor, and have the tables collected from it."""
    path = Path(plan.study.data) / "extractors" / dataset / extractor / "record.json"
    storage.write_record(path, storage.open_record(path, "") | changes)
    collected = Path(plan.study.results) / records.TABLES
    storage.write_record(collected, storage.open_record(collected, "") | records.sources(plan))


def change_table(plan: Plan, name: str, table: pd.DataFrame) -> None:
    """Put another table into a study, as if its runs had given it."""
    path = Path(plan.study.results) / records.TABLES
    record = storage.read_json(path, "")
    data = table.to_parquet(index=False)
    record["files"][f"{name}.parquet"] = storage.write_bytes(
        path.with_name(f"{name}.parquet"), data
    )
    storage.write_record(path, record)


def _quality(run: Run, rng: np.random.Generator, progress: float) -> float:
    """1 is the plain non-saturating loss at its end; lower is better."""
    level = LOSS.get(run.loss.name, 1.0) * TRICK.get(run.trick, 1.0) * 0.4 ** (run.seed == 9)
    return float(level * progress**-0.9 * np.exp(0.15 * rng.standard_normal()))


def _metrics(run: Run, rng: np.random.Generator, failed: bool, last: float) -> list[dict[str, Any]]:
    dataset, training, rows = run.dataset.name, run.training, []
    common = {
        **run.key, "eval_seed": 0, "extractor": run.extractors[0], "split": "train",
        "resize": "none",
        "n_fake": run.protocol.n_fake, "seconds": 0.1,
    }  # fmt: skip
    n_real = {"digits": 1438, "ring": 2500}[dataset]
    names = (*METRICS[dataset], *OWN.get(run.loss.name, ((), ()))[0])
    for snapshot in range(1, training.snapshots + 1):
        progress = snapshot / training.snapshots
        step = round(training.steps * progress)
        value = _quality(run, rng, progress)
        if failed and progress > last:
            break
        for name in names:
            rows.append(
                {
                    **common,
                    "step": step,
                    "images": step * training.batch,
                    "metric": name,
                    "n_real": n_real,
                    "value": _value(name, dataset, value),
                    "status": "done",
                }
            )
    if failed:
        for name in names:
            rows.append(
                {
                    **common,
                    "step": training.steps,
                    "n_real": 0,
                    "metric": name,
                    "images": training.steps * training.batch,
                    "value": float("nan"),
                    "status": "diverged",
                }
            )
    return rows  # fmt: skip


def _value(name: str, dataset: str, quality: float) -> float:
    good = float(np.exp(-0.35 * quality))
    return {
        "fid": FLOOR[dataset] + SCALE[dataset] * quality,
        "kid": 30 * quality - 5,
        "modes": float(round((10 if dataset == "digits" else 8) * min(1, 1.3 * good))),
        "high_quality": 0.98 * good,
        "reverse_kl": 0.2 * quality,
        "precision": 0.95 * good**0.5,
        "recall": 0.9 * good**1.7,
        "density": 1.05 * good,
        "coverage": 0.8 * good,
        "asked_share": good,
        "code_nmi": 0.9 * good,
        "reconstruction_mse": 0.05 / good,
        "reconstruction_mae": 0.1 / good,
    }[name]


def _run(run: Run, rng: np.random.Generator, failed: bool) -> dict[str, Any]:
    steps = run.training.steps // 3 if failed else run.training.steps
    ms = (11 if run.loss.name.startswith("wgan") or run.loss.name == "hinge" else 19) * TIME.get(
        run.trick, 1.0
    )
    ms *= float(1 + 0.03 * rng.random())
    return {
        **run.key, "status": "diverged" if failed else "done", "steps": steps,
        "images": steps * run.training.batch, "seconds": steps * ms / 1000, "step_ms": ms,
        "peak_memory_mb": 735.0, "step_memory_mb": 0.5 * TIME.get(run.trick, 1.0),
        "parameters_generator": 165249,
        "parameters_discriminator": 132801, "optimizer": "adam", "lr_generator": 1e-3,
        "lr_discriminator": 1e-3, "betas": "[0.5, 0.999]", "n_critic": 1, "batch": 64,
        "policy": "shared", "device": "cpu", "threads": 1, "settings_hash": "0", "code_hash": "0",
        "git_commit": "0123456789abcdef", "git_dirty": False, "torch": "2.15.0",
        "processor": "a processor",
    }  # fmt: skip


def _files(
    plan: Plan, run: Run, rng: np.random.Generator, failed: bool, row: dict[str, Any]
) -> None:
    folder = plan.folder(run)
    noise = min(0.25 * _quality(run, rng, 1.0), 1.0)
    n = run.protocol.pictures
    pictures: dict[str, Any] = {"step": np.array(row["steps"])}
    if failed and run.seed == 2:
        pictures = {}
    elif run.dataset.name == "digits":
        real = _digits()[rng.integers(0, 1797, n)].astype(float)
        mixed = (1 - noise) * real + noise * rng.uniform(0, 255, real.shape)
        pictures["samples"] = mixed.astype(np.uint8)
        pictures["strip"] = np.stack([pictures["samples"][:8]] * run.training.snapshots)
        for name in OWN.get(run.loss.name, ((), ()))[1]:
            pictures[name] = pictures["samples"][:16].reshape(2, 8, 1, 8, 8)
    else:
        angle = rng.integers(0, 8, n) * np.pi / 4
        points = np.stack([np.cos(angle), np.sin(angle)], 1)
        pictures["samples"] = (points + 0.1 * noise * rng.standard_normal((n, 2))).astype("float32")
    files = {"samples.npz": arrays.write_arrays(folder / "samples.npz", **pictures)}
    files["metrics.csv"] = storage.write_text(folder / "metrics.csv", "step\n")
    evaluated = {
        "id": run.id, "protocol": {}, "extractors": {}, "evaluation_hash": "", "code_hash": "",
        "snapshots": "", "files": files,
    }  # fmt: skip
    storage.write_record(folder / records.EVALUATED, evaluated)
    environment = {
        "git": {"commit": "0123456789abcdef", "dirty": False}, "python": "3.11.7",
        "versions": {"ganlore": "0.1.0", "torch": "2.15.0"}, "system": "Linux x86_64",
        "processor": "a processor", "cores": 2, "memory_gb": 23.5,
    }  # fmt: skip
    names = ("history.csv", "snapshots.pt", "checkpoint.pt")
    trained = {
        "id": run.id, "status": row["status"], "settings": {"dataset": {"name": run.dataset.name}},
        "settings_hash": "", "code_hash": "", "data_hash": "", "steps": row["steps"],
        "seconds": 1.0, "peak_memory_mb": 1.0, "parameters": {}, "device": "cpu", "threads": 1,
        "environment": environment,
        "files": {name: storage.write_text(folder / name, "step\n") for name in names},
    }  # fmt: skip
    storage.write_record(folder / records.TRAINED, trained)


def _digits() -> np.ndarray:
    from sklearn.datasets import load_digits

    return np.rint(load_digits().images * 255 / 16).astype(np.uint8)[:, None]


def _data(data: Path, dataset: str, extractors: tuple[str, ...]) -> None:
    prepared = data / "prepared" / dataset
    manifest: dict[str, Any] = {
        "name": dataset, "source": f"where {dataset} comes from", "licence": "CC BY 4.0",
        "citation": "Somebody 1998", "settings": {},
    }  # fmt: skip
    record: dict[str, Any] = {}
    if dataset == "digits":
        manifest |= {"shape": [1, 8, 8], "counts": {"train": 1438, "test": 359}, "classes": 10}
        samples = _digits()[:359]
        record["test_accuracy"] = 0.98886
    else:
        manifest |= {"shape": [2], "counts": {"train": 100_000, "test": 10_000}, "classes": 8}
        angle = np.arange(10_000) % 8 * np.pi / 4
        points = np.stack([np.cos(angle), np.sin(angle)], 1)
        points += 0.01 * np.random.default_rng(0).standard_normal(points.shape)
        samples = points.astype("float32")
    manifest["files"] = {
        f"{split}.npy": {"sha256": arrays.write_array(prepared / f"{split}.npy", samples)}
        for split in ("train", "test")
    }
    storage.write_record(prepared / "manifest.json", manifest)
    for name in extractors:
        path = data / "extractors" / dataset / name / "record.json"
        files = {
            file: storage.write_bytes(path.with_name(file), b"")
            for file in ("weights.pt", "train.npy", "test.npy")
        }
        storage.write_record(path, {**record, "files": files})


def _floor(plan: Plan) -> list[dict[str, Any]]:
    rows = []
    for dataset, (_, extractors) in plan.protocols.items():
        n = {"digits": (1438, 359), "ring": (2500, 2500)}[dataset]
        for name in METRICS[dataset]:
            value = _value(name, dataset, 0.0)
            rows.append(
                {
                    "dataset": dataset,
                    "extractor": extractors[0],
                    "resize": "none",
                    "split": "train",
                    "n_real": n[0],
                    "n_fake": n[1],
                    "metric": name,
                    "value": value,
                }
            )
    return rows  # fmt: skip


if __name__ == "__main__":
    import sys

    print(json.dumps(make(default(Path(sys.argv[1]))).study.model_dump(mode="json")))
