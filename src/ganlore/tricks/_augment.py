"""Differentiable augmentation, drawn anew for each image of a batch.

Images are (N, C, H, W) in [-1, 1]. A share is that of an image's side, rounded to whole pixels.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def pixels(side: int, share: float) -> int:
    """A share of an image's side in whole pixels."""
    return int(side * share + 0.5)


def draw(n: int, first: int, last: int, images: Tensor, rng: torch.Generator) -> Tensor:
    """A random integer for each of n images, uniform in [first, last], (n, 1)."""
    return torch.randint(first, last + 1, (n, 1), generator=rng, device=images.device)


def moves(
    images: Tensor, share: float, rng: torch.Generator, stay: bool = True
) -> tuple[Tensor, Tensor]:
    """Random translations of each image, down and right in whole pixels, (N, 1) each.

    Uniform over all translations by up to `share` of the height and of the width; `stay` tells
    whether they include the zero translation.
    """
    high, wide = (pixels(side, share) for side in images.shape[2:])
    columns = 2 * wide + 1
    count = columns * (2 * high + 1)
    skip = not stay and count > 1
    index = draw(len(images), 0, count - 1 - skip, images, rng)
    if skip:
        index = index + (index >= count // 2)  # the zero translation is in the middle
    return index // columns - high, index % columns - wide


def move(images: Tensor, moved: tuple[Tensor, Tensor], edge: Literal["zeros", "nearest"]) -> Tensor:
    """Translate each image by whole pixels.

    Args:
        images: (N, C, H, W).
        moved: translations as from `moves`.
        edge: padding with zeros or with the nearest pixel.
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
    """Set a random rectangle of each image to zero, `share` of its height and of its width.

    The centre is uniform over the image; the border may cut the rectangle.
    """
    n, _, *sides = images.shape
    inside = []
    for side in sides:
        length = pixels(side, share)
        # an even length has its centre between two pixels: one more position
        first = draw(n, -(length // 2), side - length % 2 - length // 2, images, rng)
        offset = torch.arange(side, device=images.device) - first
        inside.append((offset >= 0) & (offset < length))
    kept = ~(inside[0][:, None, :, None] & inside[1][:, None, None, :])
    return images * kept


def saturate(images: Tensor, factor: Tensor) -> Tensor:
    """Scale each pixel's deviations from the mean of its channels by a factor (N, 1, 1, 1)."""
    grey = images.mean(1, keepdim=True)
    return grey + factor * (images - grey)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Scale the deviations from each image's mean by a factor (N, 1, 1, 1)."""
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + factor * (images - mean)


def recolour(images: Tensor, rng: torch.Generator) -> Tensor:
    """Change each image's brightness, then saturation, then contrast at random.

    Brightness adds a number in [-.5, .5]; factors are in [0, 2] for saturation and in [.5, 1.5] for
    contrast.
    """
    uniform = torch.rand(3, len(images), 1, 1, 1, generator=rng, device=images.device)
    brightness, saturation, contrasts = uniform.to(images.dtype)
    return contrast(saturate(images + (brightness - 0.5), 2 * saturation), contrasts + 0.5)


def flip(images: Tensor, rng: torch.Generator) -> Tensor:
    """Flip each image horizontally with probability 1/2."""
    uniform = torch.rand(len(images), 1, 1, 1, generator=rng, device=images.device)
    return torch.where(uniform < 0.5, images.flip(3), images)
