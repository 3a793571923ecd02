"""What a cell's training step is made of: multiplications, additions, and weights.

Nothing is computed: a step runs on tensors that have a shape and no values, so that a large network
is counted as quickly as a small one, on any machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganlore.steps import TrainState
from ganlore.training import build
from ganlore.training.trainer import Trainer

if TYPE_CHECKING:
    from torch._subclasses.fake_tensor import FakeTensorMode

    from ganlore.features import Extractor
    from ganlore.study.run import Run

MOMENTS = {"adam": 2, "rmsprop": 1, "sgd": 0}
"""Numbers that an optimiser keeps for each weight."""

CPU = torch.device("cpu")
PLACES = (1 / 8, 3 / 8, 5 / 8, 7 / 8)
"""Shares of the budget at which a step is counted: a trick may grow its networks on the way."""


@dataclass(frozen=True)
class Sizes:
    """Bytes of what a run saves.

    Attributes:
        snapshot: a generator, with what else is evaluated.
        checkpoint: all networks.
        state: what a killed run goes on from: all networks and the optimisers' moments.
    """

    snapshot: int
    checkpoint: int
    state: int

    @classmethod
    def sum(cls, one: Sizes, shared: Sizes, other: Sizes) -> Sizes:
        """One and the other together, with what they share once."""
        sizes = zip(astuple(one), astuple(shared), astuple(other), strict=True)
        return cls(*(a + c - b for a, b, c in sizes))


class Arithmetic(TorchDispatchMode):
    """Counts multiplications and additions of matrix products and convolutions.

    `FlopCounterMode` has the formulas, but its hooks on modules do not let penalties differentiate.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func.overloadpacket):
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


def sizes(run: Run, state: TrainState) -> Sizes:
    """What a run saves of its networks, from their weights and buffers."""
    evaluated = [state.evaluated, *state.evaluated_modules.values()]
    checkpoint = _bytes([state.generator, state.discriminator, state.modules])
    trained = {p for o in state.optimizers for group in o.param_groups for p in group["params"]}
    weights = sum(p.numel() * p.element_size() for p in trained)
    kind = build.optimizer_settings(run, state.tricks).kind
    return Sizes(_bytes(evaluated), checkpoint, checkpoint + MOMENTS[kind] * weights)


def _bytes(modules: Iterable[nn.Module]) -> int:
    tensors = [value for module in modules for value in module.state_dict().values()]
    return sum(value.numel() * value.element_size() for value in tensors)


def count(
    run: Run,
    state: TrainState,
    shape: tuple[int, ...],
    classes: int,
    extractors: dict[str, Extractor] | None = None,
) -> float:
    """Multiplications and additions of a discriminator step, with its share of the generator's.

    Optimisers, activations and normalisation are not in it: they move more than they multiply.

    Args:
        run: the run's settings.
        state: its networks (`build.train_state`), which are of no use afterwards.
        shape: one sample's shape.
        classes: the data set's number of classes, 0 without labels.
        extractors: those that it trains with.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode  # takes half a second

    n = run.training.batch
    state.extractors = dict(extractors or {})
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        _empty(state, mode)
        optimizer = build.optimizer_settings(run, state.tricks)
        state.optimizers = build.optimizers(optimizer, state)
        labels = torch.zeros(n, dtype=torch.long) if classes else None
        batch = torch.zeros(n, *shape), labels
        batches: Any = defaultdict(lambda: batch)  # the same at every step
        trainer = Trainer(state, batches, run.training, optimizer, run.seed, CPU)
        grows = any(trick.overrides("stage") for trick in state.tricks)
        places = PLACES if grows else PLACES[:1]
        return sum(_step(trainer, used) for used in places) / len(places)


def _step(trainer: Trainer, used: float) -> float:
    schedule = trainer.begin(int(used * trainer.training.steps))
    with Arithmetic() as discriminator:
        trainer.discriminator(schedule)
    with Arithmetic() as generator:
        trainer.generator(schedule)
    return float(discriminator.total + generator.total / trainer.state.n_critic)


def _empty(state: TrainState, mode: FakeTensorMode) -> None:
    """Put tensors without values in place of all weights and buffers."""

    @cache
    def without(value: Tensor) -> Tensor:
        shape = mode.from_tensor(value.detach())
        weight = isinstance(value, nn.Parameter)
        return nn.Parameter(shape, value.requires_grad) if weight else shape

    tops = [state.generator, state.discriminator, state.modules, state.evaluated]
    for module in {inner for top in tops for inner in top.modules()}:
        for tensors in (module._parameters, module._buffers):
            for name, value in tensors.items():
                if value is not None:
                    tensors[name] = without(value)  # type: ignore[assignment]
