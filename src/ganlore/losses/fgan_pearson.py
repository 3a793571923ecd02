"""f-GAN with Pearson's chi-squared divergence."""

from dataclasses import dataclass

from torch import Tensor

from ganlore.losses._fgan import FGan


@dataclass
class Pearson(FGan):
    """Pearson's chi^2(P|Q): f(u) = (u - 1)^2, g(v) = v, f*(t) = t^2/4 + t.

    The optimal logit is 2 (p/q - 1). As in the paper the conjugate is that of f on all reals; for f
    on u >= 0 it would be -1 below t = -2, where no optimal logit is.
    """

    paper = "arXiv:1606.00709"
    deviations = ()
    formula = ("-E r + E (f^2/4 + f)", "-E f")

    def activation(self, v: Tensor) -> Tensor:
        """Table 6: v."""
        return v

    def conjugate(self, v: Tensor) -> Tensor:
        """v^2/4 + v."""
        return v.square() / 4 + v


LOSS = Pearson
