"""From a run's snapshots to its metrics: samples -> features -> numbers."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganlore import arrays, features, metrics, provenance, storage
from ganlore.data import Store
from ganlore.evaluation import sampling
from ganlore.evaluation.reference import Kept
from ganlore.execution import freshness, gpu
from ganlore.steps import threads
from ganlore.training import build

if TYPE_CHECKING:
    from ganlore.study.keep import Keep
    from ganlore.study.protocol import Protocol
    from ganlore.study.run import Run

STRIP = 8
"""Samples of every snapshot that are kept to look at, from the same noise."""
CPU = torch.device("cpu")
Row = dict[str, Any]
Extractors = dict[str, tuple[features.Extractor, metrics.Reference]]


def compare(
    described: features.Description,
    reference: metrics.Reference,
    store: Store,
    evidence: dict[str, Any] | None = None,
    n_pairs: int | None = None,
    device: torch.device = CPU,
) -> dict[str, float]:
    """All metrics of samples against the data's features, by name.

    Args:
        described: what an extractor gives of the samples.
        reference: features of real samples.
        store: the prepared data.
        evidence: more fields of the comparison, as the function of this name gives them.
        n_pairs: the protocol's `n_neighbours`.
        device: where metrics of much arithmetic compute: on the CPU in numpy, elsewhere in torch.
    """
    return metrics.measure_all(
        metrics.Comparison(
            real=reference.features,
            fake=described.features,
            modes=described.modes,
            high_quality=described.high_quality,
            probabilities=described.probabilities,
            distances=described.distances,
            mode_shares=store.shares(),
            reference=reference,
            n_pairs=n_pairs,
            device=None if device.type == "cpu" else device,
            **(evidence or {}),
        )
    )


@threads.fixed()
def evaluate(
    run: Run, record: dict[str, Any], snapshots: list[dict[str, Any]], store: Store, data: Path
) -> tuple[list[Row], dict[str, NDArray[Any]]]:
    """Measure every snapshot of a run.

    Args:
        run: the run's settings.
        record: its `run.json`.
        snapshots: {"step", "weights", "modules"} in order.
        store: the prepared data.
        data: the folder with fitted extractors.

    Returns:
        Rows of the metrics table; and samples and the loss's own pictures of the last snapshot,
        with the first few samples of each snapshot as `strip`, (snapshots, STRIP, ...). A
        run that diverged has a last row for each metric at its full budget, with an empty value.
    """
    device = build.device(run.protocol.device, "protocol.device")
    state = build.train_state(run, store.shape, store.classes, CPU)
    for module in (state.evaluated, *state.evaluated_modules.values()):
        module.eval()
    protocol = run.protocol
    extractors = {name: _opened(name, store, data, protocol, device) for name in run.extractors}
    inputs = sampling.draw(state, run, store)
    rows: list[Row] = []
    pictures: dict[str, NDArray[Any]] = {}
    strip: list[NDArray[Any]] = []
    modes: dict[str, NDArray[np.integer] | None] = {}
    for snapshot in snapshots:
        sampling.load(state, snapshot)
        observed = sampling.observe(state, inputs, device)
        if observed is None:
            break
        samples, evidence = observed
        strip.append(samples[:STRIP])
        pictures = {"samples": samples[: protocol.pictures], "step": np.array(snapshot["step"])}
        pictures["strip"] = np.stack(strip)
        for name, (extractor, reference) in extractors.items():
            began = time.perf_counter()
            described = extractor.describe(samples)
            fields = {**evidence, "modes_before": modes.get(name)}
            values = compare(described, reference, store, fields, protocol.n_neighbours, device)
            modes[name] = described.modes
            seconds = time.perf_counter() - began
            n_real = len(reference.features)
            rows += _rows(run, snapshot["step"], extractor, n_real, values, seconds, "done")
    if record["status"] == "diverged" or len(strip) < len(snapshots):
        rows = [row for row in rows if row["step"] < run.training.steps]
        rows += _ended(run, extractors, store, sampling.evidence(state, inputs))
    if strip:
        sampling.load(state, snapshots[len(strip) - 1])
        pictures |= sampling.pictures(state, inputs)
    return rows, pictures


def _ended(run: Run, extractors: Extractors, store: Store, evidence: Collection[str]) -> list[Row]:
    """A last row for each metric of a run that diverged, with an empty value."""
    rows: list[Row] = []
    for extractor, _ in extractors.values():
        empty = dict.fromkeys(metrics.applicable(_fields(extractor, store, evidence)), math.nan)
        rows += _rows(run, run.training.steps, extractor, 0, empty, 0.0, "diverged")
    return rows


def _opened(
    name: str, store: Store, data: Path, protocol: Protocol, device: torch.device
) -> tuple[features.Extractor, metrics.Reference]:
    """A fitted extractor on a device, and the data's features."""
    kept = Kept(store, name, data, protocol)
    return features.open_fitted(name, store, kept.fitted).to(device), kept.reference()


