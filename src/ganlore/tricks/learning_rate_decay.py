"""Linear decay of both learning rates to 0."""

from dataclasses import dataclass

from ganlore.settings import Fraction
from ganlore.tricks import Trick


@dataclass
class LearningRateDecay(Trick):
    """Both learning rates are constant at first, then decay linearly to 0.

    CycleGAN keeps its rate for half of the epochs and decays it over the other half. With `start`
    at 0 the rates decay from the first step, as for WGAN-GP's residual networks (arXiv:1704.00028).
    If the optimiser has its own schedule, the factors multiply.
    """

    paper = "arXiv:1703.10593"
    deviations = ()
    tip = "learning rates decay to 0"
    start: Fraction = 0.5

    def learning_rate(self, progress: float) -> float:
        """1 up to `start`, then linear to 0 at the end of the budget."""
        return min(1.0, (1 - progress) / (1 - self.start))


TRICK = LearningRateDecay
