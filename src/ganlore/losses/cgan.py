"""Conditional GAN: both networks are told the class of each sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganlore.losses.nonsaturating import Nonsaturating

if TYPE_CHECKING:
    from ganlore.losses import Snapshot


@dataclass
class Conditional(Nonsaturating):
    """The non-saturating loss with labels in the generator and in a projection discriminator."""

    paper = "arXiv:1411.1784, arXiv:1802.05637"
    formula = ("E sp(-r(y)) + E sp(f(y)), labels y in both networks", "E sp(-f(y))")
    requires = {"labels": "the networks are told the class of each sample, and there are none"}
    captions = {"classes": "A row for each class that was asked for; equal noise in a column."}

    conditional = True

    def pictures(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """Every class with the same noises."""
        assert snapshot.labels is not None
        classes, columns = int(snapshot.labels.max()) + 1, min(10, len(snapshot.latent))
        noise = snapshot.latent[:columns].repeat(classes, 1)
        asked = torch.arange(classes).repeat_interleave(columns)
        samples: Tensor = snapshot.generator(noise, asked)
        return {"classes": samples.reshape(classes, columns, *samples.shape[1:])}


LOSS = Conditional
