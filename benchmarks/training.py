"""The project's training step against the textbook PyTorch loop: images of data in a second.

    python benchmarks/training.py             all cases: on the CPU, and on a GPU where there is one
    python benchmarks/training.py --rounds 5 --seconds 10

Both train the same networks, from the same start, with the same loss, batch and learning rate, on
50,000 made-up images of 32x32 in memory, with one thread for the arithmetic.

*The textbook loop* is that of PyTorch's own DCGAN tutorial: a `Dataset` of pictures with
torchvision's `ToTensor` and `Normalize`, a `DataLoader` with workers, the discriminator on real and
on generated images one after the other, the generator on the same images again, Adam parameter by
parameter, both losses read by `.item()` in every step, fp32, contiguous.

*The project's* is `training.trainer.Trainer`, which makes the steps of `ganlore train`: as it is by
default (`plain`), and with the settings that are recommended for the device (`fast`); in both with
the memory settings that a study's jobs have (`worker_server.MEMORY`).

Every measurement is a process of its own. The loops take turns, round after round, so that all see
the machine in the same moods; a ratio is taken within a round; medians over rounds are given.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch.nn.functional import relu, softplus

import document
from ganlore import data
from ganlore.cli import worker_server
from ganlore.data import Split, Store
from ganlore.study import registry, schema
from ganlore.study.expand import expand
from ganlore.study.run import Run
from ganlore.training import build, precision
from ganlore.training.loop import build_trainer

LOOPS = ("textbook", "plain", "fast")
FAST: dict[str, dict[str, Any]] = {
    "cpu": {"channels_last": True},
    "cuda": {"channels_last": True, "precision": "bf16"},
}
"""The settings that are recommended for a device."""

CASES: dict[str, list[tuple[str, int | None, str]]] = {
    "cpu": [
        ("dcgan", 16, "nonsaturating"),
        ("dcgan", 64, "nonsaturating"),
        ("dcgan", 64, "hinge"),
        ("sndcgan", None, "hinge"),
    ],
    "cuda": [
        ("dcgan", 64, "nonsaturating"),
        ("dcgan", 64, "hinge"),
        ("sndcgan", None, "nonsaturating"),
        ("sndcgan", None, "hinge"),
    ],
}
"""Network, width (None: its own) and loss of each comparison."""

N, BATCH, WORKERS = 50_000, 64, 2


def run_of(network: str, width: int | None, loss: str, device: str, changes: dict[str, Any]) -> Run:
    """A run of a network and a loss on the made-up images.

    The data set `digits` lends its name: it has images and the run has no seed of its own.
    """
    inputs = {network: {"width": width}} if width else {}
    training = {"budget": 10_000 * BATCH, "batch": BATCH, "device": device, **changes}
    study = {
        "name": "training-benchmark",
        "seeds": [0],
        "training": training,
        # one discriminator step for each of the generator's, as in the textbook
        "settings": {"networks": inputs, "losses": {loss: {"n_critic": 1}}},
        "grids": [
            {"datasets": ["digits"], "networks": [network], "losses": [loss], "tricks": ["none"]}
        ],
    }
    (run,) = expand(schema.parse(study, "benchmark")).runs
    return run


class MadeUp(data.Dataset):
    """Images of chance: what they show costs no time."""

    def load(self) -> dict[str, Split]:
        """Both splits."""
        rng = np.random.default_rng(0)
        sizes = {"train": N, "test": BATCH}
        return {
            name: Split(rng.integers(0, 256, (n, 3, 32, 32), dtype=np.uint8))
            for name, n in sizes.items()
        }


# -- the two loops ---------------------------------------------------------------------------------


def ours(run: Run, store: Store, device: torch.device) -> Iterator[None]:
    """The project's steps."""
    settings = run.training
    trainer = build_trainer(run, store, device)
    with precision.kernels(settings):
        for step in range(settings.steps):
            trainer.step(step)
            yield


def textbook(run: Run, store: Store, device: torch.device) -> Iterator[None]:
    """The steps of PyTorch's DCGAN tutorial, on the networks that the project builds."""
    state = build.train_state(run, store.shape, store.classes, device)
    generator, discriminator = state.generator, state.discriminator
    settings = run.optimizer
    slow = {"betas": settings.betas, "foreach": False, "fused": False}
    of_g, of_d = (
        torch.optim.Adam(network.parameters(), lr=settings.lr, **slow)
        for network in (generator, discriminator)
    )
    on_real, on_fake, of_generator = LOSSES[run.loss.name]
    while True:
        for batch in loader(store):
            real = batch.to(device)
            discriminator.zero_grad()
            loss_real = on_real(discriminator(real))
            loss_real.backward()
            fake = generator(torch.randn(len(real), run.training.latent, device=device))
            loss_fake = on_fake(discriminator(fake.detach()))
            loss_fake.backward()
            reported = (loss_real + loss_fake).item()
            of_d.step()
            generator.zero_grad()
            loss = of_generator(discriminator(fake))
            loss.backward()
            of_g.step()
            assert np.isfinite(reported) and np.isfinite(loss.item())
            yield


