"""Self-attention: every place of a picture sees all others, in both networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganlore.networks import Discriminator, Generator, Stages
from ganlore.tricks import Trick


class Attention(nn.Module):
    """A picture plus what each of its places gathers from all of them (section 3).

    1x1 convolutions without bias; keys and queries have an eighth of the channels, values half of
    them with another convolution behind, as in the authors' code, of which the pooling of keys and
    values is left out: the paper has none.

    Args:
        channels: of the picture.
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

    def weights(self, picture: Tensor) -> Tensor:
        """Equation 1: how much each place (row) takes from each other one, (N, H W, H W)."""
        query, key = self.query(picture).flatten(2), self.key(picture).flatten(2)
        products: Tensor = query.transpose(1, 2) @ key
        return products.softmax(2)

    def forward(self, picture: Tensor) -> Tensor:
        """Equations 2 and 3: x + gain o, (N, C, H, W)."""
        values = self.value(picture).flatten(2)
        gathered = values @ self.weights(picture).transpose(1, 2)
        out: Tensor = self.out(gathered.unflatten(2, picture.shape[2:]))
        return picture + self.gain * out


def attend(network: nn.Module) -> None:
    """Put attention where pictures have half the resolution, once in each generator and critic.

    In a generator behind the last such part, in a discriminator behind the first one; the parts of
    an auto-encoder are one of each.
    """
    for stages, index in _places(network):
        stages[index] = nn.Sequential(stages[index], Attention(stages.shapes[index][0]))


def _places(network: nn.Module) -> list[tuple[Stages, int]]:
    """The stages of a network, and behind which part of each attention is to stand."""
    owners: dict[Stages, Generator | Discriminator] = {}
    for owner in network.modules():  # whoever holds others comes before them: the nearest counts
        if isinstance(owner, Generator | Discriminator):
            owners |= {part: owner for part in owner.modules() if isinstance(part, Stages)}
    places = []
    for stages, owner in owners.items():
        if isinstance(owner, Generator):
            shape, which = owner.shape, -1
        else:
            shape, which = owner.spec.shape, 0
        half = [size // 2 for size in shape[1:]]
        fit = [i for i, s in enumerate(stages.shapes) if len(s) == 3 and list(s[1:]) == half]
        if not fit:
            raise ValueError(f"no part of the {type(owner).__name__} gives a picture of {half}")
        places.append((stages, fit[which]))
    if not places:
        raise ValueError(f"the {type(network).__name__} has no stages to attend between")
    return places


@dataclass
class SelfAttention(Trick):
    """Both networks attend at half resolution; at first, with a gain of 0, they are as without.

    A loss that clips its critic's weights clips the gain in it too, which is one of them.
    """

    paper = "arXiv:1805.08318"
    tip = "attention in both networks"
    requires = {
        "images": "attention is between the places of a picture, and points have none",
        "pictures inside": "a fully connected or recurrent layer has no places: nothing in the "
        "network is a picture in which one place could attend to another",
    }

    def networks(self, generator: Any, discriminator: Any) -> tuple[Any, Any]:
        """In place, after the networks' own initialisation."""
        attend(generator)
        attend(discriminator)
        return generator, discriminator


TRICK = SelfAttention
