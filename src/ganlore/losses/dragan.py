"""DRAGAN (deep regret analytic GAN): a one-centred gradient penalty around real data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.losses import Optimizer
from ganlore.losses.nonsaturating import Nonsaturating
from ganlore.settings import NonNegativeFloat
from ganlore.steps import penalties

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class Dragan(Nonsaturating):
    """The non-saturating loss with a one-centred gradient penalty near real data."""

    paper = "arXiv:1705.07215"
    deviations = (
        "Under the policy `shared` the noise is the paper's, normal; under `published` it is "
        "that of the authors' code, uniform and interpolated (`uniform`).",
        "The generator's noise is normal; the authors' code has uniform noise on [-1, 1].",
    )
    published = {"uniform": True}
    logs = ("penalty_norm",)
    formula = (
        "E sp(-r) + E sp(f) + 10 E (|grad D(x+d)| - 1)^2, d ~ N(0, (.5 std x)^2)",
        "E sp(-f)",
    )
    optimizer: Optimizer = Optimizer(kind="adam", lr=1e-4, betas=(0.5, 0.9))
    weight: NonNegativeFloat = 10.0
    scale: NonNegativeFloat = 0.5
    uniform: bool = False

    def discriminator(self, step: Step) -> Tensor:
        """The objective of section 2.3: delta ~ N(0, cI), sqrt(c) = scale std(x).

        `uniform` has the noise of the authors' code in its place.
        """
        norms = penalties.norms_around(step, self.scale, self.uniform)
        step.log["penalty_norm"] = norms.detach().mean()
        return super().discriminator(step) + self.weight * penalties.one_centred(norms)


LOSS = Dragan
