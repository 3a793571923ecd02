"""Fully connected networks for points and small images."""

import math
from dataclasses import dataclass

import torch
from torch import nn

from ganlore.networks import Discriminator, Generator, Initialiser, Network, Spec
from ganlore.settings import PositiveInt


@dataclass
class MultilayerPerceptron(Network):
    """Hidden layers of one width: ReLU in the generator, leaky ReLU in the discriminator."""

    paper = "arXiv:1406.2661"
    width: PositiveInt = 128
    depth: PositiveInt = 3

    def generator(self, spec: Spec) -> nn.Module:
        """Noise -> hidden layers -> a sample; images end in tanh, points are unbounded."""
        layers: list[nn.Module] = []
        for index in range(self.depth):
            inputs = spec.latent if index == 0 else self.width
            layers += [nn.Linear(inputs, self.width), nn.ReLU()]
        layers.append(nn.Linear(self.width, math.prod(spec.shape)))
        if spec.images:
            layers.append(nn.Tanh())
        return Generator(nn.Sequential(*layers), spec.shape)

    def discriminator(self, spec: Spec) -> nn.Module:
        """A sample -> hidden layers -> logits."""
        layers: list[nn.Module] = [nn.Flatten()]
        for index in range(self.depth):
            inputs = math.prod(spec.shape) if index == 0 else self.width
            layers += [nn.Linear(inputs, self.width), nn.LeakyReLU(0.2)]
        return Discriminator(nn.Sequential(*layers), self.width, spec.outputs)

    @torch.no_grad()
    def initialise(self, module: nn.Module, rng: Initialiser) -> None:
        """He et al. 2015 (arXiv:1502.01852), equation 10: N(0, 2 / inputs), biases 0."""
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=rng(name))
            else:
                parameter.zero_()


NETWORK = MultilayerPerceptron
