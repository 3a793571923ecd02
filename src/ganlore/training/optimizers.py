"""Optimisers whose scheduled settings are tensors, which a captured step reads.

torch's own take a learning rate as a tensor where they can be captured at all, but Adam's fused
form no beta2, and RMSprop none on a CPU. Their updates are those of
unrolled steps (`steps.lookahead`).
"""

from __future__ import annotations

from typing import Any

import torch

from ganlore.steps.lookahead import UPDATES

COUNT = "step"
"""The state's count of steps: kept in single precision, in which torch loads it, and exact there;
powers of it are taken in double precision."""


@torch.no_grad()
def _step(optimizer: torch.optim.Optimizer, kind: type[torch.optim.Optimizer]) -> None:
    """Make the step of a kind of optimiser, with the state that torch's own has."""
    update, keys = UPDATES[kind]
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = optimizer.state[parameter]
            if not state:
                state[COUNT] = parameter.new_zeros(())
                state |= {key: torch.zeros_like(parameter) for key in keys if key != COUNT}
            before = state | {COUNT: state[COUNT].double()}
            moved, after = update(parameter, parameter.grad, before, group, torch.Tensor.float)
            parameter.copy_(moved)
            for key, value in ({COUNT: before[COUNT] + 1} | after).items():
                state[key].copy_(value)


class ScheduledAdam(torch.optim.Adam):
    """`torch.optim.Adam` with a learning rate and a beta2 that are tensors.

    It is to be made `capturable`, as the other: then torch loads the count of steps to the
    parameters' device.
    """

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1."""
        _step(self, torch.optim.Adam)


class ScheduledRMSprop(torch.optim.RMSprop):
    """`torch.optim.RMSprop`, without momentum, with a learning rate that is a tensor."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Divide each gradient by the root of the average of its squares."""
        _step(self, torch.optim.RMSprop)
