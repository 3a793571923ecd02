"""Exponential moving average of the generator's weights, for sampling only."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganlore.settings import Fraction
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps import Moment, Step


@dataclass
class ExponentialMovingAverage(Trick):
    """Samples come from averaged weights; training itself is unchanged.

    The average starts as a plain mean, decay min(decay, (1 + n) / (10 + n)) after n steps, so that
    a short run is not dominated by its random start.
    """

    paper = "arXiv:1806.04498"
    tip = "sample from averaged weights"
    decay: Fraction = 0.999

    def modules(
        self, generator: nn.Module, discriminator: nn.Module, evaluated: dict[str, nn.Module]
    ) -> dict[str, nn.Module]:
        """The averaged generator, and what is evaluated with it: an encoder fits its generator."""
        averages = {"ema": generator, **{f"ema-{name}": part for name, part in evaluated.items()}}
        return {name: copy.deepcopy(p).requires_grad_(False) for name, p in averages.items()}

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """The decay of this step's average."""
        n = moment.generator_steps
        return {"decay": min(self.decay, (1 + n) / (10 + n))}

    @torch.no_grad()
    def after_generator(self, step: Step) -> None:
        """Average <- decay average + (1 - decay) weights.

        Batch norm's statistics are averaged alike: those of the last weights do not fit the mean
        of many. All other buffers are taken over: counts, and spectral normalisation's unit
        vectors, whose average would be none.
        """
        decay = step.scheduled(self, "decay")
        self._follow(step.modules["ema"], step.state.generator, decay)
        for name in step.state.loss.evaluated_modules:
            self._follow(step.modules[f"ema-{name}"], step.modules[name], decay)

    @staticmethod
    def _follow(average: nn.Module, current: nn.Module, decay: float) -> None:
        torch._foreach_lerp_(list(average.parameters()), list(current.parameters()), 1 - decay)
        for module, example in zip(average.modules(), current.modules(), strict=True):
            statistics = isinstance(module, _BatchNorm)
            own = module.buffers(recurse=False), example.buffers(recurse=False)
            for mine, theirs in zip(*own, strict=True):
                if statistics and mine.is_floating_point():
                    mine.lerp_(theirs, 1 - decay)
                else:
                    mine.copy_(theirs)

    def generator_for_evaluation(self, generator: nn.Module, modules: nn.ModuleDict) -> nn.Module:
        """The averaged generator."""
        return modules["ema"]

    def modules_for_evaluation(
        self, evaluated: dict[str, nn.Module], modules: nn.ModuleDict
    ) -> dict[str, nn.Module]:
        """Their averages."""
        return {name: modules[f"ema-{name}"] for name in evaluated}


TRICK = ExponentialMovingAverage
