"""What a trick is: anything that goes on top of any loss. One file in this folder is one trick.

A trick overrides the hooks that it needs; the others are the identity and cost nothing. Tricks of a
combination (`[spectral-norm, ttur]`) fold from left to right: each takes what the one before gave.
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
        paper: the source. tip: what it promises, in a line.
        requires: {what the data set, the network or the loss must provide: reason}.
        incompatible: {name of a loss, trick, network or data set: reason}.
        combines: names of the tricks that this one is, in order. It needs no code of its own; a
            study changes the settings of its parts.
        extractors: extractors that training needs, fitted to the data set; in a step as
            `step.state.extractors[name]`.
        logs: columns of the history that it adds.
        batch_multiple_of: the name of the setting that the batch must be a multiple of.
    """

    name: ClassVar[str] = ""
    relative: ClassVar[bool] = False
    """Whether logits are compared with each other, so that a generator step needs real images."""
    differentiates_real: ClassVar[bool] = False
    """Whether the penalty differentiates the logits with respect to the real images."""
    differentiates_fake: ClassVar[bool] = False
    """Whether the penalty differentiates the logits with respect to the generated images."""
    mixes_batch: ClassVar[bool] = False
    """Whether the discriminator's outputs depend on the rest of the batch."""

    @classmethod
    def overrides(cls, hook: str) -> bool:
        """Whether this trick has a hook of its own in place of the identity."""
        return getattr(cls, hook) is not getattr(Trick, hook)

    # -- data and view --------------------------------------------------------------------------

    def data(self, images: Tensor, step: Step) -> Tensor:
        """Change what training takes for real data, (N, ...): images of a lower resolution."""
        return images

    def view(self, images: Tensor, step: Step) -> Tensor:
        """Change what the discriminator sees of real and generated images: noise, packing."""
        return images

    def class_labels(self, labels: Tensor) -> Tensor:
        """Change the labels that a conditional discriminator sees, from one for each sample."""
        return labels

    def discriminator_spec(self, spec: Spec) -> Spec:
        """Change what the discriminator is built for: packing widens its input."""
        return spec

    # -- networks -------------------------------------------------------------------------------

    def generator_network(
        self, make: Callable[[Spec], Generator], network: Network
    ) -> Callable[[Spec], Generator]:
        """Wrap what builds the generator from the data's spec: stacking builds two.

        The network initialises what is built. The discriminator's takes what it is to see.
        """
        return make

    def discriminator_network(
        self, make: Callable[[Spec], Critic], network: Network
    ) -> Callable[[Spec], Critic]:
        """Wrap what builds the discriminator."""
        return make

    def networks(self, generator: Any, discriminator: Any) -> tuple[Any, Any]:
        """Change or replace the built networks: spectral normalisation, attention.

        They are initialised already; what is added initialises itself, from torch's global
        generator, which is keyed here.
        """
        return generator, discriminator

    # -- objective ------------------------------------------------------------------------------

    def logits(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Change the logits that the loss sees, from (N,) each."""
        return real, fake

    def penalty(self, step: Step) -> Tensor | float:
        """Add a term to the discriminator's loss."""
        return 0.0

    def wrap_generator_loss(self, loss: Callable[[Step], Tensor]) -> Callable[[Step], Tensor]:
        """Wrap the function that gives the generator's loss: unrolling."""
        return loss

    # -- schedule -------------------------------------------------------------------------------

    def optimizer(self, settings: Optimizer) -> Optimizer:
        """Change the optimisers' settings."""
        return settings

    def n_critic(self, n: int) -> int:
        """Change the number of discriminator steps for each generator step."""
        return n

    def learning_rate(self, progress: float) -> float:
        """Give a factor on both learning rates, by the share of the budget used, in [0, 1)."""
        return 1.0

    def scheduled(self, moment: Moment) -> dict[str, float]:
        """Give numbers of its own that change from step to step, read by `step.scheduled`."""
        return {}

    def stage(self, numbers: Mapping[str, float], networks: tuple[nn.Module, ...]) -> None:
        """Change the networks before a step: growing.

        Args:
            numbers: what `scheduled` gave for the step.
            networks: all that are trained or kept: discriminator, generator, its average. What is
                changed belongs to their state (buffers, extra state), as evaluation must see it.
        """

    # -- state ----------------------------------------------------------------------------------

    def modules(
        self, generator: nn.Module, discriminator: nn.Module, evaluated: dict[str, nn.Module]
    ) -> dict[str, nn.Module]:
        """Add state that is saved with the run: averaged weights, moving averages of logits.

        They are not trained. Reached as `step.modules[name]`.

        Args:
            generator: as it is trained; likewise the discriminator.
            discriminator: likewise.
            evaluated: the loss's modules that are evaluated with the generator, by name.
        """
        return {}

    def after_discriminator(self, step: Step) -> None:
        """Update state after each discriminator step, after the loss's own hook."""

    def after_generator(self, step: Step) -> None:
        """Update state after each generator step: averaging of weights."""

    # -- evaluation -----------------------------------------------------------------------------

    def generator_for_evaluation(self, generator: nn.Module, modules: nn.ModuleDict) -> nn.Module:
        """Choose the generator that snapshots keep and evaluation samples from."""
        return generator

    def modules_for_evaluation(
        self, evaluated: dict[str, nn.Module], modules: nn.ModuleDict
    ) -> dict[str, nn.Module]:
        """Choose the loss's modules that snapshots keep beside the generator, by name."""
        return evaluated


HOOKS = {
    "data and view": ("data", "view", "class_labels", "discriminator_spec"),
    "networks": ("generator_network", "discriminator_network", "networks"),
    "objective": ("logits", "penalty", "wrap_generator_loss"),
    "schedule": ("optimizer", "n_critic", "learning_rate", "scheduled", "stage"),
    "state": ("modules", "after_discriminator", "after_generator"),
    "evaluation": ("generator_for_evaluation", "modules_for_evaluation"),
}
"""The hooks in groups, for the table in CONTRIBUTING.md."""
