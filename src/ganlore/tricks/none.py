"""No trick: the plain loss, which every trick is compared with."""

from ganlore.tricks import Trick


class Plain(Trick):
    """The plain loss."""

    paper = "-"
    tip = "the loss alone"


TRICK = Plain
