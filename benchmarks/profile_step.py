"""How much of a training step is spent inside torch operations, and where the rest goes.

    python benchmarks/profile_step.py digits/mlp/nonsaturating/none/base/seed0

The share is the time of the outermost torch operations (forward operators, the backward pass, the
optimisers' fused updates) over the wall time of the loop, both under torch's profiler.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from ganlore import checkpoint, config, data, grid, plugins, train


def share(run: grid.Run, store: data.Store, device: torch.device) -> tuple[float, float, str]:
    """Share of wall time inside torch operations, milliseconds for a step, and the table."""

    def once() -> float:
        with tempfile.TemporaryDirectory() as folder:
            state = checkpoint.State(Path(folder), "", float("inf"))
            began = time.perf_counter()
            train.train(run, store, state, device)
            return time.perf_counter() - began

    once()  # caches, allocator, first calls
    plain = min(once() for _ in range(3))
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        wall = once()
    outermost = [
        event
        for event in profiler.events()
        if event.cpu_parent is None or event.cpu_parent.name.startswith("Optimizer")
    ]
    inside = sum(
        event.cpu_time_total for event in outermost if not event.name.startswith("Optimizer")
    )
    table = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=15)
    return inside / 1e6 / wall, 1000 * plain / run.training.steps, table


def main() -> None:
    """Print the share for each run that is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--study", default="configs/default.yaml")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--table", action="store_true", help="show the slowest operations")
    arguments = parser.parse_args()
    study = config.load(arguments.study)
    plan = grid.expand(study)
    for name in arguments.runs:
        run = plan.run(name)
        change = {"budget": arguments.steps * run.training.batch, "snapshots": 1, "history": 5}
        run = run.model_copy(update={"training": run.training.model_copy(update=change)})
        with tempfile.TemporaryDirectory() as folder:
            settings = run.dataset.settings
            plugin = plugins.create("dataset", run.dataset.name, settings)
            store = data.prepare(run.dataset.name, plugin, settings, Path(folder) / "store")
            inside, step, table = share(run, store, torch.device("cpu"))
        print(f"{name}: {step:.2f} ms a step, {inside:.0%} of it inside torch operations")
        if arguments.table:
            print(table)


if __name__ == "__main__":
    main()
