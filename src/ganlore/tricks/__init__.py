"""The interface of a trick, a change of training that any loss can have. Each file is one trick.

A trick overrides the hooks that it needs; the others are the identity and cost nothing. The tricks
of a combination (`[spectral-norm, ttur]`) apply from left to right, each to the result before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ganlore.settings import Optimizer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ganlore.networks import Critic, Generator, Network, Spec
    from ganlore.steps import Moment, Step

__all__ = ["HOOKS", "Optimizer", "Trick"]


@dataclass
class Trick:
    """A trick; its annotated attributes are settings, the others are facts.

    Facts (literals):
        paper: the source. tip: the idea, in a line.
        requires: {property of the data set, the network or the loss: reason}.
        incompatible: {name of a loss, trick, network or data set: reason}.
        combines: names of the tricks that make up this one, in order. Such a trick has no code; a
            study changes the settings of its parts.
        extractors: feature extractors that training needs, fitted to the data set; a step has them
            as `step.state.extractors[name]`.
        logs: columns that it adds to the history.
        no_effect: {setting: when changing it changes no result}.
        deviations: where it differs from its paper, a tuple of sentences; empty: as published.
        published: {setting: its value under the policy `published`}, where the default, which is
            that of the policy `shared`, suits small data.
        acts_unless: {setting: another setting that, if it is not None, takes its place}.
        acts_after: {setting: (unit, setting, divisor)}: it acts once the generator has made that
            many "images" or "steps"; the divisor, another setting, may be left out.
        batch_multiple_of: name of a setting; the batch size must be a multiple of its value.
    """

    name: ClassVar[str] = ""
    deviations: ClassVar[tuple[str, ...]] = ()
    published: ClassVar[dict[str, Any]] = {}
    relative: ClassVar[bool] = False
    """Whether real and generated logits are compared, so that the generator needs real images."""
    differentiates_real: ClassVar[bool] = False
    """Whether the penalty uses gradients with respect to the real images."""
    differentiates_fake: ClassVar[bool] = False
    """Whether the penalty uses gradients with respect to the generated images."""
    mixes_batch: ClassVar[bool] = False
    """Whether the discriminator's outputs depend on the rest of the batch."""
    augments: ClassVar[bool] = False
    """Whether `view` augments: penalties on real or generated samples differentiate through it,
    with respect to the image before it. A view that draws random numbers augments."""

    @classmethod
    def overrides(cls, hook: str) -> bool:
        """Whether this trick overrides a hook."""
        return getattr(cls, hook) is not getattr(Trick, hook)

    # -- data and view --------------------------------------------------------------------------

    def data(self, images: Tensor, step: Step) -> Tensor:
        """Change the real data of training, (N, ...): images of a lower resolution."""
        return images

    def view(self, images: Tensor, step: Step) -> Tensor:
        """Change the discriminator's input, real and generated alike: augmentation, packing."""
        return images

    def class_labels(self, labels: Tensor) -> Tensor:
        """Change the class labels that a conditional discriminator receives, (N,) at first."""
        return labels

    def discriminator_spec(self, spec: Spec) -> Spec:
        """Change the discriminator's spec: packing widens its input."""
        return spec

    # -- networks -------------------------------------------------------------------------------

    def generator_network(
        self, make: Callable[[Spec], Generator], network: Network
    ) -> Callable[[Spec], Generator]:
        """Wrap the function that builds the generator from the data's spec: stacking builds two.

        The network family initialises the result afterwards.
        """
        return make

    def discriminator_network(
        self, make: Callable[[Spec], Critic], network: Network
    ) -> Callable[[Spec], Critic]:
        """Wrap the function that builds the discriminator from `discriminator_spec`."""
        return make

    def networks(self, generator: Any, discriminator: Any) -> tuple[Any, Any]:
        """Change or replace the initialised networks: spectral normalisation, attention.

        Added layers initialise themselves from torch's global generator, which is seeded here.
        """
        return generator, discriminator

    # -- objective ------------------------------------------------------------------------------

    def logits(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Change the logits that the loss receives, (N,) each: relativistic tricks."""
        return real, fake

    def penalty(self, step: Step) -> Tensor | float:
        """Add a term to the discriminator's loss."""
        return 0.0

    def wrap_generator_loss(self, loss: Callable[[Step], Tensor]) -> Callable[[Step], Tensor]:
        """Wrap the function that computes the generator's loss: unrolling."""
        return loss

    # -- schedule -------------------------------------------------------------------------------

    def optimizer(self, settings: Optimizer) -> Optimizer:
        """Change the settings of the optimisers."""
        return settings

    def n_critic(self, n: int) -> int:
        """Change the number of discriminator steps per generator step."""
        return n

    def learning_rate(self, progress: float) -> float:
        """Return a factor on both learning rates, for the share of the budget used, in [0, 1)."""
        return 1.0

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """Return values that the trick schedules, by name, for `step.scheduled`."""
        return {}

    def stage(self, numbers: Mapping[str, float], networks: tuple[nn.Module, ...]) -> None:
        """Change the networks before a step: growing.

        Args:
            numbers: what `scheduled` returned for the step.
            networks: discriminator, generator and, if different, the evaluated generator. A change
                must be part of their saved state (buffers, extra state), for evaluation.
        """

    # -- state ----------------------------------------------------------------------------------

    def modules(
        self, generator: nn.Module, discriminator: nn.Module, evaluated: dict[str, nn.Module]
    ) -> dict[str, nn.Module]:
        """Add modules that are saved but not trained: averaged weights, moving averages of logits.

        A step has them as `step.modules[name]`.

        Args:
            generator: the trained generator.
            discriminator: the trained discriminator.
            evaluated: the loss's modules that are evaluated with the generator, by name.
        """
        return {}

    def after_discriminator(self, step: Step) -> None:
        """Update state after each discriminator step, after the loss's own hook."""

    def after_generator(self, step: Step) -> None:
        """Update state after each generator step: averaging of weights."""

    # -- evaluation -----------------------------------------------------------------------------

    def generator_for_evaluation(self, generator: nn.Module, modules: nn.ModuleDict) -> nn.Module:
        """Choose the generator for snapshots and evaluation."""
        return generator

    def modules_for_evaluation(
        self, evaluated: dict[str, nn.Module], modules: nn.ModuleDict
    ) -> dict[str, nn.Module]:
        """Choose the loss's modules for snapshots and evaluation, by name."""
        return evaluated


HOOKS = {
    "data and view": ("data", "view", "class_labels", "discriminator_spec"),
    "networks": ("generator_network", "discriminator_network", "networks"),
    "objective": ("logits", "penalty", "wrap_generator_loss"),
    "schedule": ("optimizer", "n_critic", "learning_rate", "scheduled", "stage"),
    "state": ("modules", "after_discriminator", "after_generator"),
    "evaluation": ("generator_for_evaluation", "modules_for_evaluation"),
}
"""The groups of hooks, for the table in CONTRIBUTING.md."""
