"""What a loss is. One file in this folder is one loss; the file's name is the loss's name.

Most losses are two pure functions of logits: subclass `LogitLoss`. The few that need more (an
auto-encoding critic, an encoder, a code head, state) override the hooks of `Loss`.

Everywhere a *logit* is the discriminator's raw output, larger for "real"; there is no sigmoid in
any network. Every loss is minimised.
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
    """What a loss's own evaluation sees of a run at one step.

    Attributes:
        generator: the generator that is evaluated, ready to sample.
        modules: those that the loss names in `evaluated_modules`, as they were then.
        latent: the noise of the samples that are measured, (N, ...).
        labels: the classes that they were asked to be, (N,), None where labels are not known.
        held_out: real samples that training has not seen, (M, ...), as networks see them.
    """

    generator: nn.Module
    modules: dict[str, nn.Module]
    latent: Tensor
    labels: Tensor | None
    held_out: Tensor


@dataclass
class Loss(ABC):
    """An adversarial objective, with all that belongs to its definition.

    Facts (class attributes without annotation, literals):
        paper: the source, as an arXiv id or a reference.
        formula: what discriminator and generator minimise, two strings.
        requires: {what the data set or the network must provide: reason}, for example "labels".
        provides: what it has that a trick may require, for example "a label for real".
        incompatible: {name of a trick, network or data set: reason}.
        logs: columns of the history that it adds.
        captions: {name of a picture that `pictures` gives: what it shows}.

    Settings (with annotation) may be changed by a study. The base settings:
        optimizer: the published optimiser settings.
        n_critic: discriminator steps for each generator step.
    """

    optimizer: Optimizer = Optimizer()
    n_critic: PositiveInt = 1

    name: ClassVar[str] = ""
    conditional: ClassVar[bool] = False
    """Whether generator and discriminator are built to take labels."""
    differentiates_real: ClassVar[bool] = False
    """Whether a discriminator step differentiates logits with respect to the real images."""
    differentiates_fake: ClassVar[bool] = False
    """Whether it differentiates them with respect to the generated images."""
    relative: ClassVar[bool] = False
    """Whether the loss compares logits with each other, so that the generator needs real images."""
    mixes_batch: ClassVar[bool] = False
    """Whether the discriminator's outputs depend on the rest of the batch."""

    # -- the networks ---------------------------------------------------------------------------

    def generator_network(self, network: Network, spec: Spec) -> Generator:
        """The generator; a conditional loss may build its own."""
        return network.generator(spec)

    def discriminator_network(self, network: Network, spec: Spec) -> Critic:
        """The discriminator; an auto-encoding critic builds its own from the same parts."""
        return network.discriminator(spec)

    def modules(self, network: Network, spec: Spec, discriminator: Critic) -> dict[str, nn.Module]:
        """Modules beside the two networks: an encoder, a code head, buffers for state.

        The spec is that of the data; a head on the discriminator's features takes its `width`, and
        its `spec` says how many samples it sees at once. They are trained by the generator's
        optimiser unless `discriminator_modules` names them, saved with the run, and reached as
        `step.modules[name]`.
        """
        return {}

    discriminator_modules: ClassVar[tuple[str, ...]] = ()
    """The modules that are trained by the discriminator's optimiser."""
    shared_modules: ClassVar[tuple[str, ...]] = ()
    """The modules that both optimisers train."""
    evaluated_modules: ClassVar[tuple[str, ...]] = ()
    """The modules that snapshots keep, for `evidence` and `pictures`."""

    def latent(self, n: int, size: int, rng: torch.Generator) -> Tensor:
        """The generator's noise, (n, size); N(0, I) unless a loss is defined on another."""
        import torch

        return torch.randn(n, size, generator=rng, device=rng.device)

    def score(self, output: Tensor, images: Tensor) -> Tensor:
        """The discriminator's output as one number for each image, (N,), larger for real.

        The identity for a network that gives logits; an auto-encoding critic gives minus the
        reconstruction error. Penalties and relativistic tricks work on this.
        """
        return output

    # -- the steps ------------------------------------------------------------------------------

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """Numbers of its own that change from step to step, read by `step.scheduled`."""
        return {}

    @abstractmethod
    def discriminator(self, step: Step) -> Tensor:
        """What the discriminator minimises in one step, a scalar."""

    @abstractmethod
    def generator(self, step: Step) -> Tensor:
        """What the generator minimises in one step, a scalar."""

    def constrain(self, parameter: Tensor) -> Tensor:
        """What `after_discriminator` makes of one of the discriminator's parameters.

        As a function with a gradient, for steps that are looked ahead (`steps.lookahead`).
        """
        return parameter

    def after_discriminator(self, step: Step) -> None:
        """Called after each discriminator step: weight clipping, BEGAN's k."""

    # -- evaluation -----------------------------------------------------------------------------

    def evidence(self, snapshot: Snapshot) -> dict[str, Any]:
        """What this loss lets be measured beside its samples: fields of `metrics.Comparison`."""
        return {}

    def pictures(self, snapshot: Snapshot) -> dict[str, Tensor]:
        """Pictures of this loss's own, (rows, columns, *shape) each, as networks see images."""
        return {}


@dataclass
class LogitLoss(Loss):
    """A loss of logits alone: two pure functions."""

    @abstractmethod
    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """From logits on real and on generated images, (N,) each, a scalar."""

    @abstractmethod
    def generator_loss(self, fake: Tensor) -> Tensor:
        """From logits on generated images, (N,), a scalar."""

    def relative_generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The generator's loss where logits are compared with each other.

        The generator takes the discriminator's part with the roles swapped, and both halves count
        (Jolicoeur-Martineau 2018, arXiv:1807.00734, the non-saturating form, section 3.3).
        """
        return self.discriminator_loss(fake, real)

    def discriminator(self, step: Step) -> Tensor:
        """The discriminator's function of the step's logits."""
        return self.discriminator_loss(*step.logits)

    def generator(self, step: Step) -> Tensor:
        """The generator's function of the step's logits."""
        if step.relative:
            return self.relative_generator_loss(*step.logits)
        return self.generator_loss(step.fake_logits)
