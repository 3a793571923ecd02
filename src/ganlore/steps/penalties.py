"""Gradient penalties as pure functions, for the losses and the tricks that use one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ganlore.steps import Step


def interpolate(real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
    """Points on the lines between pairs of real and generated samples.

    One weight for each *sample*, uniform in [0, 1] and equal over all of its dimensions
    (Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1): x e + (1 - e) G.
    """
    weight = torch.rand(len(real), *[1] * (real.dim() - 1), generator=rng, device=real.device)
    return fake + weight * (real - fake)


def norms_between(step: Step) -> Tensor:
    """The gradient's norm at a point between each pair of real and generated samples, (N,)."""
    # a leaf is what was cut from the generator; behind other samples it is to learn from the norms
    fake = step.fake.detach() if step.fake.is_leaf else step.fake
    points = interpolate(step.real.detach(), fake, step.rng)
    return gradient_norms(step.discriminate, points)


def norms_around(step: Step, scale: float) -> Tensor:
    """The gradient's norm at a point near each real sample, (N,).

    x + delta with delta ~ N(0, c I) and sqrt(c) = scale std(x), the standard deviation of all
    numbers of the batch (Kodali et al. 2017, arXiv:1705.07215, section 2.3).
    """
    real = step.real.detach()
    noise = torch.randn(real.shape, generator=step.rng, device=real.device)
    return gradient_norms(step.discriminate, real + scale * real.std() * noise)


def gradient_norms(discriminate: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """The gradient's L2 norm at each point, over *all* of the point's dimensions, (N,).

    Args:
        discriminate: from points (N, ...) to one number for each, (N,). Where its outputs depend
            on other points of the batch, which without a trick they do not (discriminators here
            have no batch norm), a point's gradient is that of all numbers.
        points: where to take the gradient. Where they depend on something that learns, so do the
            norms.
    """
    if not points.requires_grad:
        points = points.detach().requires_grad_()
    # The root's derivative is infinite at 0, where a dead network's gradient is: the tiny number
    # keeps it finite, and changes no norm that is larger than 1e-8.
    return (squared_gradients(discriminate(points), points) + 1e-16).sqrt()


def squared_gradients(logits: Tensor, points: Tensor) -> Tensor:
    """The squared L2 norm of d logit / d point for each point, (N,).

    Args:
        logits: already computed from `points`, (N,); not computed again.
        points: leaves or results that require a gradient, (N, ...).
    """
    (gradient,) = torch.autograd.grad(logits.sum(), points, create_graph=True)
    return gradient.flatten(1).square().sum(1)


def one_centred(norms: Tensor) -> Tensor:
    """E (norm - 1)^2, a scalar."""
    return (norms - 1).square().mean()
