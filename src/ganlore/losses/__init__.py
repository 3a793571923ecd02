"""The interface of a loss. Each file in this folder is one loss and gives it its name.

Most losses are two pure functions of logits: subclass `LogitLoss`. Those that need more (an
auto-encoding critic, an encoder, a code head, state) override the hooks of `Loss`.

A *logit* is the discriminator's raw output, larger for "real"; no network ends in a sigmoid. Every
loss is minimised.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ganlore.settings import Optimizer, PositiveInt

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from ganlore.networks import Critic, Generator, Network, Spec
    from ganlore.steps import Moment, Step

__all__ = ["LogitLoss", "Loss", "Optimizer", "Snapshot"]


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a run, with the inputs of the loss's own evaluation.

    Attributes:
        generator: the evaluated generator, in evaluation mode.
        modules: the modules that the loss names in `evaluated_modules`, by name.
        latent: the noise of the evaluated samples, (N, ...).
        labels: the class labels that they are conditioned on, (N,), or None.
        held_out: real samples that are not trained on, (M, ...), scaled as network input.
    """

    generator: nn.Module
    modules: dict[str, nn.Module]
    latent: Tensor
    labels: Tensor | None
    held_out: Tensor


@dataclass
class Loss(ABC):
    """An adversarial objective and everything that its definition includes.

    Facts (class attributes without annotation, literals):
        paper: the source, as an arXiv id or a reference.
        formula: the objectives of discriminator and generator, two strings.
        requires: {property of the data set or the network: reason}, for example "labels".
        provides: properties that a trick may require, for example "a label for real".
        incompatible: {name of a trick, network or data set: reason}.
        logs: columns that it adds to the history.
        captions: {name of a picture that `pictures` returns: caption}.
        equal_to: name of a loss with the same gradients. Beside that one it is a check of the
            code: it is shown, and counts in no ranking, leaderboard or number of losses, nor among
            `all` losses of a claim.
        no_effect: {setting: when changing it changes no result}.
        deviations: where it differs from its paper, a tuple of sentences; empty: as published.
        published: {setting: its value under the policy `published`}, where the default, which is
            that of the policy `shared`, suits small data.

    Settings (with annotation), which a study may change. Every loss has:
        optimizer: the published optimiser settings.
        n_critic: discriminator steps per generator step.
    """

    optimizer: Optimizer = Optimizer()
    n_critic: PositiveInt = 1

    name: ClassVar[str] = ""
    deviations: ClassVar[tuple[str, ...]] = ()
    published: ClassVar[dict[str, Any]] = {}
    conditional: ClassVar[bool] = False
    """Whether generator and discriminator receive class labels."""
    differentiates_real: ClassVar[bool] = False
    """Whether the discriminator's loss uses gradients with respect to the real images."""
    differentiates_fake: ClassVar[bool] = False
    """Whether the discriminator's loss uses gradients with respect to the generated images."""
    relative: ClassVar[bool] = False
    """Whether real and generated logits are compared, so that the generator needs real images."""
    mixes_batch: ClassVar[bool] = False
    """Whether the discriminator's outputs depend on the rest of the batch."""
    targets: ClassVar[tuple[float, float] | None] = None
    """The finite logits of real and of generated samples at which the discriminator's two terms
    are smallest; None if a larger logit of real samples, and a smaller one of generated samples,
    is always at least as good in one of them."""

    # -- the networks ---------------------------------------------------------------------------

    def generator_network(self, network: Network, spec: Spec) -> Generator:
        """Build the generator."""
        return network.generator(spec)

    def discriminator_network(self, network: Network, spec: Spec) -> Critic:
        """Build the discriminator, or an auto-encoding critic from the network's parts."""
        return network.discriminator(spec)

    def modules(self, network: Network, spec: Spec, discriminator: Critic) -> dict[str, nn.Module]:
        """Build further modules: an encoder, a code head, buffers for state.

        The generator's optimiser trains them unless `discriminator_modules` names them. They are
        saved with the run and available as `step.modules[name]`.

        Args:
            network: the network family.
            spec: of the data.
            discriminator: its `width` is the number of features, `spec.pack` the samples per input.
        """
        return {}

    discriminator_modules: ClassVar[tuple[str, ...]] = ()
    """Modules that only the discriminator's optimiser trains."""
    shared_modules: ClassVar[tuple[str, ...]] = ()
    """Modules that both optimisers train."""
    evaluated_modules: ClassVar[tuple[str, ...]] = ()
    """Modules that snapshots include, for `evidence` and `pictures`."""

    def latent(self, n: int, size: int, rng: torch.Generator) -> Tensor:
        """Draw the generator's noise, (n, size); N(0, I) by default."""
        import torch

        return torch.randn(n, size, generator=rng, device=rng.device)

    def score(self, output: Tensor, images: Tensor) -> Tensor:
        """Turn the discriminator's output into logits, (N,), larger for real.

        The identity, except for an auto-encoding critic, whose logit is minus the reconstruction
        error. Penalties and relativistic tricks use these logits.
        """
        return output

    # -- the steps ------------------------------------------------------------------------------

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """Values that the loss schedules, by name, for `step.scheduled`."""
        return {}

    @abstractmethod
    def discriminator(self, step: Step) -> Tensor:
        """The discriminator's loss in one step, a scalar."""

    @abstractmethod
    def generator(self, step: Step) -> Tensor:
        """The generator's loss in one step, a scalar."""

    def constrain(self, parameter: Tensor) -> Tensor:
        """The constraint of `after_discriminator` on one parameter, as a differentiable function.

        Unrolling needs it (`steps.lookahead`).
        """
        return parameter

    def after_discriminator(self, step: Step) -> None:
        """Update parameters or state after each discriminator step: weight clipping, BEGAN's k."""

    # -- evaluation -----------------------------------------------------------------------------

    def evidence(self, snapshot: Snapshot) -> dict[str, Any]:
        """Further inputs of metrics, as fields of `metrics.Comparison`: reconstructions, codes."""
        return {}

    def pictures(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """Grids of images for the report, (rows, columns, *shape) each, scaled as network input."""
        return {}


@dataclass
class LogitLoss(Loss):
    """A loss that is two pure functions of logits."""

    @abstractmethod
    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """From logits of real and of generated images, (N,) each, to a scalar."""

    @abstractmethod
    def generator_loss(self, fake: Tensor) -> Tensor:
        """From logits of generated images, (N,), to a scalar."""

    def relative_discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss where real and generated logits are compared with each other.

        Real minus generated and generated minus real logits have opposite targets, +1 and -1. With
        targets of 1 and 0 the two terms would contradict each other. So the differences are shifted
        to the loss's `targets`: least squares become (r - m(f) - 1)^2 and (f - m(r) + 1)^2
        (Jolicoeur-Martineau 2018, arXiv:1807.00734, RaLSGAN).

        Args:
            real: logits of real images relative to generated ones, (N,).
            fake: logits of generated images relative to real ones, (N,).
        """
        if self.targets is not None:
            real, fake = real + (self.targets[0] - 1), fake + (self.targets[1] + 1)
        return self.discriminator_loss(real, fake)

    def relative_generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The generator's loss where real and generated logits are compared with each other.

        The discriminator's loss with real and generated swapped, both terms included
        (Jolicoeur-Martineau 2018, arXiv:1807.00734, the non-saturating form, section 3.3).
        """
        return self.relative_discriminator_loss(fake, real)

    def discriminator(self, step: Step) -> Tensor:
        """`discriminator_loss` of the step's logits, or the relative form."""
        if step.relative:
            return self.relative_discriminator_loss(*step.logits)
        return self.discriminator_loss(*step.logits)

    def generator(self, step: Step) -> Tensor:
        """`generator_loss` of the step's logits, or the relative form."""
        if step.relative:
            return self.relative_generator_loss(*step.logits)
        return self.generator_loss(step.fake_logits)