def _fields(extractor: features.Extractor, store: Store, evidence: Collection[str]) -> set[str]:
    """What comparisons of a loss's samples on a data set have beside the features."""
    fields = _described(extractor, store) | set(evidence)
    if "modes" in fields:
        fields.add("modes_before")
    return fields if store.shares() is None else fields | {"mode_shares"}


def _described(extractor: features.Extractor, store: Store) -> set[str]:
    """What an extractor says of a data set's samples."""
    description = extractor.describe(store.samples("test")[:2])
    names = [field.name for field in dataclasses.fields(description)]
    return {name for name in names if getattr(description, name) is not None}


@threads.fixed()
def floor(extractor: str, store: Store, data: Path, protocol: Protocol) -> list[Row]:
    """The metrics of the other split against the reference: real data in place of samples."""
    kept = Kept(store, extractor, data, protocol)
    stored = kept.floor()
    return _floor(kept, store, extractor)[1] if stored is None else stored


@threads.fixed()
def refer(extractor: str, store: Store, data: Path, protocol: Protocol) -> Path:
    """Measure the data alone, and keep it for evaluations; gives the folder."""
    kept = Kept(store, extractor, data, protocol)
    if not kept.there():
        device = build.device(protocol.device, "protocol.device")
        kept.write(*_floor(kept, store, extractor), gpu.name(device))
    return kept.folder


def _floor(kept: Kept, store: Store, name: str) -> tuple[metrics.Reference, list[Row]]:
    """The floor's rows, and the reference with what its metrics have found out of it."""
    protocol = kept.protocol
    device = build.device(protocol.device, "protocol.device")
    extractor = features.open_fitted(name, store, kept.fitted).to(device)
    reference = kept.reference()
    other = "test" if protocol.reference == "train" else "train"
    samples = store.samples(other)[: protocol.n_fake]
    if _described(extractor, store) == {"features"}:  # they are kept; Inception takes minutes
        described = features.Description(features.reference(kept.fitted, other, protocol.n_fake))
    else:
        described = extractor.describe(samples)
    values = compare(described, reference, store, None, protocol.n_neighbours, device)
    sizes = len(reference.features), len(samples)
    rows = [
        {"dataset": store.name, **measurement(metric, value, extractor, protocol, *sizes)}
        for metric, value in values.items()
    ]
    return reference, rows


def measurement(
    metric: str,
    value: float,
    extractor: features.Extractor,
    protocol: Protocol,
    n_real: int,
    n_fake: int,
) -> Row:
    """The columns of a number and of how it was measured."""
    n = protocol.n_neighbours if metrics.metrics()[metric].pairs else None
    return {
        "extractor": extractor.name,
        "resize": extractor.resize,
        "split": protocol.reference,
        "n_real": min(n_real, n or n_real),
        "n_fake": min(n_fake, n or n_fake),
        "metric": metric,
        "value": value,
    }


def _rows(
    run: Run,
    step: int,
    extractor: features.Extractor,
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
            **measurement(metric, value, extractor, run.protocol, n_real, run.protocol.n_fake),
            "seconds": seconds,
            "status": status,
        }
        for metric, value in values.items()
    ]


def write(
    folder: Path,
    run: Run,
    trained: dict[str, Any],
    rows: list[Row],
    pictures: dict[str, NDArray[Any]],
    data: Path,
    keep: Keep | None = None,
    last: dict[str, Any] | None = None,
) -> None:
    """Write `metrics.csv` and `samples.npz`, and last `evaluation.json` with what was measured.

    Where the study keeps the last snapshot alone, it is written as `generator.pt`: `last`, None for
    a run that diverged before its first one.
    """
    files = {"metrics.csv": storage.write_text(folder / "metrics.csv", storage.csv_text(rows))}
    files["samples.npz"] = arrays.write_arrays(folder / "samples.npz", **pictures)
    (folder / "generator.pt").unlink(missing_ok=True)  # of an evaluation before
    if keep and keep.snapshots == "last":
        files["generator.pt"] = arrays.write_torch(folder / "generator.pt", last)
    extractors = provenance.fitted(run.extractors, run.dataset.name, data)
    record = {
        "id": run.id,
        "protocol": run.protocol.model_dump(mode="json"),
        "device": gpu.name(build.device(run.protocol.device, "protocol.device")),
        **freshness.evaluation_inputs(run, trained, extractors),
        "discarded": keep.discarded if keep else [],
        "files": files,
    }
    storage.write_record(folder / "evaluation.json", record)
