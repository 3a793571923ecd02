"""Unrolled GAN: the generator's loss is against the discriminator after k further steps."""

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
    """The generator's loss is against a discriminator unrolled by k steps, and differentiates them.

    The k steps use the run's optimiser from its current state and the discriminator's whole
    objective, penalties and constraints included. As in the authors' code, all k use the same real
    batch and noise. The discriminator itself is updated as usual, by one step. Other modules
    (InfoGAN's Q, BEGAN's k) stay constant during the unrolled steps.
    """

    paper = "arXiv:1611.02163"
    deviations = (
        "Networks, rates and k are the study's; those of the paper's experiments were not checked.",
    )
    tip = "the generator's loss is against a discriminator k steps ahead"
    k: NonNegativeInt = 5

    def wrap_generator_loss(self, loss: Callable[[Step], Tensor]) -> Callable[[Step], Tensor]:
        """Equation 10: f(theta_G, theta_D^k(theta_G, theta_D)), by equations 7 to 9."""
        return partial(self._unrolled_loss, loss) if self.k else loss

    def _unrolled_loss(self, loss: Callable[[Step], Tensor], step: Step) -> Tensor:
        state = step.state
        ahead = Ahead(step.discriminator, state.optimizers[1], state.loss.constrain)
        with self._frozen(step):
            for _ in range(self.k):
                ahead.step(step.look_ahead(ahead.critic).discriminator_loss())
        step.use_discriminator(ahead.critic)
        return loss(step)

    @staticmethod
    @contextmanager
    def _frozen(step: Step) -> Iterator[None]:
        """Freeze modules that are trained with the discriminator during the unrolled steps.

        Otherwise the generator's loss would train them, through those steps, to mislead the
        discriminator.
        """
        loss = step.state.loss
        names = (*loss.discriminator_modules, *loss.shared_modules)
        frozen = [p for name in names for p in step.modules[name].parameters() if p.requires_grad]
        for parameter in frozen:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in frozen:
                parameter.requires_grad_()


TRICK = Unrolled
