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


class Reconstructed(NamedTuple):
    """Reconstructions of real images, and their codes.

    Attributes:
        codes: samples of q(z|x), (N, latent).
        kl: KL(q | N(0, I)), a scalar.
        detached: the codes, detached from the encoder.
        images: G(detached), as the discriminator's input.
    """

    codes: Tensor
    kl: Tensor
    detached: Tensor
    images: Tensor


@dataclass
class VariationalAutoencoderGan(Encoding):
    """The generator is also the decoder; the discriminator scores samples and reconstructions.

    Each network has its own loss (algorithm 1): the encoder KL + feature error, the generator
    adversarial loss + weight F, the discriminator the adversarial loss. Relativistic tricks compare
    reconstructions with real samples as they do G(z).
    """

    paper = "arXiv:1512.09300"
    deviations = (
        "Under the policy `shared` the weight is .1, for the few features of small networks; "
        "under `published` that of the authors' faces, 1e-6 (1e-5 in their code for CIFAR-10).",
        "The authors' code pauses the network that is ahead by a margin, and decays the rate; "
        "here neither is.",
        "The features are those before the last layer; the paper's are of a convolution.",
        "The generator's adversarial loss is the non-saturating one; in the authors' code it is "
        "the discriminator's with the opposite sign. Their scripts leave reconstructions out of "
        "it, which algorithm 1 has.",
        "Reconstructions are decoded with batch norm's running statistics.",
    )
    published = {"weight": 1e-06}
    formula = (
        "E sp(-r) + E sp(f) + E sp(f'), f' = D(G(Enc(x)))",
        "E sp(-f) + E sp(-f') + weight F; the encoder: KL(q(z|x) | N(0, I)) + F, "
        "F = E .5 |h(x) - h(G(Enc(x)))|^2",
    )
    optimizer: Optimizer = Optimizer(kind="rmsprop", lr=3e-4)
    weight: NonNegativeFloat = 0.1

    def encoder_outputs(self, spec: Spec) -> int:
        """A mean and a log-variance for each latent dimension."""
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

    def reconstructed(self, step: Step) -> Reconstructed:
        """Reconstructions of the step's real images."""
        codes, kl = self.posterior(step)
        detached = codes.detach().requires_grad_()
        images = step.view_as_real(step.reconstruct(detached))
        return Reconstructed(codes, kl, detached, images)

    def discriminator(self, step: Step) -> Tensor:
        """Algorithm 1, L_GAN: real samples against samples and reconstructions."""
        with nullcontext() if step.ahead else torch.no_grad():
            images = step.once("reconstructed", self.reconstructed).images
        _, logits = step.compare(step.real_logits, step.discriminate(images))
        return super().discriminator(step) + softplus(logits).mean()

    def generator(self, step: Step) -> Tensor:
        """The losses of generator and encoder in one scalar (algorithm 1).

        The adversarial loss must not train the encoder, and the feature error trains the encoder
        with weight 1 but the generator with `weight`. So the codes are detached, and the term
        `bridge`, whose value is subtracted again, passes the feature error's gradient at the codes
        on to the encoder. That gradient omits the path through an unrolled discriminator's
        parameters, which depend on the reconstructions through the adversarial loss only.
        """
        codes, kl, detached, images = step.once("reconstructed", self.reconstructed)
        inputs = images.view_as(images)
        features, logits = step.features_and_logits(inputs, step.class_labels)
        error = 0.5 * (step.real_features - features).square().sum(1).mean()
        (at_images,) = torch.autograd.grad(error, inputs, retain_graph=True)
        (at_codes,) = torch.autograd.grad(images, detached, at_images, retain_graph=True)
        bridge = (codes * at_codes).sum()
        step.log |= {"kl": kl.detach(), "feature_error": error.detach()}
        adversarial = super().generator(step) + self._adversarial(step, logits)
        return adversarial + self.weight * error + kl + bridge - bridge.detach()

    def _adversarial(self, step: Step, logits: Tensor) -> Tensor:
        """The generator's adversarial loss of reconstructions."""
        if step.relative:
            return softplus(-step.compare(step.real_logits, logits)[1]).mean()
        return self.generator_loss(logits)


LOSS = VariationalAutoencoderGan