LOSSES: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], ...]] = {
    "nonsaturating": (
        lambda r: softplus(-r).mean(), lambda f: softplus(f).mean(), lambda f: softplus(-f).mean()
    ),
    "hinge": (lambda r: relu(1 - r).mean(), lambda f: relu(1 + f).mean(), lambda f: -f.mean()),
}  # fmt: skip
"""On real images, on generated ones, and the generator's."""


class Pictures(torch.utils.data.Dataset[torch.Tensor]):
    """Pictures one by one, as torchvision's data sets give them."""

    def __init__(self, samples: np.ndarray[Any, Any]) -> None:
        from torchvision import transforms

        self.samples = np.ascontiguousarray(samples.transpose(0, 2, 3, 1))
        steps = [transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)]
        self.transform = transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> torch.Tensor:
        from PIL import Image

        seen: torch.Tensor = self.transform(Image.fromarray(self.samples[index]))
        return seen


def loader(store: Store) -> torch.utils.data.DataLoader[torch.Tensor]:
    """Shuffled batches, made by workers."""
    return torch.utils.data.DataLoader(
        Pictures(store.samples("train")),
        BATCH,
        shuffle=True,
        num_workers=WORKERS,
        drop_last=True,
    )


# -- one measurement -------------------------------------------------------------------------------


def speed(loop: str, case: dict[str, Any], folder: Path, seconds: float) -> float:
    """Images of data in a second, of one loop in this process."""
    device = torch.device(case["device"])
    torch.set_num_threads(1)
    changes = FAST[device.type] if loop == "fast" else {}
    run = run_of(case["network"], case["width"], case["loss"], device.type, changes)
    store = Store.open(folder)
    steps = (textbook if loop == "textbook" else ours)(run, store, device)

    def done() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    for _ in range(3 if device.type == "cpu" else 30):
        next(steps)
    began, count = done(), 0
    while time.perf_counter() - began < seconds:
        for _ in range(1 if device.type == "cpu" else 20):  # a clock that does not wait runs ahead
            next(steps)
            count += 1
    return count * BATCH / (done() - began)


def apart(loop: str, case: dict[str, Any], folder: Path, seconds: float) -> float:
    """`speed` in a process of its own."""
    words = ["--one", loop, "--case", json.dumps(case), "--folder", str(folder)]
    done = subprocess.run(
        [sys.executable, __file__, *words, "--seconds", str(seconds)],
        stdout=subprocess.PIPE, text=True, check=True,
        env=os.environ if loop == "textbook" else os.environ | worker_server.MEMORY,
    )  # fmt: skip
    return float(done.stdout)


def compare(case: dict[str, Any], folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """The loops on one case, in turns."""
    timed = []
    for index in range(rounds):
        order = LOOPS[index % len(LOOPS) :] + LOOPS[: index % len(LOOPS)]
        timed.append({loop: apart(loop, case, folder, seconds) for loop in order})
        print(case, {loop: round(timed[-1][loop], 1) for loop in LOOPS}, file=sys.stderr)
    row: dict[str, Any] = dict(case)
    for loop in LOOPS:
        ratios = [one[loop] / one["textbook"] for one in timed]
        row[loop] = {
            "images": round(statistics.median(one[loop] for one in timed), 1),
            "ratio": round(statistics.median(ratios), 3),
            "range": [round(min(ratios), 3), round(max(ratios), 3)],
        }
    return row


def main() -> None:
    """Measure, and write the section `training-speed` of docs/performance.json."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="one alone")
    parser.add_argument("--network", help="cases of one alone")
    parser.add_argument("--note", default="", help="shown beside the machine and the commit")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    parser.add_argument("--one", choices=LOOPS, help=argparse.SUPPRESS)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(speed(arguments.one, arguments.case, arguments.folder, arguments.seconds))
        return
    made = document.made_with(arguments.note)
    there = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    expected = registry.find("network")
    cases = [
        {"device": device, "network": network, "width": width, "loss": loss}
        for device in ([arguments.device] if arguments.device else there)
        for network, width, loss in CASES[device]
        if network in expected and arguments.network in (None, network)
    ]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "digits"
        data.prepare("digits", MadeUp(), {}, place)
        rows = [compare(case, place, arguments.rounds, arguments.seconds) for case in cases]
    values = {"batch": BATCH, "workers": WORKERS, "settings": FAST, "rows": rows}
    if arguments.dry:
        print(json.dumps(values, indent=1))
        return
    document.record("training-speed", values, made)


if __name__ == "__main__":
    main()
