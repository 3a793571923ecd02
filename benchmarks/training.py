"""The project's training step against the textbook PyTorch loop: images of data in a second.

    python benchmarks/training.py                  all cases on the CPU
    python benchmarks/training.py --device cuda    on a GPU: a section for the card, `plan` reads it
    python benchmarks/training.py --rounds 5 --seconds 10

Both train the same networks, from the same start, with the same loss, batch and learning rate, on
50,000 made-up images of 32x32 in memory, with one thread for the arithmetic.

*The textbook loop* is that of PyTorch's own DCGAN tutorial (`benchmarks/textbook.py`).

*The project's* is what makes the steps of `ganlore train` (`training.session`): as it is by default
(`plain`), and with other settings (`SETTINGS`); always with the memory settings that a study's jobs
have (`worker_server.MEMORY`).

Every measurement is a process of its own. The loops take turns, round after round, so that all see
the machine in the same moods; a ratio is taken within a round; medians over rounds are given. On a
GPU several runs are timed side by side as well (`side_by_side`).
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
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import document
import textbook
from ganlore import data
from ganlore.cli import worker_server
from ganlore.data import Split, Store
from ganlore.forecast import flops, rates
from ganlore.study import registry, schema
from ganlore.study.expand import expand
from ganlore.study.run import Run
from ganlore.training import build, precision
from ganlore.training.graphs import WARM_UP
from ganlore.training.session import build_trainer

SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "plain": {"cpu": {}, "cuda": {}},
    "tf32": {"cuda": {"channels_last": True, "precision": "tf32"}},
    "fast": {"cpu": {"channels_last": True}, "cuda": {"channels_last": True, "precision": "bf16"}},
    "uncaptured": {"cuda": {"channels_last": True, "precision": "bf16", "capture": "off"}},
    "deterministic": {"cuda": {"channels_last": True, "precision": "bf16", "deterministic": True}},
}
"""The project's loops, a column of the table each: the settings of training, by device."""

ONCE = ("uncaptured", "deterministic")
"""Loops that are timed in the first round alone, beside `BEST`, whose share of it is told."""

TEXTBOOK = "textbook"
BEST = "fast"
"""The loop that is timed side by side."""

AT_ONCE = 8
"""Runs that are timed side by side."""

CASES: dict[str, list[tuple[str, int | None, str]]] = {
    "cpu": [
        ("dcgan", 16, "nonsaturating"),
        ("dcgan", 64, "nonsaturating"),
        ("dcgan", 64, "hinge"),
        ("sndcgan", None, "hinge"),
    ],
    "cuda": [
        ("dcgan", 64, "nonsaturating"),
        ("sndcgan", None, "nonsaturating"),
        ("dcgan", 64, "wgan-gp"),
    ],
}
"""Network, width (None: its own) and loss of each comparison, the most wanted first."""

N, SHAPE, BATCH = 50_000, (3, 32, 32), 64


def run_of(device: str, network: str, width: int | None, loss: str, changes: dict[str, Any]) -> Run:
    """A run of a network and a loss on the made-up images.

    The data set `digits` lends its name: it has images and the run has no seed of its own.
    """
    inputs = {network: {"width": width}} if width else {}
    training = {"budget": 10**7 * BATCH, "batch": BATCH, "device": device, **changes}
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
            name: Split(rng.integers(0, 256, (n, *SHAPE), dtype=np.uint8))
            for name, n in sizes.items()
        }


def ours(run: Run, store: Store, device: torch.device) -> Iterator[None]:
    """The project's steps."""
    settings = run.training
    trainer = build_trainer(run, store, device)
    with precision.kernels(settings):
        for step in range(settings.steps):
            trainer.step(step)
            yield


# -- one measurement -------------------------------------------------------------------------------


def speed(loop: str, case: dict[str, Any], folder: Path, seconds: float, wait: bool) -> float:
    """Images of data in a second, of one loop in this process.

    Args:
        loop: `TEXTBOOK`, or one of `SETTINGS`.
        case: device, network, width and loss.
        folder: the prepared images.
        seconds: to measure for, after a warm-up.
        wait: say `ready` after the warm-up, and wait for a line of input.
    """
    device = torch.device(case["device"])
    torch.set_num_threads(1)
    run = run_of(**case, changes=SETTINGS[loop][device.type] if loop in SETTINGS else {})
    store = Store.open(folder)
    steps = (textbook.steps if loop == TEXTBOOK else ours)(run, store, device)

    def done() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    # on a CPU as few as come before a step of each kind is replayed
    few = (WARM_UP + 2) * run.loss.settings["n_critic"]
    for _ in range(few if device.type == "cpu" else 30):
        next(steps)
    done()
    if wait:
        print("ready", flush=True)
        sys.stdin.readline()
    began, count = done(), 0
    while time.perf_counter() - began < seconds:
        for _ in range(1 if device.type == "cpu" else 20):  # a clock that does not wait runs ahead
            next(steps)
            count += 1
    return count * BATCH / (done() - began)


