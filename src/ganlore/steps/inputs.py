"""From images to the discriminator's input: the tricks' views, and what penalties differentiate."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

from torch import Tensor


class Input(NamedTuple):
    """Images on their way to the discriminator.

    The gradient of a penalty on real or on generated samples is that of D(T(x)) with respect to x,
    through the augmentation T, as in the code of StyleGAN2-ADA and R3GAN. Views that do not augment
    (packs, resolution) define what x is.

    Attributes:
        points: x, the images before their first augmentation.
        images: T(x), the discriminator's input, after all views.
        position: the place of the random numbers before the first augmentation, None if there is
            none (`Draws`).
    """

    points: Tensor
    images: Tensor
    position: Any


def views(images: Tensor, step: Any, tricks: Sequence[Any], position: Any = None) -> Tensor:
    """Some tricks' views of images, left to right.

    Args:
        images: (N, ...).
        step: the step that the tricks receive.
        tricks: with the hook `view`.
        position: of the step's random numbers (`Draws`), to draw the same numbers as before.
    """
    with nullcontext() if position is None else step.draws.again(position):
        for trick in tricks:
            images = trick.view(images, step)
    return images
