"""One whole evaluation on a device, from images to numbers, beside clean-fid and prdc.

    python benchmarks/evaluation.py --device cuda --weights inception-2015-12-05.pt
    python benchmarks/evaluation.py --device cpu --samples 64      that it runs; nothing is written

Generated images of 32x32 -> Inception features -> FID, precision, recall, density, coverage. What
is known of the data alone is kept by each as it can: the features by both, mean and covariance by
both, radii by ours.

The others are used as their documentation has it: clean-fid reads PNG files in 12 processes (not
more than there are cores), with its own batch and its own precision (torch's default, which is TF32
for convolutions on a GPU; ours is float32), then its `frechet_distance`, then `prdc.compute_prdc`.
Ours has the images in memory, as an evaluation has; to write PNG files is not counted. On a GPU
ours uses one core, as evaluations do, and the others all.

Both take turns, each in a process of its own for each turn, which first evaluates a few images that
are not counted: starting a device and compiling is not measured. Without `--weights` the network is
torchvision's Inception with random weights, of the same arithmetic; then only times mean something.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

SIDES = ("ours", "clean-fid and prdc")
K = 5
WEIGHTS = "inception-2015-12-05.pt"
TOLERANCE = {"cpu": 2e-3, "cuda": 5e-2}
"""Of shares and, relatively, of FID and density: TF32 keeps 3 digits of the others' features."""
GOAL = 5.0
WARM_UP = 2
"""Batches that are not counted."""


def pictures(samples: int, seed: int, spread: float) -> Any:
    """Colour images of coarse and fine squares, uint8 (N, 3, 32, 32), no two alike."""
    rng = np.random.default_rng(seed)
    out = np.empty((samples, 3, 32, 32), dtype=np.uint8)
    for index in range(samples):
        coarse = np.kron(rng.normal(128, 70 * spread, (3, 4, 4)), np.ones((1, 8, 8)))
        fine = np.kron(rng.normal(0, 25 * spread, (3, 16, 16)), np.ones((1, 2, 2)))
        out[index] = np.clip(coarse + fine, 0, 255)
    return out


def stand_in(path: Path) -> None:
    """Torchvision's Inception with random weights, in the form of clean-fid's file."""
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
    from torchvision.models import inception_v3

    class File(nn.Module):
        """What clean-fid and `features.inception` call."""

        def __init__(self, layers: nn.Module) -> None:
            super().__init__()
            self.layers = layers
            self.output = nn.Linear(2048, 1008)

        def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
            features = self.layers((img.float() - 128) / 128)
            return features if return_features else functional.softmax(self.output(features), 1)

    torch.manual_seed(0)
    network: Any = inception_v3(weights=None, init_weights=False, aux_logits=False)
    network.fc = nn.Identity()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # statistics of the batch that follows, for a signal that lasts
    images = functional.interpolate(
        torch.from_numpy(pictures(16, 2, 1.0)).float(), (299, 299), mode="bilinear"
    )
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.train()((images - 128) / 128)
        traced = torch.jit.trace(network.eval(), torch.zeros(2, 3, 299, 299))
        torch.jit.script(File(traced).eval()).save(str(path))


def described(folder: Path, device: Any, images: Any) -> Any:
    """Features by our extractor."""
    return _extractor(folder, device).describe(images).features


@functools.cache
def _extractor(folder: Path, device: Any) -> Any:
    from ganlore.features import inception

    extractor = inception.Inception()
    extractor.network = inception._read(folder / WEIGHTS)
    return extractor.to(device)


def make(folder: Path, samples: int, device: Any, weights: Path | None) -> None:
    """The generated images, as PNG files too, the network, and the data's features."""
    from PIL import Image

    if weights:
        (folder / WEIGHTS).symlink_to(weights.resolve())
    else:
        stand_in(folder / WEIGHTS)
    fake = pictures(samples, 1, 0.85)
    np.save(folder / "fake.npy", fake)
    (folder / "png").mkdir()
    for index, image in enumerate(fake):
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / "png" / f"{index:06}.png")
    np.save(folder / "real.npy", described(folder, device, pictures(samples, 0, 1.0)))


def _surroundings(real: Any) -> Any:
    from ganlore.metrics import neighbours

    return neighbours._surroundings(real, K, K)


def ours(folder: Path, device: Any, warm_up: bool) -> Any:
    """What `ganlore evaluate` does, with prdc's k."""
    from ganlore.metrics import Comparison, Reference, frechet, neighbours
    from ganlore.steps import threads

    images = np.load(folder / "fake.npy")
    reference = Reference(np.load(folder / "real.npy"))
    torch_device = None if device.type == "cpu" else device

    def evaluate(images: Any) -> tuple[float, dict[str, float]]:
        fake = described(folder, device, images)
        features_done = time.perf_counter()
        comparison = Comparison(reference.features, fake, reference=reference, device=torch_device)
        placed = comparison.placed
        around = neighbours._Surroundings(*placed.of_real(_surroundings))
        near = neighbours._measure(around, placed.real, placed.fake, K, K)
        return features_done, {**frechet.measure(comparison), **near}

    if torch_device:
        evaluate = threads.fixed()(evaluate)
    if warm_up:  # and what is kept of the data
        evaluate(images[: WARM_UP * _extractor(folder, device).chunk_on_gpu])
    return functools.partial(evaluate, images)


