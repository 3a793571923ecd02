"""Randomness by key: what is drawn depends on (seed, purpose, step) and on nothing else.

No generator state is saved and none is shared, so a resumed run draws what an undisturbed one
would have drawn, and a run does not depend on what ran beside it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_of(seed: int, *key: str | int) -> int:
    """A stable 63-bit seed for a purpose: SHA-256 of the seed and the key.

    Python's own `hash` differs between processes, and sums of seeds collide.
    """
    text = "\x1f".join(str(part) for part in (seed, *key))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *key: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """A torch generator for a purpose, for example `generator(seed, "latent", step)`."""
    return torch.Generator(device=device).manual_seed(seed_of(seed, *key))


def seed_globals(seed: int, *key: str | int) -> None:
    """Key torch's global generators, for library code that takes no generator of its own.

    Not `torch.manual_seed`: without a GPU in use that records a stack trace at each call, which
    costs a tenth of a small training step.
    """
    value = seed_of(seed, *key)
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(value)


@contextmanager
def scope(seed: int, *key: str | int) -> Iterator[None]:
    """Key the global generators inside the block, and restore them after it.

    For library code that takes no generator, such as the start vectors of spectral normalisation.
    """
    with torch.random.fork_rng():
        seed_globals(seed, *key)
        yield
