"""What changes from step to step, as one small record that every step receives.

Nothing else of a step differs from one to the next but its batch and its random numbers. So a step
that was captured once can be replayed with another record; only `Schedule.stage` changes its form.
Torch is not imported here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ganlore.settings import Optimizer


class Moment(NamedTuple):
    """How far a run is before a step.

    Attributes:
        step: discriminator steps done.
        generator_steps: generator steps done.
        progress: the share of the budget used, in [0, 1).
    """

    step: int
    generator_steps: int
    progress: float


@dataclass(frozen=True)
class Schedule:
    """The numbers of one step.

    Attributes:
        moment: how far the run is.
        learning_rate: factor on the first learning rates of both optimisers.
        beta2: Adam's second decay rate.
        numbers: what the loss and the tricks schedule themselves, by "<plug-in>.<name>".
    """

    moment: Moment
    learning_rate: float = 1.0
    beta2: float = 0.999
    numbers: Mapping[str, float] = field(default_factory=dict)


def cosine(first: float, last: float, progress: float) -> float:
    """Half a cosine from `first` to `last`, flat at both ends.

    Args:
        first: the value at progress 0.
        last: the value at progress 1.
        progress: the share of the budget used.
    """
    left = (1 + math.cos(math.pi * progress)) / 2
    return first * left + last * (1 - left)


def learning_rates(settings: Optimizer) -> tuple[float, float]:
    """First learning rates of generator and discriminator."""
    return settings.lr, settings.lr_discriminator or settings.lr


def learning_rate_factor(settings: Optimizer, progress: float) -> float:
    """What an optimiser multiplies its first learning rates by."""
    return 1.0 if settings.lr_end is None else cosine(1.0, settings.lr_end / settings.lr, progress)


def beta2(settings: Optimizer, progress: float) -> float:
    """Adam's second decay rate."""
    first = settings.betas[1]
    return first if settings.beta2_end is None else cosine(first, settings.beta2_end, progress)
