"""A discriminator after some further steps, as a differentiable function.

An optimiser's update here is a pure, elementwise function of (parameter, gradient, state), so that
all parameters can form one vector; tests compare each with `torch.optim`. (With
`differentiable=True`, torch's own updates change parameters in place, one by one, without a fused
form, and return nan where a gradient has always been 0.)
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
"""From a vector of parameters, their gradient, their state and their group's settings (both with
torch's names), to the parameters and the state after one step. The last argument expands a number
for each parameter, such as its count of steps, to the parameter's elements in the vector."""


def sgd(
    parameters: Tensor, gradient: Tensor, state: State, group: Group, each: Each
) -> tuple[Tensor, State]:
    """As `torch.optim.SGD` without momentum."""
    return parameters - group["lr"] * gradient, state


def rmsprop(
    parameters: Tensor, gradient: Tensor, state: State, group: Group, each: Each
) -> tuple[Tensor, State]:
    """As `torch.optim.RMSprop` without momentum."""
    decay = group["alpha"]
    square = (decay * state["square_avg"]).addcmul(gradient, gradient, value=1 - decay)
    moved = parameters - group["lr"] * gradient / (root(square) + group["eps"])
    return moved, {"square_avg": square}


def adam(
    parameters: Tensor, gradient: Tensor, state: State, group: Group, each: Each
) -> tuple[Tensor, State]:
    """As `torch.optim.Adam` (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1)."""
    beta1, beta2 = group["betas"]
    step = state["step"] + 1
    mean = state["exp_avg"].lerp(gradient, 1 - beta1)
    square = beta2 * state["exp_avg_sq"]
    if isinstance(beta2, Tensor):
        square = square + (1 - beta2) * gradient * gradient
    else:
        square = square.addcmul(gradient, gradient, value=1 - beta2)
    rate, scale = group["lr"] / (1 - beta1**step), (1 - beta2**step).rsqrt()
    moved = parameters - each(rate) * mean / (root(square) * each(scale) + group["eps"])
    return moved, {"step": step, "exp_avg": mean, "exp_avg_sq": square}


def root(square: Tensor) -> Tensor:
    """The square root, with derivative 0 instead of infinity at 0.

    An average of squares is 0 if every gradient was 0; the derivative of the square is 0 there too,
    so that their product would be nan. The clamp is far below the eps that is added to the root.
    """
    return square.clamp(min=1e-36).sqrt()


UPDATES: dict[type[torch.optim.Optimizer], tuple[Update, tuple[str, ...]]] = {
    torch.optim.SGD: (sgd, ()),
    torch.optim.RMSprop: (rmsprop, ("square_avg",)),
    torch.optim.Adam: (adam, ("exp_avg", "exp_avg_sq", "step")),
}
"""Each optimiser's update, and the keys of its state for each parameter."""


class Ahead:
    """A critic that is trained further by its optimiser's steps, without changing either of them.

    Buffers are copied, so that forward passes update the copies (spectral norm's power iteration).

    Args:
        critic: the initial critic.
        optimizer: of its parameters, with their state.
        constrain: is applied to each parameter after each step.
    """

    def __init__(
        self,
        critic: Critic,
        optimizer: torch.optim.Optimizer,
        constrain: Callable[[Tensor], Tensor],
    ) -> None:
        self._critic = critic
        (self._group,) = optimizer.param_groups
        self._update, keys = next(v for k, v in UPDATES.items() if isinstance(optimizer, k))
        self._constrain = constrain
        trained = {name: p for name, p in critic.named_parameters() if p.requires_grad}
        self._shapes = {name: parameter.shape for name, parameter in trained.items()}
        self._sizes = [parameter.numel() for parameter in trained.values()]
        self._buffers = {name: buffer.clone() for name, buffer in critic.named_buffers()}
        self._vector = _join([p.detach() for p in trained.values()]).requires_grad_()
        self._state = {key: self._gather(key, optimizer, list(trained.values())) for key in keys}

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
        """The critic after the steps so far, as a function of all that they depend on."""
        parts = zip(self._shapes.items(), self._vector.split(self._sizes), strict=True)
        tensors = {name: part.view(shape) for (name, shape), part in parts}
        return Moved(self._critic, tensors | self._buffers)

    def step(self, loss: Tensor) -> None:
        """Make one step on a loss of the current `critic`."""
        (gradient,) = torch.autograd.grad(loss, self._vector, create_graph=True)
        moved, self._state = self._update(
            self._vector, gradient, self._state, self._group, self._each
        )
        parts = moved.split(self._sizes)
        constrained = [self._constrain(part) for part in parts]
        unchanged = all(one is other for one, other in zip(parts, constrained, strict=True))
        self._vector = moved if unchanged else torch.cat(constrained)

    def _each(self, values: Tensor) -> Tensor:
        """Expand one number for each parameter, (P,), to the vector's elements."""
        parts = values.to(self._vector.dtype).unbind()
        return torch.cat([v.expand(n) for v, n in zip(parts, self._sizes, strict=True)])


def _join(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


class Moved(Critic):
    """A critic with other tensors instead of its parameters and buffers.

    Args:
        critic: the critic; it is not changed.
        tensors: its new parameters and buffers, by name.
    """

    def __init__(self, critic: Critic, tensors: dict[str, Tensor]) -> None:
        super().__init__(critic.spec, critic.width)
        self._method = _Method(critic)
        self._tensors = {f"critic.{name}": tensor for name, tensor in tensors.items()}

    def features(self, images: Tensor) -> Tensor:
        """The critic's features with the new tensors."""
        out: Tensor = functional_call(self._method, self._tensors, ("features", images))
        return out

    def classify(self, features: Tensor, labels: Tensor | None = None) -> Tensor:
        """The critic's output with the new tensors."""
        out: Tensor = functional_call(self._method, self._tensors, ("classify", features, labels))
        return out


class _Method(nn.Module):
    """Calls a critic's method by name, since `functional_call` needs a module."""

    def __init__(self, critic: Critic) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, name: str, *arguments: Tensor | None) -> Tensor:
        out: Tensor = getattr(self.critic, name)(*arguments)
        return out
