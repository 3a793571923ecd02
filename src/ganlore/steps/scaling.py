"""From samples as they are stored to samples as networks see them, and back."""

from __future__ import annotations

import torch
from torch import Tensor


def to_network(samples: Tensor) -> Tensor:
    """What networks see: uint8 images as floats in [-1, 1], points as they are."""
    return samples.float().div_(127.5).sub_(1) if samples.dtype == torch.uint8 else samples


def to_storage(samples: Tensor) -> Tensor:
    """The inverse of `to_network`, rounded to the 256 grey levels that an image file has."""
    if samples.dim() != 4:
        return samples.float()
    return samples.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
