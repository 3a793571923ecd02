"""The conversion between stored samples and network input."""

from __future__ import annotations

import torch
from torch import Tensor


def to_network(samples: Tensor) -> Tensor:
    """Network input from stored samples: uint8 images as floats in [-1, 1], points unchanged."""
    return samples.float().div_(127.5).sub_(1) if samples.dtype == torch.uint8 else samples


def to_storage(samples: Tensor) -> Tensor:
    """The inverse of `to_network`, with images rounded to 256 levels."""
    if samples.dim() != 4:
        return samples.float()
    return samples.float().add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)