def theirs(folder: Path, device: Any, warm_up: bool) -> Any:
    """clean-fid and prdc."""
    import torch
    from cleanfid.fid import frechet_distance, get_files_features
    from cleanfid.inception_torchscript import InceptionV3W
    from prdc import compute_prdc

    network: Any = InceptionV3W(str(folder), download=False).to(device).eval()
    if device.type == "cuda":
        network = torch.nn.DataParallel(network)  # as clean-fid does
    files = sorted(map(str, (folder / "png").iterdir()))
    real = np.load(folder / "real.npy")
    kept = np.mean(real, axis=0), np.cov(real, rowvar=False)
    workers = min(12, os.cpu_count() or 1)

    def features(some: list[str]) -> Any:
        return get_files_features(
            some, model=network, num_workers=workers, device=device, mode="clean", verbose=False
        )

    def evaluate() -> tuple[float, dict[str, float]]:
        fake = features(files)
        features_done = time.perf_counter()
        fid = frechet_distance(*kept, np.mean(fake, axis=0), np.cov(fake, rowvar=False))
        near = compute_prdc(real_features=real, fake_features=fake, nearest_k=K)
        return features_done, {"fid": float(fid), **{k: float(v) for k, v in near.items()}}

    if warm_up:
        features(files[: WARM_UP * 128])
    return evaluate


def turn(name: str, folder: Path, device_name: str, warm_up: bool) -> None:
    """One turn, in this process; the last line of its output has what it took."""
    import torch

    warnings.simplefilter("ignore")  # TorchScript and an argument of scipy's are deprecated
    evaluate = {SIDES[0]: ours, SIDES[1]: theirs}[name](folder, torch.device(device_name), warm_up)
    began = time.perf_counter()
    features_done, values = evaluate()
    ended = time.perf_counter()
    peak = torch.cuda.max_memory_reserved() / 2**20 if device_name == "cuda" else 0.0
    reported = {"seconds": ended - began, "features_seconds": features_done - began,
                "metrics_seconds": ended - features_done, "gpu_memory_mb": peak}  # fmt: skip
    print("\n" + json.dumps({**reported, "values": values}))


def _start(script: str, *words: str) -> str:
    command = [sys.executable, script, *words]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def compare(script: str, samples: int, device: str, repeats: int, weights: Path | None) -> Any:
    """The median turn of each side, and how far their numbers are apart (`disagreement`)."""
    warm = [] if device == "cpu" else ["--warm-up"]
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        common = ["--device", device, "--features", folder]
        more = ["--weights", str(weights)] if weights else []
        _start(script, "--side", "make", "--samples", str(samples), *common, *more)
        for _ in range(repeats):
            for name in SIDES:
                lines = _start(script, "--side", name, *common, *warm).splitlines()
                turns[name].append(json.loads(lines[-1]))
                shown = {k: round(v, 2) for k, v in turns[name][-1].items() if k != "values"}
                print(name, shown, file=sys.stderr)
    keys = ("seconds", "features_seconds", "metrics_seconds", "gpu_memory_mb")
    rows = [
        {"name": name, **{key: statistics.median(t[key] for t in actual) for key in keys}}
        for name, actual in turns.items()
    ]
    one, other = (turns[name][0]["values"] for name in SIDES)
    gaps = {name: abs(one[name] - other[name]) / max(1.0, abs(other[name])) for name in one}
    return {
        "samples": samples, "device": device, "repeats": repeats,
        "published_weights": weights is not None, "rows": rows, "values": one,
        "values_of_the_others": other, "largest_difference": max(gaps.values()),
        "times_faster": rows[1]["seconds"] / rows[0]["seconds"], "goal": GOAL,
    }  # fmt: skip


def disagreement(actual: dict[str, Any]) -> str:
    """What is wrong if a number of the two sides differs by more than `TOLERANCE`, else nothing."""
    if actual["largest_difference"] <= TOLERANCE[actual["device"]]:
        return ""
    return f"numbers differ:\n  {actual['values']}\n  {actual['values_of_the_others']}"


def versions() -> dict[str, str]:
    """Of what takes part."""
    names = ("torch", "torchvision", "numpy", "scipy", "clean-fid", "prdc", "scikit-learn")
    return {name: importlib.metadata.version(name) for name in names}
