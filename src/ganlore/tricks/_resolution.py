"""The base of tricks that train on small images first: levels of resolution.

Level 0 has the smallest images; each level doubles height and width, and the last has the data's
size. Outside the networks all images have that size, so that losses and evaluation see one shape:
`enlarge` turns a smaller image into blocks of equal pixels, and `shrink` inverts it exactly.
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
    """Average 2x2 pixels, `times` times over; the inverse of `enlarge`.

    In steps of 2x2, since the mean of four equal numbers is exact and that of sixteen is not.
    """
    for _ in range(times):
        images = functional.avg_pool2d(images, 2)
    return images


class Fade(torch.autograd.Function):
    """`torch.lerp(lower, upper, share)` with a tensor as share.

    The gradient's factor 1 - share is rounded once, from double precision, as for a Python number.
    """

    @staticmethod
    def forward(ctx: Any, lower: Tensor, upper: Tensor, share: Tensor, rest: Tensor) -> Tensor:
        """From (N, ...) twice and two numbers to (N, ...)."""
        ctx.share, ctx.rest = share, rest  # constants: `save_for_backward` is not needed
        return torch.lerp(lower, upper, share)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """The gradients of both inputs."""
        (gradient,) = gradients
        return gradient * ctx.rest, gradient * ctx.share, None, None


class Staged(nn.Module):
    """A module with a level in its saved state, so that snapshots are evaluated at theirs.

    Attributes:
        level: the resolution that it works at.
        share: the weight of this level in its output; the level below has the rest.
        fading: whether the level below still has weight.
    """

    _share: Tensor
    _rest: Tensor

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.level, self.share, self.fading = 0, 1.0, False
        self.register_buffer("_share", torch.ones(()), persistent=False)
        self.register_buffer("_rest", torch.zeros(()), persistent=False)

    def enter(self, level: int, share: float) -> None:
        """Set level and share."""
        self.level, self.share, self.fading = level, share, share < 1
        self._share.fill_(share)
        self._rest.fill_(1 - share)

    def fade(self, lower: Tensor, upper: Tensor) -> Tensor:
        """Mix the level below with this one."""
        out: Tensor = Fade.apply(lower, upper, self._share, self._rest)
        return out

    def get_extra_state(self) -> Tensor:
        """Level and share, (2,)."""
        return torch.tensor([self.level, self.share], dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Restore level and share."""
        level, share = state.tolist()
        self.enter(int(level), share)


@dataclass
class Rising(Trick):
    """A trick that trains at increasing resolutions.

    Attributes:
        levels: their number, which a subclass sets when it builds the networks.
        level: the current one.
    """

    def __post_init__(self) -> None:
        self.levels = 1
        self.level = 0

    @abstractmethod
    def level_at(self, progress: float) -> tuple[int, float]:
        """The level and its share in the output, for the share of the budget used."""

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """Level and share, as in `Staged`, and whether the share is below 1."""
        level, share = self.level_at(moment.progress)
        return {"level": level, "share": share, "fading": share < 1}

    def stage(self, numbers: Mapping[str, float], networks: tuple[nn.Module, ...]) -> None:
        """Set the level of all networks."""
        self.level = int(numbers["level"])
        for network in networks:
            for module in network.modules():
                if isinstance(module, Staged):
                    module.enter(self.level, numbers["share"])

    @property
    def doublings(self) -> int:
        """The number of doublings from the level's size to the data's."""
        return self.levels - 1 - self.level

    def data(self, images: Tensor, step: Step) -> Tensor:
        """Real images at this level, mixed with the one below, in the data's size.

        (1 - share) up(down(x)) + share x, as for generated images (Karras et al. 2018,
        arXiv:1710.10196, section 2).
        """
        small = shrink(images, self.doublings)
        if step.scheduled(self, "fading"):
            small = torch.lerp(enlarge(shrink(small, 1), 1), small, step.scheduled(self, "share"))
        return enlarge(small, self.doublings)

    def view(self, images: Tensor, step: Step) -> Tensor:
        """The images in the level's size, from the data's, (N, C, H, W)."""
        return shrink(images, self.doublings)
