"""What a training step of each loss (or trick) costs, and the passes that explain it.

    python benchmarks/step_costs.py                 every loss
    python benchmarks/step_costs.py --axis trick    every trick, on the non-saturating loss

Each is built as training builds it, on the network `dcgan` and the data `digits`, and makes steps
of the discriminator and of the generator on the same batches. *Time*: the cells take turns, a few
steps each, for many rounds in one process; a ratio is taken within a round, where the machine's
mood is the same, and the median over rounds is shown. An *image* of the budget costs a
discriminator step and 1/n_critic of a generator step.

Three counts say where the time goes, each exact:

- *forward passes* (f) through a network, in batches: hooks see every call of a network or of its
  parts, and how many samples it was given. One pass over real and generated samples is two.
- *backward passes* (b): gradients that arrived at the output of such a call, in batches, by hooks
  on the output tensors. Module hooks (`register_full_backward_hook`) would wrap inputs and change
  what is differentiated twice; a count of calls of `torch.autograd.backward` alone would not say
  through which network they went. A gradient that is itself differentiated (`create_graph`) is
  counted as *second-order* (2nd), by such calls of `torch.autograd.grad`: the step's own backward
  pass goes through it again, and that is no arrival at an output.
- *arithmetic*: multiplications and additions of matrix products and convolutions, forward, backward
  and twice backward, as torch's dispatcher sees them, relative to the first cell's. Copies,
  activations, optimisers and products of a matrix and a vector are not in it.

`Watch` also finds forward passes that a step makes twice for one input.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

import document
from ganlore import data, features
from ganlore.data import Store
from ganlore.docgen import catalogue
from ganlore.forecast.flops import Arithmetic
from ganlore.steps import TrainState
from ganlore.study import registry, schema
from ganlore.study.expand import expand
from ganlore.study.run import Run
from ganlore.training import session

Turn = Literal["discriminator", "generator"]
TURNS: tuple[Turn, Turn] = ("discriminator", "generator")
BASELINE = {"loss": "nonsaturating", "trick": "none"}
CPU = torch.device("cpu")


class Bench:
    """A run whose updates are made one by one, as `ganlore train` makes them without a replay.

    Extractors that it trains with are fitted here, if they are not given.
    """

    def __init__(
        self, run: Run, store: Store, extractors: dict[str, features.Extractor] | None = None
    ) -> None:
        if extractors is None:
            extractors = {name: features.fit_here(name, store) for name in run.training_extractors}
        torch.set_num_threads(run.training.threads)
        self.run = run
        self.trainer = session.build_trainer(run, store, CPU, extractors)
        self.state: TrainState = self.trainer.state

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The networks, the loss's and the tricks' own modules, and extractors."""
        parts = {"G": self.state.generator, "D": self.state.discriminator, **self.state.modules}
        return parts | {name: actual.network for name, actual in self.state.extractors.items()}

    def step(self, phase: Turn, step: int) -> None:
        """One update of a network, its optimiser's included."""
        if phase == "discriminator":
            self.trainer.discriminator(self.trainer.begin(step))
        else:
            self.trainer.generator(self.trainer.schedule_of(step))


# -- passes ----------------------------------------------------------------------------------------


