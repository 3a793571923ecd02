"""f-GAN with the reverse Kullback-Leibler divergence, KL(Q|P)."""

from dataclasses import dataclass

from torch import Tensor

from ganlore.losses._fgan import FGan, exp


@dataclass
class ReverseKullbackLeibler(FGan):
    """KL(Q|P): f(u) = -log u, g(v) = -exp(-v), f*(t) = -1 - log(-t).

    The optimal logit is log(p/q). Below v = -10 the exponential continues linearly.
    """

    paper = "arXiv:1606.00709"
    deviations = (
        "Exponentials go on linearly beyond an argument of 10, where the paper's overflow.",
    )
    formula = ("E exp(-r) + E f - 1", "E exp(-f)")

    def activation(self, v: Tensor) -> Tensor:
        """Table 6: -exp(-v)."""
        return -exp(-v)

    def conjugate(self, v: Tensor) -> Tensor:
        """-1 - log(exp(-v)) = v - 1."""
        return v - 1


LOSS = ReverseKullbackLeibler
