"""From images to the discriminator's input: the tricks' views, and what penalties differentiate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Input(NamedTuple):
    """Images on their way to the discriminator.

    The gradient of a penalty on real or on generated samples is that of D(T(x)) with respect to x,
    through the augmentation T, as in the code of StyleGAN2-ADA and R3GAN. Views that do not augment
    (packs, resolution) define what x is.

    Attributes:
        points: x, the images before their first augmentation.
        images: T(x), the discriminator's input, after all views.
        rng: the state of the random numbers before the first augmentation, None if there is none.
    """

    points: Tensor
    images: Tensor
    rng: Tensor | None


def views(
    images: Tensor,
    step: Any,
    tricks: Sequence[Any],
    rng: torch.Generator,
    state: Tensor | None = None,
) -> Tensor:
    """Some tricks' views of images, left to right.

    Args:
        images: (N, ...).
        step: the step that the tricks receive.
        tricks: with the hook `view`.
        rng: the step's random generator.
        state: of the generator, to draw the same numbers as before; it is restored afterwards.
    """
    now = None if state is None else rng.get_state()
    if state is not None:
        rng.set_state(state)
    for trick in tricks:
        images = trick.view(images, step)
    if now is not None:
        rng.set_state(now)
    return images
