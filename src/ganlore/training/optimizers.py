"""Optimisers whose scheduled settings are tensors, which a captured step reads.

torch's own take a learning rate as a tensor where they can be captured at all, but Adam's fused
form no beta2, and RMSprop none on the CPU, where the property is tested.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def _gradients(group: dict[str, Any]) -> tuple[list[Tensor], list[Tensor]]:
    """The parameters of a group that have a gradient, and their gradients."""
    parameters = [p for p in group["params"] if p.grad is not None]
    return parameters, [p.grad for p in parameters]


class ScheduledAdam(torch.optim.Adam):
    """`torch.optim.Adam` with a learning rate and a beta2 that are tensors."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1."""
        for group in self.param_groups:
            parameters, gradients = _gradients(group)
            states = [self._state(parameter) for parameter in parameters]
            means, squares, steps = (
                [state[key] for state in states] for key in ("exp_avg", "exp_avg_sq", "step")
            )
            beta1, beta2 = group["betas"]
            torch._foreach_add_(steps, 1)
            torch._foreach_lerp_(means, gradients, 1 - beta1)
            news = torch._foreach_mul(gradients, gradients)
            torch._foreach_mul_(news, 1 - beta2)
            torch._foreach_mul_(squares, beta2)
            torch._foreach_add_(squares, news)
            roots = torch._foreach_sqrt(squares)
            torch._foreach_div_(roots, [(1 - beta2**step).sqrt() for step in steps])
            torch._foreach_add_(roots, group["eps"])
            moves = torch._foreach_div(means, roots)
            torch._foreach_mul_(moves, [group["lr"] / (1 - beta1**step) for step in steps])
            torch._foreach_sub_(parameters, moves)

    def _state(self, parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            zeros = torch.zeros_like
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"], state["exp_avg_sq"] = zeros(parameter), zeros(parameter)
        return state


class ScheduledRMSprop(torch.optim.RMSprop):
    """`torch.optim.RMSprop`, without momentum, with a learning rate that is a tensor."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Divide each gradient by the root of the average of its squares."""
        for group in self.param_groups:
            parameters, gradients = _gradients(group)
            for parameter in parameters:
                if not self.state[parameter]:
                    self.state[parameter]["square_avg"] = torch.zeros_like(parameter)
            squares = [self.state[parameter]["square_avg"] for parameter in parameters]
            torch._foreach_mul_(squares, group["alpha"])
            torch._foreach_addcmul_(squares, gradients, gradients, value=1 - group["alpha"])
            roots = torch._foreach_sqrt(squares)
            torch._foreach_add_(roots, group["eps"])
            moves = torch._foreach_div(gradients, roots)
            torch._foreach_mul_(moves, group["lr"])
            torch._foreach_sub_(parameters, moves)
