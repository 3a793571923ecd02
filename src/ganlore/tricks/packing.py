"""PacGAN: the discriminator scores several samples jointly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.settings import PositiveInt
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.networks import Spec
    from ganlore.steps import Step


@dataclass
class Packing(Trick):
    """The discriminator receives packs of m samples, concatenated along the channels.

    The samples of a pack are all real or all generated. A batch of N images becomes N/m packs, so
    that the budget in images is unchanged.
    """

    paper = "arXiv:1712.04086"
    deviations = (
        "A batch of N samples is N / m packs, so that the budget in images is that of other "
        "cells; the paper's has N packs of m samples each (a variant with `training: {batch: m "
        "N, budget: m B}`).",
    )
    tip = "joint scores of packs of samples"
    batch_multiple_of = "m"
    m: PositiveInt = 2

    def discriminator_spec(self, spec: Spec) -> Spec:
        """Widen the discriminator's first layer and its table of label embeddings."""
        channels, *rest = spec.shape
        return replace(spec, shape=(self.m * channels, *rest), pack=self.m * spec.pack)

    def view(self, images: Tensor, step: Step) -> Tensor:
        """From (N, C, ...) to (N/m, m C, ...); neighbours in the batch form a pack."""
        return images.reshape(-1, self.m * images.shape[1], *images.shape[2:])

    def class_labels(self, labels: Tensor) -> Tensor:
        """From (N, ...) to (N/m, m ...): the labels of each pack's samples, in order."""
        return labels.reshape(len(labels) // self.m, -1)


TRICK = Packing
