"""From a run's snapshots to its metrics: samples -> features -> numbers."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganlore import build, features, metrics, seeding, storage
from ganlore.batches import as_stored
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.game import Player

if TYPE_CHECKING:
    from ganlore.config import Protocol
    from ganlore.grid import Run

CHUNK = 512
Row = dict[str, Any]


@torch.no_grad()
def sample(who: Player, protocol: Protocol, latent_size: int, store: Store) -> NDArray[Any] | None:
    """Generated samples in the store's form, (n_fake, ...), None if any is not finite.

    Noise and labels are keyed by the evaluation's seed: the same for every run and snapshot.
    """
    rng = seeding.generator(protocol.eval_seed, "evaluation")
    latent = who.loss.latent(protocol.n_fake, latent_size, rng)
    shares = store.shares()
    labels = None
    if shares is not None:
        weights = torch.from_numpy(shares)
        labels = torch.multinomial(weights, protocol.n_fake, replacement=True, generator=rng)
    chunks = []
    for start in range(0, protocol.n_fake, CHUNK):
        part = None if labels is None else labels[start : start + CHUNK]
        chunks.append(who.evaluated(latent[start : start + CHUNK], part))
    samples = torch.cat(chunks)
    return as_stored(samples).numpy() if bool(samples.isfinite().all()) else None


def compare(
    extractor: features.Extractor,
    reference: metrics.Reference,
    samples: NDArray[Any],
    store: Store,
) -> dict[str, float]:
    """All metrics of samples against the data's features, by name."""
    described = extractor.describe(samples)
    return metrics.measure_all(
        metrics.Comparison(
            real=reference.features,
            fake=described.features,
            modes=described.modes,
            high_quality=described.high_quality,
            mode_shares=store.shares(),
            reference=reference,
        )
    )


def evaluate(
    run: Run, record: dict[str, Any], snapshots: list[dict[str, Any]], store: Store, data: Path
) -> tuple[list[Row], dict[str, NDArray[Any]]]:
    """Measure every snapshot of a run.

    Args:
        run: the run's settings.
        record: its `run.json`.
        snapshots: {"step", "weights"} in order.
        store: the prepared data.
        data: the folder with fitted extractors.

    Returns:
        Rows of the metrics table; and pictures of the last snapshot with their step. A run that
        diverged has a last row for each metric at its full budget, with an empty value.
    """
    torch.set_num_threads(run.training.threads)
    who = build.player(run, store.shape, store.classes, torch.device("cpu"))
    who.evaluated.eval()
    protocol = run.protocol
    rows: list[Row] = []
    pictures: dict[str, NDArray[Any]] = {}
    fitted = {}
    for name in run.extractors:
        folder = data / "extractors" / store.name / name
        real = features.reference(folder, protocol.reference, protocol.n_real)
        fitted[name] = features.open_fitted(name, store, folder), metrics.Reference(real)
    finite = True
    for snapshot in snapshots:
        who.evaluated.load_state_dict(snapshot["weights"])
        samples = sample(who, protocol, run.training.latent, store)
        finite = samples is not None
        if samples is None:
            break
        pictures = {"samples": samples[: protocol.pictures], "step": np.array(snapshot["step"])}
        for name, (extractor, real) in fitted.items():
            began = time.perf_counter()
            values = compare(extractor, real, samples, store)
            seconds = time.perf_counter() - began
            n_real = len(real.features)
            rows += _rows(run, snapshot["step"], name, n_real, values, seconds, "done")
    if record["status"] == "diverged" or not finite:
        rows = [row for row in rows if row["step"] < run.training.steps]
        for name, (extractor, real) in fitted.items():
            empty = _none(extractor, real, store)
            rows += _rows(run, run.training.steps, name, 0, empty, 0.0, "diverged")
    return rows, pictures


def _none(
    extractor: features.Extractor, real: metrics.Reference, store: Store
) -> dict[str, float]:
    """An empty value for each metric that means something on a data set."""
    few = metrics.Reference(real.features[:100])
    known = compare(extractor, few, store.samples("test")[:100], store)
    return dict.fromkeys(known, math.nan)


def floor(extractor: str, store: Store, data: Path, protocol: Protocol) -> list[Row]:
    """The metrics of the other split against the reference: real data in place of samples."""
    folder = data / "extractors" / store.name / extractor
    fitted = features.open_fitted(extractor, store, folder)
    real = features.reference(folder, protocol.reference, protocol.n_real)
    other = "test" if protocol.reference == "train" else "train"
    samples = store.samples(other)[: protocol.n_fake]
    values = compare(fitted, metrics.Reference(real), samples, store)
    return [
        {
            "dataset": store.name,
            "extractor": extractor,
            "split": protocol.reference,
            "n_real": len(real),
            "n_fake": len(samples),
            "metric": metric,
            "value": value,
        }
        for metric, value in values.items()
    ]


def _rows(
    run: Run,
    step: int,
    extractor: str,
    n_real: int,
    values: dict[str, float],
    seconds: float,
    status: str,
) -> list[Row]:
    return [
        {
            **run.key,
            "eval_seed": run.protocol.eval_seed,
            "step": step,
            "images": step * run.training.batch,
            "extractor": extractor,
            "split": run.protocol.reference,
            "n_real": n_real,
            "n_fake": run.protocol.n_fake,
            "metric": metric,
            "value": value,
            "seconds": seconds,
            "status": status,
        }
        for metric, value in values.items()
    ]


def check_trained(run: Run, record: dict[str, Any], store: Store, folder: Path) -> None:
    """Compare a run's record with the study, the code and the data as they are now.

    Raises:
        GanloreError: if the run was trained with other settings, other code or other data.
    """
    expected = {
        "settings": (record["settings_hash"], run.training_hash()),
        "code": (record["code_hash"], run.training_code()),
        "data": (record["data_hash"], store.digest),
    }
    stale = [what for what, (found, wanted) in expected.items() if found != wanted]
    if stale:
        raise GanloreError(
            f"{folder}: stale: it was trained with other {' and '.join(stale)}\n"
            f"  to mend it: delete {folder} and run snakemake"
        )


def extractor_digests(run: Run, data: Path) -> dict[str, str]:
    """The hash of each extractor's record, which holds the hashes of its files."""
    folder = data / "extractors" / run.dataset.name
    return {name: storage.sha256(folder / name / "record.json") for name in run.extractors}


def write(
    folder: Path,
    run: Run,
    trained: dict[str, Any],
    rows: list[Row],
    pictures: dict[str, NDArray[Any]],
    data: Path,
) -> None:
    """Write `metrics.csv` and `samples.npz`, and last `evaluation.json` with what was measured."""
    files = {"metrics.csv": storage.write_text(folder / "metrics.csv", storage.csv_text(rows))}
    files["samples.npz"] = storage.write_arrays(folder / "samples.npz", **pictures)
    record = {
        "id": run.id,
        "protocol": run.protocol.model_dump(mode="json"),
        "snapshots": trained["files"]["snapshots.pt"],
        "extractors": extractor_digests(run, data),
        "evaluation_hash": run.evaluation_hash(),
        "code_hash": run.evaluation_code(),
        "files": files,
    }
    storage.write_json(folder / "evaluation.json", record)
