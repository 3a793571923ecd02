"""VAE/GAN: a variational auto-encoder whose error is measured in the discriminator's features."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ganlore.losses import Optimizer
from ganlore.losses._encoder import Encoding
from ganlore.settings import NonNegativeFloat

if TYPE_CHECKING:
    from ganlore.networks import Spec
    from ganlore.steps import Step


class Redrawn(NamedTuple):
    """Reconstructions of real images, and what they are made from.

    Attributes:
        codes: samples of q(z|x), (N, latent).
        kl: KL(q | N(0, I)), a scalar.
        cut: the codes, cut from the encoder.
        images: their reconstructions, as the discriminator sees them.
    """

    codes: Tensor
    kl: Tensor
    cut: Tensor
    images: Tensor


@dataclass
class VariationalAutoencoderGan(Encoding):
    """Generator and decoder are one; the discriminator judges samples and reconstructions.

    Each network has a loss of its own (algorithm 1): the encoder KL + feature error, the generator
    adversarial loss + weight F, the discriminator the adversarial loss alone. Where a trick
    compares logits, reconstructions are compared with real samples as G(z) is.
    """

    paper = "arXiv:1512.09300"
    formula = (
        "E sp(-r) + E sp(f) + E sp(f'), f' = D(G(Enc(x)))",
        "E sp(-f) + E sp(-f') + weight F; the encoder: KL(q(z|x) | N(0, I)) + F, "
        "F = E .5 |h(x) - h(G(Enc(x)))|^2",
    )
    optimizer: Optimizer = Optimizer(kind="rmsprop", lr=3e-4)
    weight: NonNegativeFloat = 0.1

    def encoded(self, spec: Spec) -> int:
        """Mean and log-variance of each of the code's dimensions."""
        return 2 * spec.latent

    def code(self, output: Tensor) -> Tensor:
        """The mean of q(z|x)."""
        return output.chunk(2, dim=1)[0]

    def posterior(self, step: Step) -> tuple[Tensor, Tensor]:
        """A sample of q(z|x) for each image, (N, latent), and KL(q | N(0, I)), a scalar."""
        output = step.modules["encoder"](step.images)
        mean, log_variance = output.chunk(2, dim=1)
        noise = torch.randn(mean.shape, generator=step.rng, device=mean.device)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        return mean + (log_variance / 2).exp() * noise, kl

    def redrawn(self, step: Step) -> Redrawn:
        """Reconstructions of the step's real images."""
        codes, kl = self.posterior(step)
        cut = codes.detach().requires_grad_()
        return Redrawn(codes, kl, cut, step.view_as_real(step.reconstruct(cut)))

    def discriminator(self, step: Step) -> Tensor:
        """Algorithm 1, L_GAN: real samples against samples and reconstructions."""
        with nullcontext() if step.ahead else torch.no_grad():
            reconstructions = step.once("redrawn", self.redrawn).images
        _, logits = step.compare(step.real_logits, step.discriminate(reconstructions))
        return super().discriminator(step) + softplus(logits).mean()

    def generator(self, step: Step) -> Tensor:
        """What generator and encoder minimise, each its own part (algorithm 1).

        The adversarial loss must not reach the encoder, and the feature error reaches it with
        weight 1, the generator with `weight`. So the reconstruction is cut from the encoder, and
        the feature error's gradient at the codes is carried over by the term `bridge`, whose value
        is taken off again. A discriminator that looks ahead has learned from the reconstructions
        by the adversarial loss alone: that way to the codes is left out of the slope.
        """
        codes, kl, cut, redrawn = step.once("redrawn", self.redrawn)
        seen = redrawn.view_as(redrawn)
        features, logits = step.features_and_logits(seen, step.class_labels)
        error = 0.5 * (step.real_features - features).square().sum(1).mean()
        (arrived,) = torch.autograd.grad(error, seen, retain_graph=True)
        (slope,) = torch.autograd.grad(redrawn, cut, arrived, retain_graph=True)
        bridge = (codes * slope).sum()
        step.log |= {"kl": kl.detach(), "feature_error": error.detach()}
        adversarial = super().generator(step) + self._fool(step, logits)
        return adversarial + self.weight * error + kl + bridge - bridge.detach()

    def _fool(self, step: Step, logits: Tensor) -> Tensor:
        """The generator's part for reconstructions."""
        if step.relative:
            return softplus(-step.compare(step.real_logits, logits)[1]).mean()
        return self.generator_loss(logits)


LOSS = VariationalAutoencoderGan
