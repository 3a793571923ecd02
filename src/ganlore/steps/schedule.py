"""All scheduled values, in one record that every step receives.

Steps differ only in this record, their batch and their random numbers. So a captured step can be
replayed with another record; only `Trick.stage` changes the networks. A whole number or a truth
selects what a step does, and each of its values is captured by itself; any other number is a value
that a captured step reads. Torch is not imported here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ganlore.settings import Optimizer


class Moment(NamedTuple):
    """The progress of a run before a step.

    Attributes:
        step: completed discriminator steps.
        generator_steps: completed generator steps.
        progress: the share of the budget used, in [0, 1).
        batch: images in a step.
    """

    step: int
    generator_steps: int
    progress: float
    batch: int = 1


@dataclass(frozen=True)
class Schedule:
    """The scheduled values of one step.

    Attributes:
        moment: the progress of the run.
        learning_rate: factor on the initial learning rates of both optimisers.
        beta2: Adam's second decay rate.
        numbers: the values that the loss and the tricks schedule, by "<plug-in>.<name>". In a
            step, those that are not whole are tensors on the device.
        frozen: whether the generator's own rate is 0: its gradient is computed, and not applied.
    """

    moment: Moment
    learning_rate: float = 1.0
    beta2: float = 0.999
    numbers: Mapping[str, Any] = field(default_factory=dict)
    frozen: bool = False


def cosine(first: float, last: float, progress: float) -> float:
    """Half a cosine from `first` to `last`, flat at both ends.

    Args:
        first: the value at progress 0.
        last: the value at progress 1.
        progress: the share of the budget used.
    """
    weight = (1 + math.cos(math.pi * progress)) / 2
    return first * weight + last * (1 - weight)


def learning_rates(settings: Optimizer) -> tuple[float, float]:
    """The initial learning rates of generator and discriminator."""
    return settings.lr, settings.lr_discriminator or settings.lr


def learning_rate_factor(settings: Optimizer, progress: float) -> float:
    """The optimiser's own factor on its initial learning rates."""
    if settings.lr_end is None:
        return 1.0
    last = settings.lr_end / settings.lr
    if settings.decay == "linear":
        return 1 + (last - 1) * progress
    return cosine(1.0, last, progress)


def beta2(settings: Optimizer, progress: float) -> float:
    """Adam's second decay rate."""
    first = settings.betas[1]
    return first if settings.beta2_end is None else cosine(first, settings.beta2_end, progress)
