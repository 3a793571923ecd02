"""Self-attention between all positions of a feature map, in both networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganlore.networks import Discriminator, Generator, Stages
from ganlore.tricks import Trick


class Attention(nn.Module):
    """A residual self-attention layer (section 3).

    1x1 convolutions without bias; keys and queries have an eighth of the channels, values half of
    them, followed by another convolution, as in the authors' code. That code's pooling of keys and
    values is omitted, since the paper has none.

    Args:
        channels: of the feature map.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner, values = max(1, channels // 8), max(1, channels // 2)
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, values, 1, bias=False)
        self.out = nn.Conv2d(values, channels, 1, bias=False)
        for layer in (self.query, self.key, self.value, self.out):
            nn.init.xavier_uniform_(layer.weight)
        self.gain = nn.Parameter(torch.zeros(()))

    def weights(self, features: Tensor) -> Tensor:
        """Equation 1: the attention of each position (row) to all others, (N, H W, H W)."""
        query, key = self.query(features).flatten(2), self.key(features).flatten(2)
        products: Tensor = query.transpose(1, 2) @ key
        return products.softmax(2)

    def forward(self, features: Tensor) -> Tensor:
        """Equations 2 and 3: x + gain o, (N, C, H, W)."""
        values = self.value(features).flatten(2)
        attended = values @ self.weights(features).transpose(1, 2)
        out: Tensor = self.out(attended.unflatten(2, features.shape[2:]))
        return features + self.gain * out


def attend(network: nn.Module) -> None:
    """Insert attention at half the image resolution into each generator and discriminator.

    After the last such part of a generator and after the first of a discriminator; an auto-encoder
    consists of one of each.
    """
    for stages, index in _positions(network):
        stages[index] = nn.Sequential(stages[index], Attention(stages.shapes[index][0]))


def _positions(network: nn.Module) -> list[tuple[Stages, int]]:
    """The stages of a network, each with the index of the part that attention follows."""
    owners: dict[Stages, Generator | Discriminator] = {}
    for owner in network.modules():  # outer modules come first, so that the innermost one counts
        if isinstance(owner, Generator | Discriminator):
            owners |= {part: owner for part in owner.modules() if isinstance(part, Stages)}
    positions = []
    for stages, owner in owners.items():
        if isinstance(owner, Generator):
            shape, which = owner.shape, -1
        else:
            shape, which = owner.spec.shape, 0
        half = [size // 2 for size in shape[1:]]
        fit = [i for i, s in enumerate(stages.shapes) if len(s) == 3 and list(s[1:]) == half]
        if not fit:
            raise ValueError(f"no part of the {type(owner).__name__} has a feature map of {half}")
        positions.append((stages, fit[which]))
    if not positions:
        raise ValueError(f"the {type(network).__name__} has no stages to insert attention between")
    return positions


@dataclass
class SelfAttention(Trick):
    """Self-attention at half resolution in both networks, with an initial gain of 0.

    A loss that clips the critic's weights clips this gain too.
    """

    paper = "arXiv:1805.08318"
    deviations = (
        "Attention is at half resolution, where the paper has it on 32x32 feature maps of "
        "128x128 images.",
        "Keys and values are not pooled, as in the paper; the authors' code pools them 2x2.",
    )
    tip = "attention in both networks"
    requires = {
        "images": "attention is between the positions of a feature map, and points have none",
        "feature maps": "attention is between the positions of a feature map, and fully "
        "connected or recurrent networks have none",
    }

    def networks(self, generator: Any, discriminator: Any) -> tuple[Any, Any]:
        """In place, after the networks' own initialisation."""
        attend(generator)
        attend(discriminator)
        return generator, discriminator


TRICK = SelfAttention
