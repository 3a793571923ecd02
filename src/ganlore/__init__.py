"""Measures the lore of GAN training: every loss x every trick x every seed, on equal terms."""

__version__ = "0.2.0"
