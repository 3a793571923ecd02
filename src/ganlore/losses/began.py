"""BEGAN (boundary equilibrium): the critic is an auto-encoder; its error is the score."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from ganlore.losses import Loss, Optimizer
from ganlore.networks import AutoEncoder
from ganlore.settings import NonNegativeFloat, PositiveInt

if TYPE_CHECKING:
    from ganlore.networks import Critic, Generator, Network, Spec
    from ganlore.steps import Step


class Balance(nn.Module):
    """k, the weight of generated samples in the critic's loss, as state of the run."""

    k: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("k", torch.zeros(()))


@dataclass
class BoundaryEquilibrium(Loss):
    """An auto-encoding critic reconstructs real samples well and generated ones badly.

    A logit is minus the reconstruction error of a sample, -L(v) = -mean |v - AE(v)|.
    """

    paper = "arXiv:1703.10717"
    deviations = (
        "The rates do not halve when the convergence measure stalls.",
        "Adam's betas are (.5, .999); the paper's are Adam's own (.9, .999), as far as known. The "
        "generator ends in tanh; theirs in no function.",
        "L(G) in the update of k is that of the critic's batch; the paper's is of the generator's.",
        "The code has at most an eighth of a sample's dimensions, the networks are the study's, "
        "and under the policy `shared` the generator has their batch norm.",
    )
    published = {"batch_norm": False}
    formula = (
        "L(x) - k L(G), L(v) = mean |v - AE(v)|, k <- clip(k + lam (gam L(x) - L(G)), 0, 1)",
        "L(G)",
    )
    incompatible = {
        "relativistic": "k weighs the errors of generated samples against those of real ones; "
        "in their difference both would have the same weight, and k none"
    }
    no_effect = {"code": "above an eighth of a sample's dimensions, which bound it"}
    optimizer: Optimizer = Optimizer(kind="adam", lr=1e-4, betas=(0.5, 0.999))
    gam: NonNegativeFloat = 0.5
    lam: NonNegativeFloat = 1e-3
    code: PositiveInt = 64
    batch_norm: bool = True

    def discriminator_network(self, network: Network, spec: Spec) -> Critic:
        """Section 3.5: the network's discriminator and generator as encoder and decoder.

        The code has at most an eighth of a sample's dimensions (the paper's 64 are for 3072 and
        more), since a critic that can copy its input reconstructs everything equally well.
        """
        width = min(self.code, max(1, math.prod(spec.shape) // 8))
        decoder = network.generator(replace(spec, latent=0, codes=width, batch_norm=False))
        return AutoEncoder(network.discriminator(replace(spec, outputs=width)), decoder)

    def generator_network(self, network: Network, spec: Spec) -> Generator:
        """Section 3.5: the generator has the decoder's architecture, which has no batch norm."""
        return network.generator(replace(spec, batch_norm=spec.batch_norm and self.batch_norm))

    def modules(self, network: Network, spec: Spec, discriminator: Critic) -> dict[str, nn.Module]:
        """The state k, initially 0."""
        return {"balance": Balance()}

    def latent(self, n: int, size: int, rng: torch.Generator) -> Tensor:
        """Section 3.5: uniform in [-1, 1]."""
        return torch.rand(n, size, generator=rng, device=rng.device).mul_(2).sub_(1)

    def score(self, output: Tensor, images: Tensor) -> Tensor:
        """Minus equation 1 with eta = 1, averaged over a sample's dimensions."""
        return -(images - output).abs().flatten(1).mean(1)

    def k(self, step: Step) -> Tensor:
        """The weight of generated samples, a scalar in [0, 1]."""
        return cast("Balance", step.modules["balance"]).k

    def discriminator(self, step: Step) -> Tensor:
        """Section 3.4, L_D, with the errors L = -logit."""
        real, fake = step.logits
        return self.k(step) * fake.mean() - real.mean()

    def generator(self, step: Step) -> Tensor:
        """Section 3.4, L_G."""
        return -step.fake_logits.mean()

    @torch.no_grad()
    def after_discriminator(self, step: Step) -> None:
        """Section 3.4, k_(t+1), clipped to [0, 1]; section 3.4.1, the convergence measure.

        L(G) is measured on the critic's batch, in the paper on the generator's, which here comes
        later.
        """
        real, fake = -step.real_logits.mean(), -step.fake_logits.mean()
        surplus = self.gam * real - fake
        k = self.k(step)
        k.add_(self.lam * surplus).clamp_(0, 1)
        step.log |= {"k": k.clone(), "convergence": real + surplus.abs()}


LOSS = BoundaryEquilibrium
