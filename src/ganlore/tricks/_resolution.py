"""What tricks share that train on small images first: levels of resolution.

Level 0 has the smallest images, each next one twice their height and width, and the last the data's
size. Outside of the networks every image has that size, so that losses and evaluation see one
shape: a smaller one stands there as blocks of equal pixels. `enlarge` makes them, and `shrink`
takes them back exactly.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps import Moment, Step


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


class Fade(torch.autograd.Function):
    """`torch.lerp(lower, upper, share)` of a share that is a tensor.

    As with a Python number, the slope 1 - share is rounded once, from double precision.
    """

    @staticmethod
    def forward(ctx: Any, lower: Tensor, upper: Tensor, share: Tensor, rest: Tensor) -> Tensor:
        """From (N, ...) twice and two numbers to (N, ...)."""
        ctx.share, ctx.rest = share, rest  # constants: nothing to be saved for a backward pass
        return torch.lerp(lower, upper, share)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """The gradients of both inputs."""
        (gradient,) = gradients
        return gradient * ctx.rest, gradient * ctx.share, None, None


class Staged(nn.Module):
    """A module with a level, which belongs to its state: snapshots are evaluated at their own.

    Attributes:
        level: which resolution it works at.
        share: the share of this level in its output; the rest is that of the level below.
        fading: whether the level below still has a share.
    """

    _share: Tensor
    _rest: Tensor

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.level, self.share, self.fading = 0, 1.0, False
        self.register_buffer("_share", torch.ones(()), persistent=False)
        self.register_buffer("_rest", torch.zeros(()), persistent=False)

    def enter(self, level: int, share: float) -> None:
        """Go to a level."""
        self.level, self.share, self.fading = level, share, share < 1
        self._share.fill_(share)
        self._rest.fill_(1 - share)

    def fade(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Mix the level below and this one, by the share."""
        out: Tensor = Fade.apply(lower, upper, self._share, self._rest)
        return out

    def get_extra_state(self) -> Tensor:
        """Level and share, (2,)."""
        return torch.tensor([self.level, self.share], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """The level of a saved state."""
        level, share = state.tolist()
        self.enter(int(level), share)


@dataclass
class Rising(Trick):
    """A trick that trains at one resolution after the other.

    Attributes:
        levels: how many there are; a subclass says so when it builds the networks.
        level: where the run is.
    """

    def __post_init__(self) -> None:
        self.levels = 1
        self.level = 0

    @abstractmethod
    def level_at(self, progress: float) -> tuple[int, float]:
        """Level, and its share in the output, by the share of the budget used."""

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """Level and share, as `Staged` has them."""
        level, share = self.level_at(moment.progress)
        return {"level": level, "share": share}

    def stage(self, numbers: Mapping[str, float], networks: tuple[nn.Module, ...]) -> None:
        """Bring all networks to the level."""
        self.level = int(numbers["level"])
        for network in networks:
            for module in network.modules():
                if isinstance(module, Staged):
                    module.enter(self.level, numbers["share"])

    @property
    def doublings(self) -> int:
        """From the level's size to the data's."""
        return self.levels - 1 - self.level

    def data(self, images: Tensor, step: Step) -> Tensor:
        """Real images at this level, or between it and the one below, in the data's size.

        As generated ones are: (1 - share) up(down(x)) + share x (Karras et al. 2018,
        arXiv:1710.10196, section 2).
        """
        small = shrink(images, self.doublings)
        share = step.scheduled(self, "share")
        if share < 1:
            small = torch.lerp(enlarge(shrink(small, 1), 1), small, share)
        return enlarge(small, self.doublings)

    def view(self, images: Tensor, step: Step) -> Tensor:
        """The images of this level's own size, from (N, C, H, W) as they are outside."""
        return shrink(images, self.doublings)
