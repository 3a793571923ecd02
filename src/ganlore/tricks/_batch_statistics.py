"""What tricks share that show a discriminator its batch: more numbers before its head."""

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
    """Numbers that say of each sample how it stands to the others of its batch.

    Args:
        width: how many there are of each.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    @abstractmethod
    def forward(self, features: Tensor) -> Tensor:
        """From features (N, F) to (N, width)."""


class Beside(nn.Module):
    """Further columns of a layer whose own are parametrised already, and stay as they are."""

    def __init__(self, layer: nn.Module, columns: int, more: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.columns = columns
        self.more = more

    def forward(self, inputs: Tensor) -> Tensor:
        """From (N, columns and more) to (N, outputs)."""
        first: Tensor = self.layer(inputs[:, : self.columns])
        second: Tensor = self.more(inputs[:, self.columns :])
        return first + second


class Head(nn.Module):
    """A head that sees statistics behind the features; the features themselves stay as they are.

    Args:
        layer: from features (N, columns) to (N, outputs).
        columns: number of features.
        outputs: width of the last layer.
    """

    def __init__(self, layer: nn.Module, columns: int, outputs: int) -> None:
        super().__init__()
        self.layer = layer
        self.columns = columns
        self.outputs = outputs
        self.statistics = nn.ModuleList()

    def add(self, new: Statistic) -> None:
        """Append a statistic of the features behind what there is."""
        self.layer = widened(self.layer, self.columns, self.outputs, new.width)
        self.columns += new.width
        self.statistics.append(new)

    def forward(self, features: Tensor) -> Tensor:
        """From features (N, F) to (N, outputs)."""
        values = [statistic(features) for statistic in self.statistics]
        out: Tensor = self.layer(torch.cat([features, *values], dim=1))
        return out


def widened(layer: nn.Module, columns: int, outputs: int, more: int) -> nn.Module:
    """A linear layer with further columns, which begin at 0.

    So it begins as what it was, and learns its new columns from the first step on: their gradient
    is what they weigh.
    """
    if not isinstance(layer, nn.Linear) or parametrize.is_parametrized(layer):
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
        """The statistic of a discriminator's features."""

    def networks(self, generator: Any, discriminator: Any) -> tuple[Any, Any]:
        """Heads are replaced; one that has statistics already gets one more."""
        for part in list(discriminator.modules()):
            if isinstance(part, Discriminator):
                statistic = self.statistic(part)
                if not isinstance(part.head, Head):
                    part.head = Head(part.head, part.width, part.spec.outputs)
                part.head.add(statistic)
        return generator, discriminator
