"""Random numbers by key: they depend on (seed, purpose, step) and on nothing else.

No generator state is saved or shared, so a resumed run draws the same numbers as an uninterrupted
one, and a run does not depend on others in the same process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_of(seed: int, *key: str | int) -> int:
    """A 63-bit seed for a purpose, from the SHA-256 of the seed and the key.

    Python's `hash` differs between processes, and sums of seeds collide.
    """
    text = "\x1f".join(str(part) for part in (seed, *key))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *key: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """A torch generator for a purpose, for example `generator(seed, "latent", step)`."""
    return torch.Generator(device=device).manual_seed(seed_of(seed, *key))


def seed_globals(seed: int, *key: str | int) -> None:
    """Seed torch's global generators by key, for library code without a generator argument.

    Not with `torch.manual_seed`, which without a GPU in use records a stack trace at each call and
    costs a tenth of a small training step.
    """
    value = seed_of(seed, *key)
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(value)


@contextmanager
def scope(seed: int, *key: str | int) -> Iterator[None]:
    """Seed the global generators by key inside the block, and restore them after it.

    For library code without a generator argument, such as spectral normalisation's initial vectors.
    """
    with torch.random.fork_rng():
        seed_globals(seed, *key)
        yield