@dataclass
class Watch:
    """Passes through the parts of a training state, while it watches.

    Attributes:
        parts: networks and modules by name.
        whole: whether a call is compared with others as a whole, as must be where outputs depend
            on the rest of the batch; otherwise each sample is.
        forward, backward: samples that went through each (part, module).
        second: calls of `torch.autograd.grad` whose result is differentiated again.
        twice: modules that were given one input twice, with the same weights.
    """

    parts: dict[str, nn.Module]
    whole: bool = False
    forward: Counter[tuple[str, str]] = field(default_factory=Counter)
    backward: Counter[tuple[str, str]] = field(default_factory=Counter)
    second: int = 0
    twice: list[str] = field(default_factory=list)
    _depth: Counter[str] = field(default_factory=Counter)
    _seen: set[Any] = field(default_factory=set)
    _kept: list[Any] = field(default_factory=list)

    @contextlib.contextmanager
    def __call__(self) -> Iterator[Watch]:
        """Watch what is done within."""
        handles = []
        for part, network in self.parts.items():
            for name, module in network.named_modules():
                if "parametrizations" in name.split("."):
                    continue  # they compute weights, not samples
                before, after = self._hooks(part, name)
                handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
                handles.append(module.register_forward_hook(after, always_call=True))
        original = torch.autograd.grad

        def grad(*inputs: Any, **more: Any) -> Any:
            self.second += bool(more.get("create_graph"))
            return original(*inputs, **more)

        torch.autograd.grad = grad
        try:
            yield self
        finally:
            torch.autograd.grad = original
            for handle in handles:
                handle.remove()

    def passes(self, batch: int) -> str:
        """Passes in words, `G 1f 1b, D 2f 2b, 1 2nd`, in batches of so many samples."""
        words = []
        for part in self.parts:
            # a network whose parts are called one by one has made as many passes as its busiest
            f, b = (
                max((n for (mine, _), n in counts.items() if mine == part), default=0) / batch
                for counts in (self.forward, self.backward)
            )
            if f or b:
                words.append(f"{part} {f:g}f" + (f" {b:g}b" if b else ""))
        return ", ".join([*words, *([f"{self.second} 2nd"] if self.second else [])]) or "none"

    def _hooks(self, part: str, name: str) -> tuple[Callable[..., None], Callable[..., None]]:
        def before(module: nn.Module, inputs: tuple[Any, ...], more: dict[str, Any]) -> None:
            if name.count(".") == 0:
                self._compare(part, name, module, [*inputs, *more.values()])
            self._depth[part] += 1

        def after(module: nn.Module, inputs: tuple[Any, ...], out: Any) -> None:
            self._depth[part] -= 1
            if self._depth[part] or not isinstance(out, Tensor) or not out.is_floating_point():
                return  # a part of a call that is counted already, or an embedding of labels
            key, n = (part, name), len(inputs[0]) if inputs else len(out)
            self.forward[key] += n
            if out.requires_grad:
                out.register_hook(lambda gradient: self.backward.update({key: n}))

        return before, after

    def _compare(self, part: str, name: str, module: nn.Module, inputs: list[Any]) -> None:
        """Note a call whose input the module has been given before, with the same weights.

        Inputs are compared by value: a copy costs as much as the tensor itself. Weights are the
        same where the tensors are, and have not been changed in place since. An input all of whose
        numbers are equal (zeros to begin with) says nothing.
        """
        tensors = [item.detach() for item in inputs if isinstance(item, Tensor)]
        if not any(tensor.is_floating_point() for tensor in tensors):
            return
        weights = list(module.parameters())
        self._kept.append(weights)  # or another tensor might get the id of one that is gone
        state = tuple((id(weight), weight._version) for weight in weights)
        if self.whole:
            rows = [tuple(tensor.numpy().tobytes() for tensor in tensors)]
        else:
            rows = [
                tuple(tensor[index].numpy().tobytes() for tensor in tensors)
                for index in range(len(tensors[0]))
                if bool((tensors[0][index] != tensors[0][index].flatten()[0]).any())
            ]
        keys = {(part, name, state, row) for row in rows}
        if keys & self._seen:
            self.twice.append(f"{part}.{name}".rstrip("."))
        self._seen |= keys


def watch(bench: Bench, phase: Turn, step: int = 0) -> Watch:
    """The passes of one step."""
    mixes = bench.state.loss.mixes_batch or any(trick.mixes_batch for trick in bench.state.tricks)
    seen = Watch(bench.parts, whole=mixes)
    with seen():
        bench.step(phase, step)
    return seen


def arithmetic(bench: Bench, phase: Turn, step: int = 0) -> int:
    """Multiplications and additions of one step's matrix products and convolutions."""
    with Arithmetic() as counter:
        bench.step(phase, step)
    return counter.total


# -- time ------------------------------------------------------------------------------------------


def rounds(benches: list[Bench], n: int, steps: int) -> Iterator[dict[int, dict[Turn, float]]]:
    """Seconds of a step, by cell and turn, for each of `n` rounds of `steps` steps of each.

    Every round begins with another cell, so that none has a better place than the others.
    """
    for index in range(n):
        actual = {}
        for place in range(len(benches)):
            chosen = (place + index) % len(benches)
            spent = dict.fromkeys(TURNS, 0.0)
            for step in range(index * steps, (index + 1) * steps):
                for phase in TURNS:
                    began = time.perf_counter()
                    benches[chosen].step(phase, step)
                    spent[phase] += time.perf_counter() - began
            actual[chosen] = {phase: seconds / steps for phase, seconds in spent.items()}
        yield actual


