"""Relativistic average: real samples should score higher than generated ones on average."""

from dataclasses import dataclass

from torch import Tensor

from ganlore.tricks import Trick


@dataclass
class RelativisticAverage(Trick):
    """Real logits relative to the mean generated logit, and vice versa.

    Any loss of logits becomes f1(r - m(f)) + f2(f - m(r)), with the generator's roles swapped. A
    loss with targets has +1 and -1 (`Loss.targets`). Each loss keeps its own factors: the authors'
    code halves every discriminator's loss, the paper does not; of the two forms `lsgan` has the
    code's, cross-entropy and hinge the paper's.
    """

    paper = "arXiv:1807.00734"
    deviations = (
        "Factors are each loss's own: `lsgan` has the code's half, which the paper's RaLSGAN "
        "has not.",
    )
    tip = "real samples should score higher than generated ones on average"
    relative = True
    incompatible = {
        "wgan": "a difference of means is already relative; the transform only rescales it",
        "wgan-gp": "a difference of means is already relative; the transform only rescales it",
    }

    def logits(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Section 4.2: C(x_r) - E C(x_f), and C(x_f) - E C(x_r)."""
        return real - fake.mean(), fake - real.mean()


TRICK = RelativisticAverage
