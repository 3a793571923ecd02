"""f-GAN with the Kullback-Leibler divergence KL(P|Q), data against samples."""

from dataclasses import dataclass

from torch import Tensor

from ganlore.losses._fgan import FGan, exp


@dataclass
class KullbackLeibler(FGan):
    """KL(P|Q): f(u) = u log u, g(v) = v, f*(t) = exp(t - 1).

    The optimal logit is 1 + log(p/q). Above v - 1 = 10 the exponential continues linearly.
    """

    paper = "arXiv:1606.00709"
    deviations = (
        "Exponentials go on linearly beyond an argument of 10, where the paper's overflow.",
    )
    formula = ("-E r + E exp(f - 1)", "-E f")

    def activation(self, v: Tensor) -> Tensor:
        """Table 6: v."""
        return v

    def conjugate(self, v: Tensor) -> Tensor:
        """exp(v - 1)."""
        return exp(v - 1)


LOSS = KullbackLeibler
