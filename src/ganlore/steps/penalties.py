"""Gradient penalties of losses and tricks, as pure functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ganlore.steps import Step


def interpolate(real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
    """Random points on the lines between pairs of real and generated samples.

    One weight e for each *sample*, uniform in [0, 1] and the same for all of its dimensions:
    e x + (1 - e) G (Gulrajani et al. 2017, arXiv:1704.00028, algorithm 1).
    """
    weight = torch.rand(len(real), *[1] * (real.dim() - 1), generator=rng, device=real.device)
    return fake + weight * (real - fake)


def norms_between(step: Step) -> Tensor:
    """The gradient's norm at a point between each pair of real and generated samples, (N,).

    The discriminator's inputs are mixed, after their augmentation, as in DiffAugment's BigGAN code:
    a mixture of two augmented images is the augmentation of no image.
    """
    # a leaf is detached from the generator; otherwise (unrolling) the generator learns from norms
    fake = step.fake.detach() if step.fake.is_leaf else step.fake
    points = interpolate(step.real.detach(), fake, step.rng)
    return gradient_norms(step.discriminate, points)


def norms_around(step: Step, scale: float, uniform: bool = False) -> Tensor:
    """The gradient's norm at a point near each real sample, (N,).

    x + delta with delta ~ N(0, c I) and sqrt(c) = scale std(x), where std is over all elements of
    the batch (Kodali et al. 2017, arXiv:1705.07215, section 2.3). x is the discriminator's input,
    after augmentation, as in `norms_between`.

    Args:
        step: of the discriminator.
        scale: of the noise.
        uniform: as in the authors' code: x + a scale std(x) u with u uniform in [0, 1) for each
            dimension, and a uniform in [0, 1) for each sample.
    """
    real = step.real.detach()
    if uniform:
        noise = torch.rand(real.shape, generator=step.rng, device=real.device)
        far = real + scale * real.std() * noise
        return gradient_norms(step.discriminate, interpolate(far, real, step.rng))
    noise = torch.randn(real.shape, generator=step.rng, device=real.device)
    return gradient_norms(step.discriminate, real + scale * real.std() * noise)


def gradient_norms(discriminate: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """The gradient's L2 norm at each point, over *all* of the point's dimensions, (N,).

    Args:
        discriminate: from points (N, ...) to logits, (N,). If a trick makes logits depend on other
            points of the batch (discriminators here have no batch norm), a point's gradient is that
            of the sum of all logits.
        points: where to take the gradient. If they depend on parameters, so do the norms.
    """
    if not points.requires_grad:
        points = points.detach().requires_grad_()
    # The root's derivative is infinite at 0, the gradient of a dead network; the small constant
    # keeps it finite, and changes only norms below about 1e-8.
    return (squared_gradients(discriminate(points), points) + 1e-16).sqrt()


def squared_gradients(logits: Tensor, points: Tensor) -> Tensor:
    """The squared L2 norm of d logit / d points for each logit, (N,).

    Args:
        logits: already computed from `points`, (N,).
        points: tensors that require a gradient, (N, ...), or (m N, ...) if a logit is that of a
            pack of m neighbours.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), points, create_graph=True)
    return gradient.reshape(len(logits), -1).square().sum(1)


def on_real(step: Step) -> Tensor:
    """E |grad D(T(x))|^2 with respect to real images x, through their augmentation T, a scalar.

    Mescheder et al. 2018, arXiv:1801.04406, equation 9 without gamma / 2.
    """
    return squared_gradients(step.real_logits, step.real_points).mean()


def on_fake(step: Step) -> Tensor:
    """The same with respect to generated images (equation 10)."""
    return squared_gradients(step.fake_logits, step.fake_points).mean()


def one_centred(norms: Tensor) -> Tensor:
    """E (norm - 1)^2, a scalar."""
    return (norms - 1).square().mean()
