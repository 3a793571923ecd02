"""Paired relativistic GAN: each real sample should score higher than one generated sample."""

from dataclasses import dataclass

from torch import Tensor

from ganlore.tricks import Trick


@dataclass
class RelativisticPaired(Trick):
    """Real logits relative to those of generated partners, and vice versa.

    For a symmetric loss such as cross-entropy both terms are equal for a pair: the paper's
    relativistic standard GAN is one of them, and the trick on `nonsaturating` is twice that. For
    `lsgan` both are .5 (r - f - 1)^2 (targets +1 and -1, `Loss.targets`).
    """

    paper = "arXiv:1807.00734"
    deviations = (
        "Both terms of a loss count, also where they are equal for a pair: `nonsaturating` is "
        "twice the paper's RSGAN.",
    )
    tip = "each real sample should score higher than a generated one"
    relative = True
    incompatible = {
        "wgan": "a difference of means is already relative; the transform only rescales it",
        "wgan-gp": "a difference of means is already relative; the transform only rescales it",
        "r3gan": "the loss already compares logits in pairs; comparing the differences with each "
        "other only doubles them",
        "began": "k weighs the errors of generated samples against those of real ones; "
        "in their difference both would have the same weight, and k none",
        "relativistic": "each of the two compares a logit, with a partner or with a mean; in "
        "sequence they compare differences with differences",
    }

    def logits(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """C(x_r) - C(x_f), and C(x_f) - C(x_r), for pairs (x_r, x_f) of the batch."""
        return real - fake, fake - real


TRICK = RelativisticPaired
