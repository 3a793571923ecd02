"""A GPU in records and messages: its name, and that its memory was too small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ganlore.errors import GanloreError

if TYPE_CHECKING:
    from ganlore.study.run import Run

SHORT = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
"""How libraries that allocate by themselves say that a GPU has no memory left."""


@contextmanager
def memory_explained(run: Run) -> Iterator[None]:
    """Explain a GPU's lack of memory: which run asked for it, and what may be lowered.

    Raises:
        GanloreError: in place of torch's error.
    """
    try:
        yield
    except RuntimeError as error:
        if not short_of_memory(error):
            raise
        width = run.network.settings.get("width")
        network = f"{run.network.name}'s width" + (f" (now {width})" if width else "")
        raise GanloreError(
            f"run {run.id}: the GPU has too little memory for training.batch = "
            f"{run.training.batch}\n  {_asked(str(error))}{_used()}\n"
            f"  lower training.batch, or settings.networks: {network}, or the runs that share a "
            "GPU (GANLORE_RUNS_PER_GPU)"
        ) from error


def short_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it explains, is a GPU's lack of memory."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    if isinstance(error, GanloreError):
        return short_of_memory(error.__cause__)
    return isinstance(error, RuntimeError) and any(word in str(error) for word in SHORT)


def _asked(text: str) -> str:
    """What torch says of memory: how much was wanted, how much the GPU has. Not its advice."""
    return text.split(" If reserved but unallocated", maxsplit=1)[0].strip().splitlines()[0]


def _used() -> str:
    """The most that this process held, and what the GPU has; nothing where none is in use."""
    if not torch.cuda.is_initialized():
        return ""
    held = torch.cuda.max_memory_reserved() / 2**20
    free, total = (part / 2**20 for part in torch.cuda.mem_get_info())
    return f"\n  this run held {held:,.0f} MiB; of the GPU's {total:,.0f} MiB, {free:,.0f} are free"


def name(device: torch.device) -> str:
    """A device in a record: `cpu`, or a GPU's kind and name, `cuda: NVIDIA H100`."""
    if device.type != "cuda":
        return str(device)
    return f"{device}: {torch.cuda.get_device_name(device)}"
