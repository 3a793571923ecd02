"""The base of tricks that give a discriminator statistics of its batch as further features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganlore.networks import Discriminator
from ganlore.tricks import Trick


class Statistic(nn.Module, ABC):
    """A statistic of each sample relative to its batch.

    Args:
        width: numbers for each sample.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """From features (N, F) to (N, width)."""


class Beside(nn.Module):
    """Further input columns of a layer that is parametrised or has no bias, and stays as it is."""

    def __init__(self, layer: nn.Module, columns: int, more: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.columns = columns
        self.more = more

    def forward(self, features: Tensor) -> Tensor:
        """From (N, columns + more) to (N, outputs)."""
        first: Tensor = self.layer(features[:, : self.columns])
        second: Tensor = self.more(features[:, self.columns :])
        return first + second


class Head(nn.Module):
    """A head that receives the features followed by statistics of them.

    Args:
        layer: from features (N, columns) to (N, outputs).
        columns: number of features.
        outputs: width of the output.
    """

    def __init__(self, layer: nn.Module, columns: int, outputs: int) -> None:
        super().__init__()
        self.layer = layer
        self.columns = columns
        self.outputs = outputs
        self.statistics = nn.ModuleList()

    def add(self, new: Statistic) -> None:
        """Append a statistic of the features."""
        self.layer = widened(self.layer, self.columns, self.outputs, new.width)
        self.columns += new.width
        self.statistics.append(new)

    def forward(self, features: Tensor) -> Tensor:
        """From features (N, F) to (N, outputs)."""
        statistics = [statistic(features) for statistic in self.statistics]
        out: Tensor = self.layer(torch.cat([features, *statistics], dim=1))
        return out


def widened(layer: nn.Module, columns: int, outputs: int, more: int) -> nn.Module:
    """A linear layer with further input columns, initialised to 0.

    So its output is unchanged at first; the new columns' gradients are the statistics and not 0.
    """
    parametrised = parametrize.is_parametrized(layer)
    if not isinstance(layer, nn.Linear) or parametrised or layer.bias is None:
        new = nn.Linear(more, outputs, bias=False)
        nn.init.zeros_(new.weight)
        return Beside(layer, columns, new)
    wide = nn.Linear(columns + more, outputs)
    with torch.no_grad():
        wide.weight.zero_()[:, :columns] = layer.weight
        wide.bias.copy_(layer.bias)
    return wide


@dataclass
class BatchStatistic(Trick, ABC):
    """A statistic of the batch for every discriminator, an auto-encoder's encoder included."""

    mixes_batch = True

    @abstractmethod
    def statistic(self, critic: Discriminator) -> Statistic:
        """Build the statistic of a discriminator's features."""

    def networks(self, generator: Any, discriminator: Any) -> tuple[Any, Any]:
        """Replace each head, or add the statistic to one that already has some."""
        for part in list(discriminator.modules()):
            if isinstance(part, Discriminator):
                statistic = self.statistic(part)
                if not isinstance(part.head, Head):
                    part.head = Head(part.head, part.width, part.spec.outputs)
                part.head.add(statistic)
        return generator, discriminator
