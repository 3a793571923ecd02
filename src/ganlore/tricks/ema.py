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

    The decay after n steps is min(decay, (1 + n) / (10 + n)), so that the initial weights do not
    dominate short runs.
    """

    paper = "arXiv:1806.04498"
    tip = "samples from averaged weights"
    decay: Fraction = 0.999

    def modules(
        self, generator: nn.Module, discriminator: nn.Module, evaluated: dict[str, nn.Module]
    ) -> dict[str, nn.Module]:
        """The averaged generator and evaluated modules, since an encoder fits its generator."""
        averages = {"ema": generator, **{f"ema-{name}": part for name, part in evaluated.items()}}
        return {name: copy.deepcopy(p).requires_grad_(False) for name, p in averages.items()}

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """The decay of the average in this step."""
        n = moment.generator_steps
        return {"decay": min(self.decay, (1 + n) / (10 + n))}

    @torch.no_grad()
    def after_generator(self, step: Step) -> None:
        """Average <- decay average + (1 - decay) weights.

        Batch norm's statistics are averaged too, since those of the current weights do not fit the
        average. Other buffers are copied: counts, and spectral normalisation's unit vectors, whose
        average has another length.
        """
        decay = step.scheduled(self, "decay")
        self._update(step.modules["ema"], step.state.generator, decay)
        for name in step.state.loss.evaluated_modules:
            self._update(step.modules[f"ema-{name}"], step.modules[name], decay)

    @staticmethod
    def _update(average: nn.Module, current: nn.Module, decay: float) -> None:
        torch._foreach_lerp_(list(average.parameters()), list(current.parameters()), 1 - decay)
        for target, source in zip(average.modules(), current.modules(), strict=True):
            statistics = isinstance(target, _BatchNorm)
            buffers = target.buffers(recurse=False), source.buffers(recurse=False)
            for old, new in zip(*buffers, strict=True):
                if statistics and old.is_floating_point():
                    old.lerp_(new, 1 - decay)
                else:
                    old.copy_(new)

    def generator_for_evaluation(self, generator: nn.Module, modules: nn.ModuleDict) -> nn.Module:
        """The averaged generator."""
        return modules["ema"]

    def modules_for_evaluation(
        self, evaluated: dict[str, nn.Module], modules: nn.ModuleDict
    ) -> dict[str, nn.Module]:
        """The averages of the loss's modules."""
        return {name: modules[f"ema-{name}"] for name in evaluated}


TRICK = ExponentialMovingAverage
