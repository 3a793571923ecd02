"""How much of a training step is spent inside torch, and where the rest goes.

    python benchmarks/profile_step.py digits/mlp/nonsaturating/none/base/seed0

Two shares. *Operations*: the time of the outermost torch operations (forward operators, the
backward pass, the optimisers' fused updates) over the wall time of the loop, both under torch's
profiler.
*Torch*: operations and torch's own Python (modules, optimisers, autograd's entry), by Python's
deterministic profiler, which makes every Python call look dearer than it is; what is left is this
project's own code. The step is made without a replay (`training.capture: off`), which has neither.
"""

from __future__ import annotations

import argparse
import cProfile
import tempfile
import time
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from ganlore import data, features
from ganlore.study import registry, schema
from ganlore.study.expand import expand
from ganlore.study.run import Run
from ganlore.training import checkpoint, session


def inside_torch(profiler: cProfile.Profile) -> float:
    """The share of time in functions of torch, compiled or Python."""
    profiler.create_stats()
    total = mine = 0.0
    for (file, _, name), (_, _, own, _, _) in profiler.stats.items():  # type: ignore[attr-defined]
        total += own
        torch_s = "/torch/" in file or "torch" in name or "Tensor" in name
        mine += 0.0 if torch_s else own
    return 1 - mine / total


def share(run: Run, store: data.Store, device: torch.device) -> tuple[float, float, float, str]:
    """Shares of operations and of torch, milliseconds for a step, and the profiler's table."""
    extractors = {name: features.fit_here(name, store) for name in run.training_extractors}

    def once() -> float:
        with tempfile.TemporaryDirectory() as folder:
            state = checkpoint.Checkpoints(Path(folder), "", float("inf"))
            began = time.perf_counter()
            session.train(run, store, state, device, extractors)
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
    python = cProfile.Profile()
    python.runcall(once)
    table = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=15)
    step = 1000 * plain / run.training.steps
    return inside / 1e6 / wall, inside_torch(python), step, table


def measure(run: Run, steps: int) -> dict[str, float | str]:
    """The numbers of a run, over so many steps: milliseconds for a step, and the two shares."""
    return _measure(run, steps)[0]


def _measure(run: Run, steps: int) -> tuple[dict[str, float | str], str]:
    change = {"budget": steps * run.training.batch, "snapshots": 1, "history": 5, "capture": "off"}
    run = run.model_copy(update={"training": run.training.model_copy(update=change)})
    with tempfile.TemporaryDirectory() as folder:
        settings = run.dataset.settings
        plugin = registry.create("dataset", run.dataset.name, settings)
        store = data.prepare(run.dataset.name, plugin, settings, Path(folder) / "store")
        inside, of_torch, step, table = share(run, store, torch.device("cpu"))
    actual: dict[str, float | str] = {
        "run": "/".join(run.cell[:4]),
        "step_ms": round(step, 3),
        "operations_share": round(inside, 3),
        "torch_share": round(of_torch, 3),
    }
    return actual, table


def main() -> None:
    """Print the share for each run that is named."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--study", default="configs/default.yaml")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--table", action="store_true", help="show the slowest operations")
    arguments = parser.parse_args()
    plan = expand(schema.load(arguments.study))
    for name in arguments.runs:
        actual, table = _measure(plan.run(name), arguments.steps)
        print(
            f"{name}: {actual['step_ms']:.2f} ms a step, {actual['operations_share']:.0%} of it in "
            f"torch's operations, {actual['torch_share']:.0%} in torch"
        )
        if arguments.table:
            print(table)


if __name__ == "__main__":
    main()
