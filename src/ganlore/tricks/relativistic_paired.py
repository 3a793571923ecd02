"""Relativistic, in pairs: each real sample is to be more real than one generated sample."""

from dataclasses import dataclass

from torch import Tensor

from ganlore.tricks import Trick


@dataclass
class RelativisticPaired(Trick):
    """Each logit is compared with that of its partner of the other kind.

    Where a loss's two halves are alike, as cross-entropy's are, both say the same of a pair: the
    paper's relativistic standard GAN is one half, and the trick on `nonsaturating` is twice that.
    """

    paper = "arXiv:1807.00734"
    tip = "each real sample is to be more real than a generated one"
    relative = True
    incompatible = {
        "wgan": "a difference of means is already relative; the transform only rescales it",
        "wgan-gp": "a difference of means is already relative; the transform only rescales it",
        "r3gan": "the loss compares logits in pairs already; to compare the pair's differences "
        "with each other only doubles them",
        "began": "k weighs the errors of generated samples against those of real ones; "
        "in their difference both would have the same weight, and k none",
        "relativistic": "both say what a logit is compared with, a partner or the mean; one after "
        "the other they compare differences with differences",
    }

    def logits(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """C(x_r) - C(x_f), and C(x_f) - C(x_r), for pairs (x_r, x_f) of the batch."""
        return real - fake, fake - real


TRICK = RelativisticPaired
