"""Both learning rates end at 0."""

from dataclasses import dataclass

from ganlore.settings import Fraction
from ganlore.tricks import Trick


@dataclass
class LearningRateDecay(Trick):
    """Both learning rates are constant at first, and then fall to 0 along a straight line.

    CycleGAN keeps its rate for the first half of the epochs and takes it linearly to 0 over the
    second. With `start` at 0 they fall from the first step on, as those of WGAN-GP's residual
    networks (arXiv:1704.00028). Where an optimiser has a schedule of its own, both factors count.
    """

    paper = "arXiv:1703.10593"
    tip = "learning rates that end at 0"
    start: Fraction = 0.5

    def learning_rate(self, progress: float) -> float:
        """1 up to `start`, and from there the share that is left of what came after it."""
        return min(1.0, (1 - progress) / (1 - self.start))


TRICK = LearningRateDecay
