"""FID, precision, recall, density and coverage of given features, beside clean-fid and prdc.

    python benchmarks/evaluation.py                     10,000 + 10,000 features of 2,048 dimensions
    python benchmarks/evaluation.py --samples 2000      smaller, nothing is written down
    python benchmarks/evaluation.py --device cuda       from images on (`evaluation_images.py`)

The others are used as their documentation has it: clean-fid's `frechet_distance` on `np.mean` and
`np.cov` (its `fid_from_feats`), and `prdc.compute_prdc`, which has one k for its four numbers; ours
gets the same k here. All get the same files of float32 features, as an extractor makes them.

The data's own part (its covariance, its radii) is kept by `ganlore reference`, so that all but the
first evaluation of a study find it: ours is measured with computing it, and with finding it.

They take turns, each in a process of its own for each turn, with all cores. Time is that of the
computation, without imports and reading. Memory is the largest resident set of the process, and the
same without what it was before the computation: clean-fid brings torch.
"""

from __future__ import annotations

import argparse
import functools
import importlib.metadata
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIDES = ("ours", "ours, the data's own part kept", "clean-fid and prdc")
K = 5
"""prdc's own default; it sets the radius of all four metrics."""
TOLERANCE = 1e-4


def make(folder: Path, samples: int, dimensions: int) -> None:
    """Features like Inception's: not negative, sparse, a few strong directions and many weak ones.

    The generated ones have less variety, so that none of the numbers is 0 or 1.
    """
    rng = np.random.default_rng(0)
    inner = min(256, dimensions)
    strength = (1 + np.arange(inner)) ** -0.7
    mixing = rng.standard_normal((inner, dimensions)).astype(np.float32)
    bias = rng.standard_normal(dimensions).astype(np.float32)
    for name, spread in (("real", 1.0), ("fake", 0.9)):
        hidden = (spread * strength * rng.standard_normal((samples, inner))).astype(np.float32)
        noise = 0.1 * rng.standard_normal((samples, dimensions)).astype(np.float32)
        features = np.maximum(hidden @ mixing + bias + noise, 0) / 2
        np.save(folder / f"{name}.npy", features)


def own_part(real: Any) -> tuple[Any, Any]:
    """What is known of the data alone."""
    from ganlore.metrics import frechet, neighbours

    return frechet._gaussian(real), neighbours._surroundings(real, K, K)


def ours(real: Any, fake: Any, expected: tuple[Any, Any] | None = None) -> dict[str, float]:
    """What `ganlore evaluate` calls, with prdc's k."""
    from ganlore.metrics import frechet, neighbours
    from ganlore.metrics._arrays import feature_pair

    real, fake = feature_pair(real, fake)
    gaussian, surroundings = expected or own_part(real)
    near = neighbours._measure(surroundings, real, fake, K, K)
    return {"fid": frechet._distance_to(*gaussian, fake), **near}


def theirs(real: Any, fake: Any) -> dict[str, float]:
    """clean-fid and prdc."""
    import warnings

    from cleanfid.fid import frechet_distance
    from prdc import compute_prdc

    warnings.simplefilter("ignore")  # scipy deprecates an argument that clean-fid uses
    (mean1, cov1), (mean2, cov2) = (
        (np.mean(features, axis=0), np.cov(features, rowvar=False)) for features in (real, fake)
    )
    fid = float(frechet_distance(mean1, cov1, mean2, cov2))
    near = compute_prdc(real_features=real, fake_features=fake, nearest_k=K)
    return {"fid": fid, **{name: float(value) for name, value in near.items()}}


def side(name: str, folder: Path) -> None:
    """One turn, in this process; the last line of its output has what it took."""
    real, fake = (np.load(folder / f"{part}.npy") for part in ("real", "fake"))
    compute: Callable[[Any, Any], dict[str, float]] = theirs
    if name == SIDES[0]:
        from ganlore.metrics import frechet, neighbours  # noqa: F401

        compute = ours
    elif name == SIDES[1]:
        compute = functools.partial(ours, expected=own_part(real))
    else:
        # here, so that the turn's time and memory are without them
        from cleanfid.fid import frechet_distance  # noqa: F401
        from prdc import compute_prdc  # noqa: F401
    before = _memory_mb()
    began = time.perf_counter()
    values = compute(real, fake)
    seconds = time.perf_counter() - began
    reported = {"seconds": seconds, "memory_mb": _memory_mb(), "values": values}
    print("\n" + json.dumps({**reported, "added_mb": reported["memory_mb"] - before}))


