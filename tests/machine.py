"""What a test sees of the machine's GPUs: none, but for the tests that are marked `gpu`.

A test that is not marked asserts what holds on any machine, so it must be the same test on all:
`device: auto` is the CPU, no place on a GPU is waited for, and bits do not depend on a GPU's kernels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from ganlore.execution import gpu_slots

REASON = "no GPU: torch finds none on this machine (torch.cuda.is_available())"


@contextmanager
def without_gpus() -> Iterator[None]:
    """Hide the machine's GPUs, from this process and from all that it starts.

    The variable is what a user would set; CUDA reads it once in a process, so that one which has
    used a GPU already (for a test that is marked) is answered by torch's own functions.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(gpu_slots.VISIBLE, "")
        patch.setattr(torch.cuda, "is_available", lambda: False)
        patch.setattr(torch.cuda, "device_count", lambda: 0)
        yield
