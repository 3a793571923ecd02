"""Random changes of images, another one for each image of a batch, differentiable.

Images are (N, C, H, W) throughout, in [-1, 1]. Shares are of an image's side, and are rounded to
whole pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def pixels(side: int, share: float) -> int:
    """A share of an image's side in whole pixels."""
    return int(side * share + 0.5)


def draw(n: int, first: int, last: int, images: Tensor, rng: torch.Generator) -> Tensor:
    """A whole number for each of n images, uniform in [first, last], (n, 1)."""
    return torch.randint(first, last + 1, (n, 1), generator=rng, device=images.device)


def moves(
    images: Tensor, share: float, rng: torch.Generator, stay: bool = True
) -> tuple[Tensor, Tensor]:
    """How far down and how far right each image is to be moved, (N, 1) each.

    Uniform over all moves by whole pixels, up to `share` of the image's height and of its width;
    `stay` says whether no move at all is one of them.
    """
    high, wide = (pixels(side, share) for side in images.shape[2:])
    columns = 2 * wide + 1
    places = columns * (2 * high + 1)
    skip = not stay and places > 1
    drawn = draw(len(images), 0, places - 1 - skip, images, rng)
    if skip:
        drawn = drawn + (drawn >= places // 2)  # the middle one
    return drawn // columns - high, drawn % columns - wide


def move(images: Tensor, moved: tuple[Tensor, Tensor], edge: Literal["zeros", "nearest"]) -> Tensor:
    """Each image moved by whole pixels.

    Args:
        images: what to move.
        moved: as from `moves`.
        edge: what comes in from outside: zeros, or the nearest pixel.
    """
    for dim, by in enumerate(moved, start=2):
        side = images.shape[dim]
        source = torch.arange(side, device=images.device) - by
        shape = [len(images), 1, 1, 1]
        shape[dim] = side
        images = images.take_along_dim(source.clamp(0, side - 1).reshape(shape), dim)
        if edge == "zeros":
            images = images * ((source >= 0) & (source < side)).reshape(shape)
    return images


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
