"""Relativistic average: real data is to be more real than the average generated sample."""

from dataclasses import dataclass

from torch import Tensor

from ganlore.tricks import Trick


@dataclass
class RelativisticAverage(Trick):
    """Each logit is compared with the mean logit of the other kind."""

    paper = "arXiv:1807.00734"
    tip = "real data is to be more real than generated data on average"
    relative = True
    incompatible = {
        "wgan": "a difference of means is already relative; the transform only rescales it",
        "wgan-gp": "a difference of means is already relative; the transform only rescales it",
    }

    def logits(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Section 4.2: C(x_r) - E C(x_f), and C(x_f) - E C(x_r)."""
        return real - fake.mean(), fake - real.mean()


TRICK = RelativisticAverage