def started(
    loop: str, case: dict[str, Any], folder: Path, seconds: float, *more: str
) -> subprocess.Popen[str]:
    """`speed` in a process of its own; the last line of its output is the number."""
    words = ["--one", loop, "--case", json.dumps(case), "--folder", str(folder), *more]
    return subprocess.Popen(
        [sys.executable, __file__, *words, "--seconds", str(seconds)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ if loop == TEXTBOOK else os.environ | worker_server.MEMORY,
    )  # fmt: skip


def result(process: subprocess.Popen[str]) -> float:
    """The number of a process of `started`, once it has ended."""
    said, _ = process.communicate("\n")
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, process.args))} failed")
    return float(said.split()[-1])


def compare(case: dict[str, Any], folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """The loops on one case, in turns."""
    loops = [TEXTBOOK, *(name for name in SETTINGS if case["device"] in SETTINGS[name])]
    timed: list[dict[str, float]] = []
    for index in range(rounds):
        order = loops[index % len(loops) :] + loops[: index % len(loops)]
        turn = [loop for loop in order if not index or loop not in ONCE]
        timed.append({loop: result(started(loop, case, folder, seconds)) for loop in turn})
        print(case, {loop: round(n, 1) for loop, n in timed[-1].items()}, file=sys.stderr)
    row: dict[str, Any] = {**case, "flops": flops_of(case)}
    for loop in loops:
        there = [one for one in timed if loop in one]
        ratios = [one[loop] / one[TEXTBOOK] for one in there]
        row[loop] = {
            "images": round(statistics.median(one[loop] for one in there), 1),
            "ratio": round(statistics.median(ratios), 3),
            "range": [round(min(ratios), 3), round(max(ratios), 3)],
        }
    return row


def flops_of(case: dict[str, Any]) -> float:
    """Multiplications and additions of a discriminator step, with its share of the generator's."""
    run = run_of(**case, changes={})
    state = build.train_state(run, SHAPE, 0, flops.CPU)
    return flops.count(run, state, SHAPE, 0)


# -- several runs on one device --------------------------------------------------------------------


def side_by_side(case: dict[str, Any], folder: Path, runs: int, seconds: float) -> dict[str, Any]:
    """Runs of one case at the same time, a process each, against one alone and the textbook's.

    All are warm before the clock starts, so that starting is not in it.
    """
    alone = result(started(BEST, case, folder, seconds))
    textbook_alone = result(started(TEXTBOOK, case, folder, seconds))
    processes = [started(BEST, case, folder, seconds, "--wait") for _ in range(runs)]
    try:
        for process in processes:
            assert process.stdout
            if process.stdout.readline() != "ready\n":
                raise SystemExit(f"one of {runs} runs side by side ended before it was warm")
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        together = sum(map(result, processes))
    finally:
        for process in processes:
            process.kill()
    return {
        **case, "loop": BEST, "runs": runs, "images": round(together, 1),
        "gain": round(together / alone, 3), "ratio": round(together / textbook_alone, 3),
    }  # fmt: skip


# -- the whole -------------------------------------------------------------------------------------


def section_of(device: str) -> str:
    """Where a device's numbers go; `ganlore plan` reads those of named cards."""
    if device == "cpu":
        return "training-speed"
    return rates.SECTION + torch.cuda.get_device_name(0)


def measure(device: str, network: str | None, rounds: int, seconds: float) -> Iterator[dict]:
    """The section's numbers so far, after each case: what is cut off keeps what was measured."""
    rows: list[dict[str, Any]] = []
    values: dict[str, Any] = {
        "date": datetime.now(tz=UTC).date().isoformat(), "batch": BATCH,
        "workers": textbook.WORKERS,
        "settings": {loop: by[device] for loop, by in SETTINGS.items() if device in by},
        "rows": rows,
    }  # fmt: skip
    there = registry.find("network")
    cases = [
        {"device": device, "network": name, "width": width, "loss": loss}
        for name, width, loss in CASES[device]
        if name in there and network in (None, name)
    ]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "digits"
        data.prepare("digits", MadeUp(), {}, place)
        for case in cases:
            rows.append(compare(case, place, rounds, seconds))
            yield values
            if device == "cuda" and case is cases[0]:
                values["together"] = side_by_side(case, place, AT_ONCE, seconds)
                yield values


def main() -> None:
    """Measure, and write a section of docs/performance.json for each device."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--network", help="cases of one alone")
    parser.add_argument("--note", default="", help="shown beside the machine and the commit")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    parser.add_argument("--one", choices=(TEXTBOOK, *SETTINGS), help=argparse.SUPPRESS)
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--wait", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(speed(asked.one, asked.case, asked.folder, asked.seconds, asked.wait))
        return
    if asked.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: torch finds no GPU")
    made = document.made_with(asked.note)
    if asked.device == "cpu":
        made["device"] = "no GPU"
    for values in measure(asked.device, asked.network, asked.rounds, asked.seconds):
        if not asked.dry:
            document.record(section_of(asked.device), values, made)
    if asked.dry:
        print(json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
