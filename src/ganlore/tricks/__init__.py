"""What a trick is: anything that goes on top of any loss. One file in this folder is one trick.

A trick overrides the hooks that it needs; the others are the identity and cost nothing. Tricks of a
combination (`[spectral-norm, ttur]`) fold from left to right: each takes what the one before gave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ganlore.settings import Optimizer

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ganlore.networks import Critic, Generator, Network, Spec
    from ganlore.steps.step import Game

__all__ = ["Optimizer", "Trick"]


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
            `game.player.extractors[name]`.
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

    # -- before training ------------------------------------------------------------------------

    def optimizer(self, settings: Optimizer) -> Optimizer:
        """The optimisers' settings."""
        return settings

    def n_critic(self, n: int) -> int:
        """Discriminator steps for each generator step."""
        return n

    def discriminator_spec(self, spec: Spec) -> Spec:
        """What the discriminator is built for: packing widens its input."""
        return spec

    def generator_network(
        self, make: Callable[[Spec], Generator], network: Network
    ) -> Callable[[Spec], Generator]:
        """What builds the generator from the data's spec: stacking builds two.

        The network initialises what is built. The discriminator's takes what it is to see.
        """
        return make

    def discriminator_network(
        self, make: Callable[[Spec], Critic], network: Network
    ) -> Callable[[Spec], Critic]:
        """What builds the discriminator."""
        return make

    def networks(self, generator: Any, discriminator: Any) -> tuple[Any, Any]:
        """The networks, changed in place or replaced: spectral normalisation, attention.

        They are initialised already; what is added initialises itself, from torch's global
        generator, which is keyed here.
        """
        return generator, discriminator

    def modules(
        self, generator: nn.Module, discriminator: nn.Module, evaluated: dict[str, nn.Module]
    ) -> dict[str, nn.Module]:
        """State that is saved with the run: averaged weights, moving averages of logits.

        They are not trained. Reached as `game.modules[name]`.

        Args:
            generator: as it is trained; likewise the discriminator.
            discriminator: likewise.
            evaluated: the loss's modules that are evaluated with the generator, by name.
        """
        return {}

    def learning_rate(self, progress: float) -> float:
        """A factor on both learning rates, by the share of the budget used, in [0, 1)."""
        return 1.0

    # -- in a step ------------------------------------------------------------------------------

    def stage(self, progress: float, networks: tuple[nn.Module, ...]) -> None:
        """Called before each step, to change the networks with time: growing.

        Args:
            progress: the share of the budget used, in [0, 1).
            networks: all that are trained or kept: discriminator, generator, its average. What is
                changed belongs to their state (buffers, extra state), as evaluation must see it.
        """

    def data(self, images: Tensor) -> Tensor:
        """What training takes for real data, (N, ...): images of a lower resolution, growing."""
        return images

    def view(self, images: Tensor, game: Game) -> Tensor:
        """What the discriminator sees of real and of generated images: noise, packing."""
        return images

    def condition(self, labels: Tensor) -> Tensor:
        """The labels that a conditional discriminator is told, from one for each sample."""
        return labels

    def logits(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The logits that the loss sees, from (N,) each."""
        return real, fake

    def penalty(self, game: Game) -> Tensor | float:
        """Added to the discriminator's loss."""
        return 0.0

    def generator_step(self, step: Callable[[Game], Tensor]) -> Callable[[Game], Tensor]:
        """Wrap the function that gives the generator's loss: unrolling."""
        return step

    def after_discriminator(self, game: Game) -> None:
        """Called after each discriminator step, the loss's own hook included: moving averages."""

    def after_generator(self, game: Game) -> None:
        """Called after each generator step: averaging of weights."""

    # -- after training -------------------------------------------------------------------------

    def generator_for_evaluation(self, generator: nn.Module, modules: nn.ModuleDict) -> nn.Module:
        """The generator that snapshots keep and evaluation samples from."""
        return generator

    def modules_for_evaluation(
        self, evaluated: dict[str, nn.Module], modules: nn.ModuleDict
    ) -> dict[str, nn.Module]:
        """The loss's modules that snapshots keep beside the generator, by name."""
        return evaluated


HOOKS: dict[str, tuple[str, ...]] = {
    "data and view": ("data", "view", "condition", "discriminator_spec"),
    "networks": ("generator_network", "discriminator_network", "networks"),
    "objective": ("logits", "penalty", "generator_step"),
    "schedule": ("optimizer", "n_critic", "learning_rate", "stage"),
    "state": ("modules", "after_discriminator", "after_generator"),
    "evaluation": ("generator_for_evaluation", "modules_for_evaluation"),
}
"""The hooks of a trick, by what they change."""