def costs(runs: list[Run], store: Store, n: int, steps: int) -> list[dict[str, Any]]:
    """The cost of a step of each run, relative to the first run's."""
    benches = [Bench(run, store) for run in runs]
    counted = [{phase: watch(bench, phase) for phase in TURNS} for bench in benches]
    flops = [{phase: arithmetic(bench, phase) for phase in TURNS} for bench in benches]
    for _ in rounds(benches, 2, steps):
        pass  # caches, allocator, first calls
    timed = list(rounds(benches, n, steps))
    rows = []
    for index, bench in enumerate(benches):
        critic = bench.state.n_critic
        row: dict[str, Any] = {"n_critic": critic}
        for phase in TURNS:
            ratios = [one[index][phase] / one[0][phase] for one in timed]
            row[phase] = {
                **_summary(ratios),
                "step_ms": round(1000 * statistics.median(one[index][phase] for one in timed), 3),
                "arithmetic": round(flops[index][phase] / flops[0][phase], 3),
                "passes": counted[index][phase].passes(bench.run.training.batch),
            }
        first = benches[0].state.n_critic
        ratios = [_image(one[index], critic) / _image(one[0], first) for one in timed]
        share = _image(flops[index], critic) / _image(flops[0], first)
        rows.append({**row, "image": {**_summary(ratios), "arithmetic": round(share, 3)}})
    return rows


def _image(step: dict[Turn, Any], n_critic: int) -> float:
    """A discriminator step with its share of the generator's."""
    return float(step["discriminator"] + step["generator"] / n_critic)


def _summary(ratios: list[float]) -> dict[str, Any]:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return {"ratio": round(middle, 3), "quartiles": [round(low, 3), round(high, 3)]}


def cells(axis: str, names: list[str], batch: int, budget: int) -> list[Run]:
    """One run for each loss or trick, the baseline first, on `digits` with `dcgan`."""
    first = BASELINE[axis]
    wanted = {name: [BASELINE[name]] for name in BASELINE}
    wanted[axis] = list(dict.fromkeys([first, *(names or catalogue.own(axis))]))
    place = {"datasets": ["digits"], "networks": ["dcgan"]}
    grids = [{**place, "losses": wanted["loss"], "tricks": wanted["trick"]}]
    training = {"budget": budget, "batch": batch}
    study = {"name": "step-costs", "seeds": [0], "training": training, "grids": grids}
    return list(expand(schema.parse(study, "step costs")).runs)


def main() -> None:
    """Measure, and write the section `step-costs-AXIS` of docs/performance.json."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("names", nargs="*", help="losses or tricks; all of them if left out")
    parser.add_argument("--axis", choices=("loss", "trick"), default="loss")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--steps", type=int, default=5, help="of each network, in a round")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--note", default="", help="shown beside the machine and the commit")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    arguments = parser.parse_args()
    made = document.made_with(arguments.note)
    budget = arguments.batch * arguments.steps * (arguments.rounds + 2)
    runs = cells(arguments.axis, arguments.names, arguments.batch, budget)
    settings = runs[0].dataset.settings
    with tempfile.TemporaryDirectory() as folder:
        plugin = registry.create("dataset", "digits", settings)
        store = data.prepare("digits", plugin, settings, Path(folder) / "digits")
        actual = costs(runs, store, arguments.rounds, arguments.steps)
    rows = [
        {"name": run.loss.name if arguments.axis == "loss" else run.trick, **row}
        for run, row in zip(runs, actual, strict=True)
    ]
    for row in rows:
        print(
            row["name"],
            f"image {row['image']['ratio']} x, arithmetic {row['image']['arithmetic']} x",
        )
        for phase in TURNS:
            print(f"  {phase}: {row[phase]}")
    if not arguments.dry:
        document.record(
            f"step-costs-{arguments.axis}",
            {
                "axis": arguments.axis,
                "baseline": BASELINE[arguments.axis],
                "batch_images": arguments.batch,
                "rounds": arguments.rounds,
                "steps": arguments.steps,
                "rows": rows,
            },
            made,
        )


if __name__ == "__main__":
    main()
