"""One number of threads for everything that is measured, whatever the environment says.

Sums and products are split among threads, so that their last bits depend on how many there are.
Each library has a number of its own, from variables such as OMP_NUM_THREADS or from the machine's
cores: torch, and the BLAS libraries of numpy and of scipy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

THREADS = 1
"""Of evaluations and of all that they compare with, in every study: jobs run side by side."""


@contextmanager
def fixed() -> Iterator[None]:
    """Compute with `THREADS` threads inside, in torch and in every BLAS library."""
    import scipy.linalg  # noqa: F401  # it has a BLAS of its own, and only loaded ones are limited
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with threadpool_limits(THREADS):
            yield
    finally:
        torch.set_num_threads(before)
