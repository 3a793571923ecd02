"""Exponential moving average of the generator's weights, for sampling only."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganlore.settings import Fraction, NonNegativeInt, PositiveFloat
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps import Moment, Step


@dataclass
class ExponentialMovingAverage(Trick):
    """Samples come from averaged weights; training itself is unchanged.

    By default weights count half after `halflife` images, or after the share `rampup` of the
    images so far if that is less: decay = .5^(batch / min(halflife, rampup seen)). Images are those
    that the generator has made in its steps. This is the average of StyleGAN2 (arXiv:1912.04958,
    10,000 images, and .05 in its later code) and of EDM2 (arXiv:2312.02696, .09). It acts in runs
    of any length: in short ones the ramp makes it an average over the last part of the training,
    whatever its length, and in long ones the half-life bounds it.

    `decay` sets a fixed decay instead, as in BigGAN (arXiv:1809.11096, .9999 from step 20,000 on).
    Until `start` steps of the generator the average is the weights themselves, in either form.
    """

    paper = "arXiv:1806.04498"
    deviations = (
        "The average has StyleGAN2's half-life in images, with a ramp; the paper has a fixed "
        "decay of .9999 (`decay`).",
    )
    tip = "samples from averaged weights"
    no_effect = {
        "halflife": "until the generator has made halflife / rampup images, and if decay is set",
        "rampup": "if decay is set, and little once the half-life bounds it",
        "start": "if it is so early that the average has forgotten what was before",
    }
    acts_unless = {"halflife": "decay", "rampup": "decay"}
    acts_after = {"halflife": ("images", "halflife", "rampup"), "decay": ("steps", "start")}
    halflife: PositiveFloat = 10_000.0
    rampup: PositiveFloat | None = 0.05
    decay: Fraction | None = None
    start: NonNegativeInt = 0

    def modules(
        self, generator: nn.Module, discriminator: nn.Module, evaluated: dict[str, nn.Module]
    ) -> dict[str, nn.Module]:
        """The averaged generator and evaluated modules, since an encoder fits its generator."""
        averages = {"ema": generator, **{f"ema-{name}": part for name, part in evaluated.items()}}
        return {name: copy.deepcopy(p).requires_grad_(False) for name, p in averages.items()}

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """The share that this step's weights get: 1 - decay, of which single precision has more."""
        return {"share": 1 - self._decay(moment)}

    def _decay(self, moment: Moment) -> float:
        if moment.generator_steps < self.start:
            return 0.0
        if self.decay is not None:
            return self.decay
        halflife = self.halflife
        if self.rampup is not None:
            halflife = min(halflife, self.rampup * moment.batch * moment.generator_steps)
        return float(0.5 ** (moment.batch / halflife)) if halflife else 0.0

    @torch.no_grad()
    def after_generator(self, step: Step) -> None:
        """Average <- decay average + (1 - decay) weights.

        Batch norm's statistics are averaged too, since those of the current weights do not fit the
        average. Other buffers are copied: counts, and spectral normalisation's unit vectors, whose
        average has another length.
        """
        share = step.scheduled(self, "share")
        self._update(step.modules["ema"], step.state.generator, share)
        for name in step.state.loss.evaluated_modules:
            self._update(step.modules[f"ema-{name}"], step.modules[name], share)

    @staticmethod
    def _update(average: nn.Module, current: nn.Module, share: Tensor) -> None:
        averages: list[Tensor] = [*average.parameters()]
        news: list[Tensor] = [*current.parameters()]
        torch._foreach_lerp_(averages, news, [share] * len(news))
        for target, source in zip(average.modules(), current.modules(), strict=True):
            statistics = isinstance(target, _BatchNorm)
            buffers = target.buffers(recurse=False), source.buffers(recurse=False)
            for old, new in zip(*buffers, strict=True):
                if statistics and old.is_floating_point():
                    old.lerp_(new, share)
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
