"""From a run's snapshots to its metrics: samples -> features -> numbers."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganlore import features, metrics, provenance, storage
from ganlore.data import Store
from ganlore.evaluation.reference import Kept
from ganlore.execution import freshness
from ganlore.losses import Snapshot
from ganlore.steps import TrainState, seeding
from ganlore.steps.scaling import to_network, to_storage
from ganlore.training import build

if TYPE_CHECKING:
    from ganlore.study.run import Run
    from ganlore.study.schema import Keep, Protocol

CHUNK = 512
STRIP = 8
"""Samples of every snapshot that are kept to look at, from the same noise."""
CPU = torch.device("cpu")
Row = dict[str, Any]


@torch.no_grad()
def draw(who: TrainState, run: Run, store: Store) -> Snapshot:
    """What a run's samples are made from; the same for every run and snapshot of a protocol.

    Noise and labels are keyed by the evaluation's seed.
    """
    n = run.protocol.n_fake
    rng = seeding.generator(run.protocol.eval_seed, "evaluation")
    latent = who.loss.latent(n, run.training.latent, rng)
    labels = None
    if (shares := store.shares()) is not None:
        labels = torch.multinomial(torch.from_numpy(shares), n, replacement=True, generator=rng)
    held_out = torch.from_numpy(np.array(store.samples("test")[:n]))
    return Snapshot(who.evaluated, who.evaluated_modules, latent, labels, to_network(held_out))


def load(who: TrainState, snapshot: dict[str, Any]) -> None:
    """Put a snapshot's weights into what is evaluated."""
    who.evaluated.load_state_dict(snapshot["weights"])
    for name, weights in snapshot["modules"].items():
        who.evaluated_modules[name].load_state_dict(weights)


@torch.no_grad()
def sample(snapshot: Snapshot, device: torch.device = CPU) -> NDArray[Any] | None:
    """Generated samples in the store's form, (n_fake, ...), None if any is not finite.

    Args:
        snapshot: what they are made from, on the CPU.
        device: where they are made, chunk by chunk.
    """
    chunks = []
    snapshot.generator.to(device)
    for start in range(0, len(snapshot.latent), CHUNK):
        here = slice(start, start + CHUNK)
        part = None if snapshot.labels is None else snapshot.labels[here].to(device)
        made = snapshot.generator(snapshot.latent[here].to(device), part)
        if not bool(made.isfinite().all()):
            break
        chunks.append(to_storage(made).cpu())
    snapshot.generator.to(CPU)
    finished = sum(map(len, chunks)) == len(snapshot.latent)
    return torch.cat(chunks).numpy() if finished else None


@torch.no_grad()
def evidence(who: TrainState, snapshot: Snapshot) -> dict[str, NDArray[Any]]:
    """What a loss lets be measured beside its samples: fields of `metrics.Comparison`."""
    found: dict[str, NDArray[Any]] = who.loss.evidence(snapshot)
    if who.loss.conditional and snapshot.labels is not None:
        found["asked"] = snapshot.labels.numpy()
    return found


def observe(
    who: TrainState, drawn: Snapshot, device: torch.device = CPU
) -> tuple[NDArray[Any], dict[str, Any]] | None:
    """Samples and evidence of the weights that are loaded; None if any number is not finite."""
    samples = sample(drawn, device)
    more = evidence(who, drawn)
    finite = all(np.isfinite(values).all() for values in more.values())
    return (samples, more) if samples is not None and finite else None


@torch.no_grad()
def pictures(who: TrainState, snapshot: Snapshot) -> dict[str, NDArray[Any]]:
    """The loss's own pictures, (rows, columns, C, H, W) in the store's form; of images only."""
    if snapshot.held_out.dim() != 4:
        return {}
    drawn = who.loss.pictures(snapshot)
    return {
        name: to_storage(grid.flatten(0, 1)).numpy().reshape(grid.shape)
        for name, grid in drawn.items()
    }


