"""Fully connected networks for points and small images."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ganlore.networks import (
    Discriminator,
    Generator,
    Initialiser,
    Network,
    Spec,
    Stages,
    norm_gains,
)
from ganlore.settings import PositiveInt


@dataclass
class MultilayerPerceptron(Network):
    """Hidden layers of one width, with batch norm and ReLU in the generator, leaky ReLU in D.

    The generator's batch norm is PacGAN's for 2-D data. Without it large early updates can leave
    all ReLUs dead, and the run then measures that accident rather than its loss.
    """

    paper = "arXiv:1712.04086"
    deviations: ClassVar[tuple[str, ...]] = (
        "PacGAN's generator has four layers of 400; width and depth here are settings, and the "
        "discriminator has leaky ReLU in place of maxout.",
    )
    least_batch = 2  # batch norm over single values
    provides = ("stages",)
    width: PositiveInt = 128
    depth: PositiveInt = 3

    def generator(self, spec: Spec) -> Generator:
        """Noise -> hidden layers -> a sample, with tanh for images."""
        parts: list[tuple[nn.Module, tuple[int, ...]]] = []
        for index in range(self.depth):
            inputs = spec.inputs if index == 0 else self.width
            linear = nn.Linear(inputs, self.width, bias=not spec.batch_norm)
            norm = [nn.BatchNorm1d(self.width)] if spec.batch_norm else []
            parts.append((nn.Sequential(linear, *norm, nn.ReLU()), (self.width,)))
        last: nn.Module = nn.Linear(self.width, math.prod(spec.shape))
        parts.append((nn.Sequential(last, nn.Tanh()) if spec.images else last, spec.shape))
        return Generator(Stages(parts), spec)

    def discriminator(self, spec: Spec) -> Discriminator:
        """A sample -> hidden layers -> logits."""
        parts: list[tuple[nn.Module, tuple[int, ...]]] = []
        for index in range(self.depth):
            inputs = math.prod(spec.shape) if index == 0 else self.width
            layers = [nn.Linear(inputs, self.width), nn.LeakyReLU(0.2)]
            flat = [nn.Flatten()] if index == 0 else []
            parts.append((nn.Sequential(*flat, *layers), (self.width,)))
        return Discriminator(Stages(parts), self.width, spec)

    @torch.no_grad()
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """He et al. 2015 (arXiv:1502.01852), equation 10: N(0, 2 / inputs); gains 1, biases 0."""
        gains = norm_gains(module)
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=rng(name))
            else:
                parameter.fill_(1.0 if id(parameter) in gains else 0.0)


NETWORK = MultilayerPerceptron
