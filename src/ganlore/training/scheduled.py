"""The scheduled values of a step: learning rates, and what the loss and the tricks schedule."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganlore.steps import Moment, Schedule, TrainState
from ganlore.steps.schedule import beta2, learning_rate_factor
from ganlore.training.optimizers import ScheduledAdam

if TYPE_CHECKING:
    from ganlore.settings import Optimizer


class Values:
    """Scheduled values as tensors on the device, without dimensions.

    A value keeps its tensor, which is filled when the value changes, so that a captured step reads
    it. It has single precision, in which kernels take a number too; but optimisers on a CPU take
    theirs in double precision.

    Args:
        device: where they are.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._tensors: dict[str, tuple[float, Tensor]] = {}

    def __call__(self, name: str, value: float, dtype: torch.dtype = torch.float32) -> Tensor:
        """The tensor of a value."""
        if name not in self._tensors:
            # filled on the device, which nothing waits for
            self._tensors[name] = value, torch.full((), value, device=self._device, dtype=dtype)
        before, tensor = self._tensors[name]
        if value != before:
            self._tensors[name] = value, tensor.fill_(value)
        return tensor

    def of_optimizer(self, name: str, value: float) -> Tensor:
        """The tensor of an optimiser's setting."""
        return self(name, value, torch.float64 if self._device.type == "cpu" else torch.float32)

    def of(self, schedule: Schedule) -> Schedule:
        """A schedule whose numbers are tensors, but whole numbers and truths, which select."""
        numbers = {
            name: number if isinstance(number, int) else self(name, number)
            for name, number in schedule.numbers.items()
        }
        return replace(schedule, numbers=numbers)


def set_rates(
    optimizers: tuple[torch.optim.Optimizer, ...],
    schedule: Schedule,
    values: Values,
) -> None:
    """Set learning rates and, for Adam, beta2.

    Args:
        optimizers: of the run, the generator's first.
        schedule: of the step.
        values: gives learning rates, and a scheduled beta2, as tensors on the device.
    """
    for index, optimizer in enumerate(optimizers):
        for group in optimizer.param_groups:
            first = group.setdefault("first_lr", group["lr"])
            rate = 0.0 if index == 0 and schedule.frozen else first * schedule.learning_rate
            group["lr"] = values.of_optimizer(f"lr{index}", rate)
            if "betas" in group:
                second: float | torch.Tensor = schedule.beta2
                if isinstance(optimizer, ScheduledAdam):
                    second = values.of_optimizer("beta2", schedule.beta2)
                group["betas"] = (group["betas"][0], second)


def schedule_at(state: TrainState, optimizer: Optimizer, moment: Moment) -> Schedule:
    """The scheduled values of a step.

    Args:
        state: the training state, for its loss and tricks.
        optimizer: the optimisers' settings, after the tricks' changes.
        moment: the progress of the run.
    """
    factor = math.prod(trick.learning_rate(moment.progress) for trick in state.tricks)
    factor *= learning_rate_factor(optimizer, moment.progress)
    numbers = {
        f"{plugin.name}.{name}": number
        for plugin in state.plugins
        for name, number in plugin.scheduled(moment).items()
    }
    return Schedule(moment, factor, beta2(optimizer, moment.progress), numbers)
