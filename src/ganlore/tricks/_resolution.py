"""What tricks share that train on small images first: levels of resolution, and who is at which.

Level 0 has the smallest images, each next one twice their height and width, and the last the data's
size. Outside of the networks every image has that size, so that losses and evaluation see one
shape: a smaller one stands there as blocks of equal pixels. `enlarge` makes them, and `shrink`
takes them back exactly.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps.step import Game


def enlarge(images: Tensor, times: int) -> Tensor:
    """Nearest neighbours, from (N, C, H, W) to (N, C, 2^times H, 2^times W)."""
    return functional.interpolate(images, scale_factor=2**times) if times else images


def shrink(images: Tensor, times: int) -> Tensor:
    """Means of 2x2 pixels, `times` times over; of what `enlarge` gave, what it was given.

    One step after the other: the sum of four equal numbers is exact, that of sixteen is not.
    """
    for _ in range(times):
        images = functional.avg_pool2d(images, 2)
    return images


class Staged(nn.Module):
    """A module with a level, which belongs to its state: snapshots are evaluated at their own.

    Attributes:
        level: which resolution it works at.
        alpha: the share of this level in what it gives; the rest is that of the one below.
    """

    level: int = 0
    alpha: float = 1.0

    def enter(self, level: int, alpha: float) -> None:
        """Go to a level."""
        self.level, self.alpha = level, alpha

    def get_extra_state(self) -> Tensor:
        """Level and alpha, (2,)."""
        return torch.tensor([self.level, self.alpha], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """The level of a saved state."""
        level, alpha = state.tolist()
        self.enter(int(level), alpha)


@dataclass
class Rising(Trick):
    """A trick that trains at one resolution after the other.

    Attributes:
        levels: how many there are; a subclass says so when it builds the networks.
        level, alpha: where the run is, as `Staged` means them.
    """

    def __post_init__(self) -> None:
        self.levels = 1
        self.level, self.alpha = 0, 1.0

    @abstractmethod
    def place(self, progress: float) -> tuple[int, float]:
        """Level and alpha by the share of the budget used."""

    def stage(self, progress: float, networks: tuple[nn.Module, ...]) -> None:
        """Bring all networks to the level."""
        self.level, self.alpha = self.place(progress)
        for network in networks:
            for module in network.modules():
                if isinstance(module, Staged):
                    module.enter(self.level, self.alpha)

    @property
    def doublings(self) -> int:
        """From the level's size to the data's."""
        return self.levels - 1 - self.level

    def data(self, images: Tensor) -> Tensor:
        """Real images at this level, or between it and the one below, in the data's size.

        As generated ones are: (1 - alpha) up(down(x)) + alpha x (Karras et al. 2018,
        arXiv:1710.10196, section 2).
        """
        small = shrink(images, self.doublings)
        if self.alpha < 1:
            small = torch.lerp(enlarge(shrink(small, 1), 1), small, self.alpha)
        return enlarge(small, self.doublings)

    def view(self, images: Tensor, game: Game) -> Tensor:
        """The images of this level's own size, from (N, C, H, W) as they are outside."""
        return shrink(images, self.doublings)
