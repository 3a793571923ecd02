"""SAGAN's recipe: self-attention, spectral normalisation of both networks, two time scales."""

from ganlore.tricks import Trick


class SelfAttentionGan(Trick):
    """Self-attention, spectral normalisation of both networks and two time scales, together.

    Attention comes before normalisation, so that its layers are normalised too.
    """

    paper = "arXiv:1805.08318"
    deviations = (
        "Attention is at half resolution, where the paper has it on 32x32 feature maps of "
        "128x128 images.",
        "The two rates are four times apart around the study's; the paper's are 1e-4 and 4e-4.",
    )
    tip = "attention, normalised networks and a faster discriminator together"
    combines = ("self-attention", "spectral-norm-both", "ttur")


TRICK = SelfAttentionGan
