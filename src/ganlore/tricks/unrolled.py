"""Unrolled GAN: the generator answers the discriminator that comes after k steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from ganlore.settings import NonNegativeInt
from ganlore.steps.lookahead import Ahead
from ganlore.tricks import Trick

if TYPE_CHECKING:
    from ganlore.steps import Step


@dataclass
class Unrolled(Trick):
    """The generator's loss is that against a discriminator k steps ahead, through those steps.

    They are steps of the run's own optimiser from its present state, down the discriminator's
    whole objective, penalties and constraints included. As in the authors' code, which replaces
    the parameters in one graph, all k see the step's own real batch and noise. The discriminator
    itself makes its one ordinary step, in its own turn. What learns or moves beside it (InfoGAN's
    Q, BEGAN's k) is held as it is meanwhile.
    """

    paper = "arXiv:1611.02163"
    tip = "the generator answers a discriminator k steps ahead"
    k: NonNegativeInt = 5

    def wrap_generator_loss(self, loss: Callable[[Step], Tensor]) -> Callable[[Step], Tensor]:
        """Equation 10: f(theta_G, theta_D^k(theta_G, theta_D)), by equations 7 to 9."""
        return partial(self._ahead, loss) if self.k else loss

    def _ahead(self, loss: Callable[[Step], Tensor], step: Step) -> Tensor:
        state = step.state
        ahead = Ahead(step.discriminator, state.optimizers[1], state.loss.constrain)
        with self._held(step):
            for _ in range(self.k):
                ahead.step(step.look_ahead(ahead.critic).discriminator_loss())
        step.use_discriminator(ahead.critic)
        return loss(step)

    @staticmethod
    @contextmanager
    def _held(step: Step) -> Iterator[None]:
        """Keep modules that learn with the discriminator constant in the steps ahead.

        Else they would learn, through those steps, to lead the discriminator astray.
        """
        loss = step.state.loss
        names = (*loss.discriminator_modules, *loss.shared_modules)
        held = [p for name in names for p in step.modules[name].parameters() if p.requires_grad]
        for parameter in held:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in held:
                parameter.requires_grad_()


TRICK = Unrolled
