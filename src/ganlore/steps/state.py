"""The training state: networks, modules, optimisers, the loss and the tricks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganlore.networks import Critic, Generator


@dataclass
class TrainState:
    """The state of a run in training.

    Attributes:
        generator, discriminator: the two networks.
        modules: the modules of the loss and the tricks, by name.
        loss: a `losses.Loss`. Loss and tricks are not typed, since their packages import this one.
        tricks: `tricks.Trick`s, in order.
        n_critic: discriminator steps per generator step.
        discriminator_scale: a factor on the discriminator's loss.
        forward: the context of forward passes of both networks (`precision.forward`).
        optimizers: of the generator and of the discriminator.
        extractors: the tricks' fitted feature extractors, by name; empty outside training.
    """

    generator: Generator
    discriminator: Critic
    modules: nn.ModuleDict
    loss: Any
    tricks: tuple[Any, ...]
    n_critic: int
    discriminator_scale: float = 1.0
    forward: Callable[[], AbstractContextManager[Any]] = nullcontext
    optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer] = field(init=False)
    extractors: dict[str, Any] = field(default_factory=dict)

    @property
    def plugins(self) -> tuple[Any, ...]:
        """The loss and the tricks."""
        return (self.loss, *self.tricks)

    @cached_property
    def relative(self) -> bool:
        """Whether the loss or a trick compares logits with each other."""
        return any(plugin.relative for plugin in self.plugins)

    @cached_property
    def differentiates_real(self) -> bool:
        """Whether the discriminator's loss uses gradients with respect to real images."""
        return any(plugin.differentiates_real for plugin in self.plugins)

    @cached_property
    def differentiates_fake(self) -> bool:
        """Whether the discriminator's loss uses gradients with respect to generated images."""
        return any(plugin.differentiates_fake for plugin in self.plugins)

    @cached_property
    def views(self) -> bool:
        """Whether a trick changes the discriminator's input."""
        return any(trick.overrides("view") for trick in self.tricks)

    @cached_property
    def first_augmentation(self) -> int:
        """The index of the first trick whose view augments; the number of tricks if none does."""
        augmenting = (index for index, trick in enumerate(self.tricks) if trick.augments)
        return next(augmenting, len(self.tricks))

    @cached_property
    def joins(self) -> bool:
        """Whether a discriminator step may use one forward pass for real and generated images."""
        mixes = any(plugin.mixes_batch for plugin in self.plugins) or any(
            isinstance(module, _BatchNorm) for module in self.discriminator.modules()
        )
        return not (mixes or self.differentiates_real or self.differentiates_fake)

    @cached_property
    def networks(self) -> tuple[nn.Module, ...]:
        """The trained networks and the evaluated generator, without duplicates."""
        return tuple(
            {id(n): n for n in (self.discriminator, self.generator, self.evaluated)}.values()
        )

    @property
    def weights(self) -> list[nn.Parameter]:
        """All parameters of the networks and the modules."""
        parts = (self.generator, self.discriminator, self.modules)
        return [parameter for part in parts for parameter in part.parameters()]

    @cached_property
    def evaluated(self) -> nn.Module:
        """The evaluated generator, which snapshots contain."""
        generator: nn.Module = self.generator
        for trick in self.tricks:
            generator = trick.generator_for_evaluation(generator, self.modules)
        return generator

    @cached_property
    def evaluated_modules(self) -> dict[str, nn.Module]:
        """The loss's modules that snapshots contain."""
        modules = {name: self.modules[name] for name in self.loss.evaluated_modules}
        for trick in self.tricks:
            modules = trick.modules_for_evaluation(modules, self.modules)
        return modules
