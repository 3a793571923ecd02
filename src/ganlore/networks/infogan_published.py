"""The network of "Are GANs Created Equal?" as its authors' code has it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from ganlore.networks import Discriminator, Generator, Spec
from ganlore.networks.infogan_small import InfoGanSmall


class Uniform(nn.Module):
    """Noise N(0, 1) to noise U(-1, 1), by its distribution function; other inputs pass.

    Args:
        latent: the number of noise dimensions, the first of the input.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.latent = latent

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, inputs) to the same."""
        noise, rest = inputs[:, : self.latent], inputs[:, self.latent :]
        return torch.cat([torch.erf(noise / math.sqrt(2)), rest], dim=1)


def leaky(module: nn.Module) -> None:
    """Replace each ReLU of a network by a leaky one, in place."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.ReLU):
                setattr(parent, name, nn.LeakyReLU(0.2))


@dataclass
class InfoGanPublished(InfoGanSmall):
    """`infogan-small` with leaky ReLU in the generator and uniform noise, as its study had it.

    With `critic_norm` the discriminator has batch norm after its second convolution and its hidden
    layer, which the study drew on or off. Logits then depend on the rest of the batch, real and
    generated images are normalised apart, and a penalty's gradient is that of all logits' sum.
    """

    paper = "arXiv:1711.10337"
    deviations = (
        "Images are in [-1, 1] after tanh; the authors' are in [0, 1] after a sigmoid.",
        "Batch norm has torch's epsilon (1e-5) and averages (.1 of each batch); theirs 1e-3 and "
        ".001. Weights are normal; theirs of the convolutions truncated.",
    )
    incompatible = {
        "began": "the loss draws uniform noise itself, which would no longer be uniform here",
    }
    critic_norm: bool = False

    def generator(self, spec: Spec) -> Generator:
        """Uniform noise, then the layers of `infogan-small` with leaky ReLU."""
        made = super().generator(spec)
        leaky(made)
        body = cast("nn.Sequential", made.body)
        body[0] = nn.Sequential(Uniform(spec.latent), *cast("nn.Sequential", body[0]))
        return made

    def discriminator(self, spec: Spec) -> Discriminator:
        """The layers of `infogan-small`, with batch norm if it is switched on."""
        made = super().discriminator(spec)
        if self.critic_norm:
            *_, last, hidden = cast("nn.Sequential", made.trunk)
            assert isinstance(last, nn.Sequential) and isinstance(hidden, nn.Sequential)
            last.insert(1, nn.BatchNorm2d(cast("nn.Conv2d", last[0]).out_channels))
            hidden.insert(2, nn.BatchNorm1d(self.hidden))
        return made


NETWORK = InfoGanPublished
