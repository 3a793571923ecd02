"""A discriminator some steps ahead of itself, as a function that can be differentiated.

An optimiser's update here is a pure function of (parameter, gradient, state), elementwise, so that
all parameters can stand in one vector; tests hold each against `torch.optim`. (With
`differentiable=True`, torch's own change parameters in place, one by one, have no fused form, and
give nan where a gradient has always been 0.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ganlore.networks import Critic

State = dict[str, Tensor]
Group = dict[str, Any]
Each = Callable[[Tensor], Tensor]
Update = Callable[[Tensor, Tensor, State, Group, Each], tuple[Tensor, State]]
"""From parameters in a vector, their gradient, their state and their group's settings (both by
torch's names), to the parameters and the state after one step. What the state has once for each
parameter, its count of steps, goes to the parameter's places in the vector by the last argument."""


def sgd(
    parameters: Tensor, gradient: Tensor, state: State, group: Group, each: Each
) -> tuple[Tensor, State]:
    """As `torch.optim.SGD` without momentum."""
    return parameters.sub(gradient, alpha=group["lr"]), state


def rmsprop(
    parameters: Tensor, gradient: Tensor, state: State, group: Group, each: Each
) -> tuple[Tensor, State]:
    """As `torch.optim.RMSprop` without momentum."""
    kept = group["alpha"]
    square = (kept * state["square_avg"]).addcmul(gradient, gradient, value=1 - kept)
    moved = parameters.addcdiv(gradient, root(square) + group["eps"], value=-group["lr"])
    return moved, {"square_avg": square}


def adam(
    parameters: Tensor, gradient: Tensor, state: State, group: Group, each: Each
) -> tuple[Tensor, State]:
    """As `torch.optim.Adam` (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1)."""
    beta1, beta2 = group["betas"]
    step = state["step"] + 1
    mean = state["exp_avg"].lerp(gradient, 1 - beta1)
    square = (beta2 * state["exp_avg_sq"]).addcmul(gradient, gradient, value=1 - beta2)
    rate, scale = group["lr"] / (1 - beta1**step), (1 - beta2**step).rsqrt()
    moved = parameters - each(rate) * mean / (root(square) * each(scale) + group["eps"])
    return moved, {"step": step, "exp_avg": mean, "exp_avg_sq": square}


def root(square: Tensor) -> Tensor:
    """The square root, with the slope 0 at 0 in place of an infinite one.

    An average of squares is 0 where every gradient was 0, and there the slope of the square is 0
    too: their product would be nan. The clamp is far below the eps that is added to the root.
    """
    return square.clamp(min=1e-36).sqrt()


UPDATES: dict[type[torch.optim.Optimizer], tuple[Update, tuple[str, ...]]] = {
    torch.optim.SGD: (sgd, ()),
    torch.optim.RMSprop: (rmsprop, ("square_avg",)),
    torch.optim.Adam: (adam, ("exp_avg", "exp_avg_sq", "step")),
}
"""Each optimiser's update, and what it keeps of each parameter."""


class Ahead:
    """A critic that goes on from where it is, by its own optimiser's steps; both stay as they are.

    Buffers are copied: what a pass changes in them (spectral norm's power iteration) goes on as it
    would, and touches the critic's own no more than its parameters.

    Args:
        critic: where to begin.
        optimizer: of its parameters, with the state that it has of them.
        constrain: what is made of each parameter after each step.
    """

    def __init__(
        self,
        critic: Critic,
        optimizer: torch.optim.Optimizer,
        constrain: Callable[[Tensor], Tensor],
    ) -> None:
        self._critic = critic
        (self._group,) = optimizer.param_groups
        self._update, kept = UPDATES[type(optimizer)]
        self._constrain = constrain
        trained = {name: p for name, p in critic.named_parameters() if p.requires_grad}
        self._shapes = {name: parameter.shape for name, parameter in trained.items()}
        self._sizes = [parameter.numel() for parameter in trained.values()]
        self._buffers = {name: buffer.clone() for name, buffer in critic.named_buffers()}
        self._vector = _join([p.detach() for p in trained.values()]).requires_grad_()
        self._state = {key: self._gather(key, optimizer, list(trained.values())) for key in kept}

    @staticmethod
    def _gather(
        key: str, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]
    ) -> Tensor:
        """A key of the optimiser's state, as one vector; 0 before its first step."""
        step = key == "step"
        zeros = [p.new_zeros(() if step else p.shape) for p in parameters]
        states = (optimizer.state.get(p, {}) for p in parameters)
        parts = [state.get(key, zero) for state, zero in zip(states, zeros, strict=True)]
        # 1 - beta2^step has few digits in single precision
        return torch.stack(parts).double() if step else _join(parts)

    @property
    def critic(self) -> Critic:
        """As it is after the steps so far, a function of what they depended on."""
        parts = zip(self._shapes.items(), self._vector.split(self._sizes), strict=True)
        tensors = {name: part.view(shape) for (name, shape), part in parts}
        return Moved(self._critic, tensors | self._buffers)

    def step(self, loss: Tensor) -> None:
        """One step down a loss that `critic` has computed."""
        (gradient,) = torch.autograd.grad(loss, self._vector, create_graph=True)
        moved, self._state = self._update(
            self._vector, gradient, self._state, self._group, self._each
        )
        parts = moved.split(self._sizes)
        held = [self._constrain(part) for part in parts]
        unbound = all(one is other for one, other in zip(parts, held, strict=True))
        self._vector = moved if unbound else torch.cat(held)

    def _each(self, values: Tensor) -> Tensor:
        """From one number for each parameter, (P,), to one for each of the vector's places."""
        parts = values.to(self._vector.dtype).unbind()
        return torch.cat([v.expand(n) for v, n in zip(parts, self._sizes, strict=True)])


def _join(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


class Moved(Critic):
    """A critic with other tensors in the places of its parameters and buffers.

    Args:
        critic: whose structure it has; it is not changed.
        tensors: what stands in the places, by name.
    """

    def __init__(self, critic: Critic, tensors: dict[str, Tensor]) -> None:
        super().__init__(critic.spec, critic.width)
        self._half = _Half(critic)
        self._tensors = {f"critic.{name}": tensor for name, tensor in tensors.items()}

    def features(self, images: Tensor) -> Tensor:
        """As the critic's, with the other tensors."""
        out: Tensor = functional_call(self._half, self._tensors, ("features", images))
        return out

    def classify(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """As the critic's, with the other tensors."""
        out: Tensor = functional_call(self._half, self._tensors, ("classify", features, labels))
        return out


class _Half(nn.Module):
    """Calls a critic's method of a name, for `functional_call`, which calls modules."""

    def __init__(self, critic: Critic) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, name: str, *inputs: Tensor | None) -> Tensor:
        out: Tensor = getattr(self.critic, name)(*inputs)
        return out
