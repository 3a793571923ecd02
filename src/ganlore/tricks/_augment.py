"""Random changes of images, another one for each image of a batch, differentiable.

Images are (N, C, H, W) throughout, in [-1, 1]. Shares are of an image's side, and are rounded to
whole pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


def pixels(side: int, share: float) -> int:
    """A share of an image's side in whole pixels."""
    return int(side * share + 0.5)


def draw(n: int, first: int, last: int, images: Tensor, rng: torch.Generator) -> Tensor:
    """A whole number for each of n images, uniform in [first, last], (n, 1)."""
    return torch.randint(first, last + 1, (n, 1), generator=rng, device=images.device)


def shift(
    images: Tensor,
    share: float,
    rng: torch.Generator,
    edge: Literal["constant", "replicate"] = "constant",
) -> Tensor:
    """Each image moved by whole pixels, up to `share` of its height and of its width.

    Args:
        images: what to move.
        share: in [0, 1).
        rng: where the moves come from.
        edge: what comes in from outside: zeros, or the nearest pixel.
    """
    n, _, height, width = images.shape
    down, right = pixels(height, share), pixels(width, share)
    padded = functional.pad(images, (right, right, down, down), mode=edge)
    rows = draw(n, 0, 2 * down, images, rng) + torch.arange(height, device=images.device)
    columns = draw(n, 0, 2 * right, images, rng) + torch.arange(width, device=images.device)
    moved = padded.take_along_dim(rows[:, None, :, None], dim=2)
    return moved.take_along_dim(columns[:, None, None, :], dim=3)


def cut_out(images: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Each image with a rectangle of zeros, `share` of its height high and of its width wide.

    Its centre may be anywhere in the image, so that the border may leave less of it.
    """
    n, _, *sides = images.shape
    inside = []
    for side in sides:
        length = pixels(side, share)
        # an even length has its centre between two pixels, of which there is one more
        first = draw(n, -(length // 2), side - length % 2 - length // 2, images, rng)
        place = torch.arange(side, device=images.device) - first
        inside.append((place >= 0) & (place < length))
    kept = ~(inside[0][:, None, :, None] & inside[1][:, None, None, :])
    return images * kept


def saturate(images: Tensor, factor: Tensor) -> Tensor:
    """The distances of each pixel's channels from their mean, times a factor (N, 1, 1, 1)."""
    grey = images.mean(1, keepdim=True)
    return grey + factor * (images - grey)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """The distances of each image's numbers from their mean, times a factor (N, 1, 1, 1)."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + factor * (images - mean)


def recolour(images: Tensor, rng: torch.Generator) -> Tensor:
    """Each image with another brightness, saturation and contrast, one after the other.

    Brightness adds up to .5 either way; factors are in [0, 2] for saturation, [.5, 1.5] for
    contrast.
    """
    drawn = torch.rand(3, len(images), 1, 1, 1, generator=rng, device=images.device)
    bright, colourful, clear = drawn.to(images.dtype)
    return contrast(saturate(images + (bright - 0.5), 2 * colourful), clear + 0.5)


def flip(images: Tensor, rng: torch.Generator) -> Tensor:
    """Each image mirrored left to right, or not, at even odds."""
    drawn = torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device)
    return torch.where(drawn < 0.5, images.flip(3), images)
