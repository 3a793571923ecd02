"""A first layer with batch norm of each unit, for the networks whose authors have it so."""

from __future__ import annotations

import math

from torch import nn

from ganlore.networks import Spec


def seed(inputs: int, shape: tuple[int, ...], spec: Spec) -> nn.Sequential:
    """From (N, inputs) to a picture, normalised before it is one.

    Args:
        inputs: numbers for each sample.
        shape: of the picture, (C, H, W).
        spec: what the network is built for.
    """
    units = math.prod(shape)
    linear = nn.Linear(inputs, units, bias=not spec.batch_norm)
    norm = [nn.BatchNorm1d(units)] if spec.batch_norm else []
    return nn.Sequential(linear, *norm, nn.ReLU(), nn.Unflatten(1, shape))
