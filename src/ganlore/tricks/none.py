"""No trick: the plain loss, the baseline of every trick."""

from ganlore.tricks import Trick


class Plain(Trick):
    """The plain loss."""

    paper = "-"
    deviations = ()
    tip = "the loss alone"


TRICK = Plain
