"""Conditional GAN: both networks receive the class label of each sample."""

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
    deviations = (
        "The discriminator is a projection (arXiv:1802.05637); the first paper's concatenates "
        "the label to a hidden layer.",
        "The optimiser is DCGAN's; the first paper's is SGD with momentum.",
    )
    formula = ("E sp(-r(y)) + E sp(f(y)), labels y in both networks", "E sp(-f(y))")
    requires = {"labels": "both networks receive class labels, and the data set has none"}
    captions = {"classes": "A row for each class label; each column has the same noise."}

    conditional = True

    def pictures(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """Samples of every class from the same noise."""
        assert snapshot.labels is not None
        classes, columns = int(snapshot.labels.max()) + 1, min(10, len(snapshot.latent))
        noise = snapshot.latent[:columns].repeat(classes, 1)
        labels = torch.arange(classes).repeat_interleave(columns)
        samples: Tensor = snapshot.generator(noise, labels)
        return {"classes": samples.reshape(classes, columns, *samples.shape[1:])}


LOSS = Conditional