def compare(
    described: features.Description,
    reference: metrics.Reference,
    store: Store,
    evidence: dict[str, Any] | None = None,
    n_pairs: int | None = None,
) -> dict[str, float]:
    """All metrics of samples against the data's features, by name.

    Args:
        described: what an extractor gives of the samples.
        reference: features of real samples.
        store: the prepared data.
        evidence: more fields of the comparison, as the function of this name gives them.
        n_pairs: the protocol's `n_neighbours`.
    """
    return metrics.measure_all(
        metrics.Comparison(
            real=reference.features,
            fake=described.features,
            modes=described.modes,
            high_quality=described.high_quality,
            probabilities=described.probabilities,
            mode_shares=store.shares(),
            reference=reference,
            n_pairs=n_pairs,
            **(evidence or {}),
        )
    )


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
    torch.set_num_threads(run.training.threads)
    device = build.device(run.protocol.device, "protocol.device")
    who = build.train_state(run, store.shape, store.classes, CPU)
    for module in (who.evaluated, *who.evaluated_modules.values()):
        module.eval()
    protocol = run.protocol
    rows: list[Row] = []
    shown: dict[str, NDArray[Any]] = {}
    fitted = {}
    for name in run.extractors:
        kept = Kept(store, name, data, protocol)
        extractor = features.open_fitted(name, store, kept.fitted).to(device)
        fitted[name] = extractor, kept.reference()
    drawn = draw(who, run, store)
    finite = True
    strip: list[NDArray[Any]] = []
    modes: dict[str, NDArray[np.integer] | None] = {}
    for snapshot in snapshots:
        load(who, snapshot)
        observed = observe(who, drawn, device)
        finite = observed is not None
        if observed is None:
            break
        samples, more = observed
        strip.append(samples[:STRIP])
        shown = {"samples": samples[: protocol.pictures], "step": np.array(snapshot["step"])}
        shown["strip"] = np.stack(strip)
        last = snapshot
        for name, (extractor, reference) in fitted.items():
            began = time.perf_counter()
            described = extractor.describe(samples)
            known = {**more, "modes_before": modes.get(name)}
            values = compare(described, reference, store, known, protocol.n_neighbours)
            modes[name] = described.modes
            seconds = time.perf_counter() - began
            n_real = len(reference.features)
            rows += _rows(run, snapshot["step"], extractor, n_real, values, seconds, "done")
    if record["status"] == "diverged" or not finite:
        rows = [row for row in rows if row["step"] < run.training.steps]
        for extractor, reference in fitted.values():
            empty = _none(extractor, reference, store, evidence(who, drawn))
            rows += _rows(run, run.training.steps, extractor, 0, empty, 0.0, "diverged")
    if shown:
        load(who, last)
        shown |= pictures(who, drawn)
    return rows, shown


def _none(
    extractor: features.Extractor,
    real: metrics.Reference,
    store: Store,
    evidence: dict[str, Any],
) -> dict[str, float]:
    """An empty value for each metric that means something for a loss on a data set."""
    samples = store.samples("test")
    n = min(100, len(samples), *(len(values) for values in evidence.values()))
    few = {name: np.nan_to_num(values[:n]) for name, values in evidence.items()}
    some = metrics.Reference(real.features[:100])
    described = extractor.describe(samples[:n])
    known = compare(described, some, store, {**few, "modes_before": described.modes})
    return dict.fromkeys(known, math.nan)


def floor(extractor: str, store: Store, data: Path, protocol: Protocol) -> list[Row]:
    """The metrics of the other split against the reference: real data in place of samples."""
    kept = Kept(store, extractor, data, protocol)
    found = kept.floor()
    return _floor(kept, store, extractor)[1] if found is None else found


def refer(extractor: str, store: Store, data: Path, protocol: Protocol) -> Path:
    """Measure the data alone, and keep it for evaluations; gives the folder."""
    kept = Kept(store, extractor, data, protocol)
    if not kept.there():
        kept.write(*_floor(kept, store, extractor))
    return kept.folder


def _floor(kept: Kept, store: Store, name: str) -> tuple[metrics.Reference, list[Row]]:
    """The floor's rows, and the reference with what its metrics have found out of it."""
    protocol = kept.protocol
    device = build.device(protocol.device, "protocol.device")
    extractor = features.open_fitted(name, store, kept.fitted).to(device)
    reference = kept.reference()
    other = "test" if protocol.reference == "train" else "train"
    samples = store.samples(other)[: protocol.n_fake]
    described = extractor.describe(samples)
    values = compare(described, reference, store, n_pairs=protocol.n_neighbours)
    sizes = len(reference.features), len(samples)
    rows = [
        {
            "dataset": store.name,
            **_told(metric, extractor, protocol, *sizes),
            "metric": metric,
            "value": value,
        }
        for metric, value in values.items()
    ]
    return reference, rows


def _told(
    metric: str, extractor: features.Extractor, protocol: Protocol, n_real: int, n_fake: int
) -> Row:
    """The columns that say how a number was measured."""
    n = protocol.n_neighbours if metrics.metrics()[metric].pairs else None
    return {
        "extractor": extractor.name,
        "resize": extractor.resize,
        "split": protocol.reference,
        "n_real": min(n_real, n or n_real),
        "n_fake": min(n_fake, n or n_fake),
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
            **_told(metric, extractor, run.protocol, n_real, run.protocol.n_fake),
            "metric": metric,
            "value": value,
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
    files["samples.npz"] = storage.write_arrays(folder / "samples.npz", **pictures)
    (folder / "generator.pt").unlink(missing_ok=True)  # of an evaluation before
    if keep and keep.snapshots == "last":
        files["generator.pt"] = storage.write_torch(folder / "generator.pt", last)
    extractors = provenance.fitted(run.extractors, run.dataset.name, data)
    record = {
        "id": run.id,
        "protocol": run.protocol.model_dump(mode="json"),
        "device": str(build.device(run.protocol.device, "protocol.device")),
        **freshness.evaluation_inputs(run, trained, extractors),
        "discarded": keep.discarded if keep else [],
        "files": files,
    }
    storage.write_json(folder / "evaluation.json", record)
