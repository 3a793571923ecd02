"""f-GAN with the squared Hellinger distance."""

from dataclasses import dataclass

from torch import Tensor

from ganlore.losses._fgan import FGan, exp


@dataclass
class SquaredHellinger(FGan):
    """Integral of (sqrt p - sqrt q)^2: f(u) = (sqrt u - 1)^2, g(v) = 1 - exp(-v), f*(t) = t/(1-t).

    The optimal logit is log(p/q) / 2. Below v = -10 on real and above v = 10 on generated samples
    the exponential continues linearly.
    """

    paper = "arXiv:1606.00709"
    deviations = (
        "Exponentials go on linearly beyond an argument of 10, where the paper's overflow.",
    )
    formula = ("E exp(-r) + E exp(f) - 2", "E exp(-f) - 1")

    def activation(self, v: Tensor) -> Tensor:
        """Table 6: 1 - exp(-v)."""
        return 1 - exp(-v)

    def conjugate(self, v: Tensor) -> Tensor:
        """(1 - exp(-v)) / exp(-v) = exp(v) - 1."""
        return exp(v) - 1


LOSS = SquaredHellinger
