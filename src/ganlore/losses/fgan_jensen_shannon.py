"""f-GAN with the Jensen-Shannon divergence: the non-saturating GAN up to a constant."""

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

from ganlore.losses._fgan import FGan


@dataclass
class JensenShannon(FGan):
    """KL(P|M) + KL(Q|M) with M = (P+Q)/2: f(u) = u log u - (u+1) log((u+1)/2).

    g(v) = log 2 - log(1 + exp(-v)) and f*(t) = -log(2 - exp(t)). The optimal logit is log(p/q). The
    divergence is twice the Jensen-Shannon divergence as usually defined.

    Both gradients are those of `nonsaturating`, whose losses are larger by 2 log 2 and log 2: any
    difference between the two in a study is noise or comes from the settings.
    """

    paper = "arXiv:1606.00709"
    deviations = ()
    formula = ("E sp(-r) + E sp(f) - 2 log 2", "E sp(-f) - log 2")
    provides = ("a label for real",)
    equal_to = "nonsaturating"

    def activation(self, v: Tensor) -> Tensor:
        """Table 6: log 2 - log(1 + exp(-v))."""
        return math.log(2) - softplus(-v)

    def conjugate(self, v: Tensor) -> Tensor:
        """-log(2 - 2 sigmoid(v)) = softplus(v) - log 2."""
        return softplus(v) - math.log(2)


LOSS = JensenShannon