def _memory_mb() -> float:
    # the kernel's VmHWM: getrusage's ru_maxrss would begin with that of the process that started us
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)[1]) / 2**10


def phase(name: str, folder: Path) -> dict[str, Any]:
    """One turn of a side in a process of its own."""
    command = [sys.executable, __file__, "--side", name, "--features", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    actual: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(name, {k: round(v, 2) for k, v in actual.items() if k != "values"}, file=sys.stderr)
    return actual


def compare(samples: int, dimensions: int, repeats: int) -> dict[str, Any]:
    """The median turn of each side, and the largest difference of their numbers.

    Raises:
        SystemExit: if a number differs by more than 1e-4 (FID: of its value).
    """
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), samples, dimensions)
        turns: dict[str, list[dict[str, Any]]] = {name: [] for name in SIDES}
        for _ in range(repeats):
            for name in SIDES:
                turns[name].append(phase(name, Path(folder)))
    keys = ("seconds", "memory_mb", "added_mb")
    rows = [
        {"name": name, **{key: statistics.median(t[key] for t in actual) for key in keys}}
        for name, actual in turns.items()
    ]
    one, kept, other = (turns[name][0]["values"] for name in SIDES)
    assert kept == one
    differences = {
        name: abs(one[name] - other[name]) / (max(1, abs(other[name])) if name == "fid" else 1)
        for name in one
    }
    if wrong := {name: gap for name, gap in differences.items() if gap > TOLERANCE}:
        raise SystemExit(f"numbers differ: {wrong}\n  {one}\n  {other}")
    first, again, second = rows
    return {
        "samples": samples,
        "dimensions": dimensions,
        "repeats": repeats,
        "rows": rows,
        "values": one,
        "largest_difference": max(differences.values()),
        "times_faster": second["seconds"] / first["seconds"],
        "times_faster_kept": second["seconds"] / again["seconds"],
        "memory_share": first["memory_mb"] / second["memory_mb"],
        "added_share": first["added_mb"] / second["added_mb"],
    }


def from_images(arguments: argparse.Namespace) -> None:
    """Compare both sides from images on; written down if it is of full size on a GPU."""
    import evaluation_images as images
    from ganlore.errors import GanloreError
    from ganlore.training import build

    if arguments.side == "make":
        import torch

        device = torch.device(arguments.device)
        images.make(arguments.features, arguments.samples, device, arguments.weights)
        return
    if arguments.side:
        images.turn(arguments.side, arguments.features, arguments.device, arguments.warm_up)
        return
    import document

    if arguments.weights and not arguments.weights.is_file():
        raise SystemExit(
            f"{arguments.weights}: missing; --weights names clean-fid's {images.WEIGHTS}"
        )
    try:
        build.device(arguments.device, "--device")
    except GanloreError as error:
        raise SystemExit(str(error)) from None
    made = document.made_with(arguments.note)
    made["versions"] = images.versions()
    samples, device, repeats = arguments.samples, arguments.device, arguments.repeats
    actual = images.compare(__file__, samples, device, repeats, arguments.weights)
    print(json.dumps(actual, indent=1))
    if (samples, device) == (10_000, "cuda"):
        document.record("evaluation-gpu", actual, made)  # with the difference, whatever it is
    if wrong := images.disagreement(actual):
        raise SystemExit(wrong)


def main() -> None:
    """Compare both sides and write it down."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=10_000, help="features of each set")
    parser.add_argument("--dimensions", type=int, default=2_048)
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side")
    parser.add_argument("--section", default="evaluation", help="of docs/performance.json")
    parser.add_argument("--note", default="", help="shown beside the machine and the commit")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="a whole evaluation, from images, on this device"
    )
    parser.add_argument("--weights", type=Path, help="clean-fid's file of Inception, for --device")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--features", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--warm-up", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.device:
        from_images(arguments)
        return
    if arguments.side:
        side(arguments.side, arguments.features)
        return
    import document

    made = document.made_with(arguments.note)
    made["versions"] = {
        name: importlib.metadata.version(name)
        for name in ("numpy", "scipy", "clean-fid", "prdc", "scikit-learn")
    }
    actual = compare(arguments.samples, arguments.dimensions, arguments.repeats)
    print(json.dumps(actual, indent=1))
    if (arguments.samples, arguments.dimensions) == (10_000, 2_048):
        document.record(arguments.section, actual, made)


if __name__ == "__main__":
    main()
