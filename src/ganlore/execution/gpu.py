"""A GPU in records and messages: its name, that its memory was too small, that it failed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from ganlore.errors import GanloreError
from ganlore.execution import gpu_slots

if TYPE_CHECKING:
    from ganlore.study.run import Run

SHORT = (
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUDA error: out of memory",
)
"""How libraries that allocate by themselves say that a GPU has no memory left."""

FOREIGN = 2**30
"""Bytes beyond which memory that this process does not hold is another's: a process needs up to
half of this beside its tensors, for its kernels and its libraries."""

LOST = {
    "uncorrectable ECC error": (
        "its memory is damaged",
        "`nvidia-smi -q -d ECC` tells how much; have it reset, or leave it out by "
        "CUDA_VISIBLE_DEVICES",
    ),
    "busy or unavailable": (
        "another process has it to itself",
        "`nvidia-smi` names that process and the compute mode; wait for its end, or choose another "
        "GPU by CUDA_VISIBLE_DEVICES",
    ),
    **dict.fromkeys(
        (
            "no CUDA-capable device is detected",
            "unspecified launch failure",
            "launch timed out",
            "device lost",
            "GPU is lost",
            "hardware stack error",
            "invalid device ordinal",
            "CUDA driver error",
            "CUDA error: unknown error",
            "CUDA unknown error",
            "CUDNN_STATUS_EXECUTION_FAILED",
            "CUBLAS_STATUS_EXECUTION_FAILED",
            "driver shutting down",
            "system not yet initialized",
            "NVLink error",
        ),
        (
            "it has vanished, or its driver failed",
            "`nvidia-smi` tells whether it is there, the system's log (`dmesg`, lines with Xid) "
            "what happened",
        ),
    ),
}
"""What CUDA says when a GPU fails, and not the code: what that means, and where to look."""


@contextmanager
def failure_explained(what: str, run: Run | None = None) -> Iterator[None]:
    """Explain that a GPU failed, or has too little memory, in any job that uses one.

    An error of a computation (an index out of bounds, say) is a bug, and stays what it is.

    Args:
        what: the job, for example `run ring/mlp/hinge/none/base/seed0`.
        run: the run that is trained, for what may be lowered.

    Raises:
        GanloreError: in place of torch's error.
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if short_of_memory(error):
            asked, lower = _lower(run)
            raise GanloreError(
                f"{what}: the GPU has too little memory{asked}\n  {_asked(text)}{_used()}\n"
                f"  {lower}"
            ) from error
        reasons = [reason for words, reason in LOST.items() if words.lower() in text.lower()]
        if not reasons:
            raise
        meaning, where = reasons[0]
        raise GanloreError(
            f"{what}: the GPU{_visible()} failed: {meaning}\n  {text.strip().splitlines()[0]}\n"
            f"  {where}\n  nothing half-written is left: start snakemake again once the GPU works; "
            "a run goes on from its last saved state"
        ) from error


def _lower(run: Run | None) -> tuple[str, str]:
    """What a job asked memory for, and what may be lowered."""
    if run is None:
        lower = f"let fewer jobs share a GPU ({gpu_slots.SHARE}), or set the device to cpu"
        return "", lower
    width = run.network.settings.get("width")
    network = f"{run.network.name}'s width" + (f" (now {width})" if width else "")
    return (
        f" for training.batch = {run.training.batch}",
        f"lower training.batch, or settings.networks: {network}, or the runs that share a GPU "
        f"({gpu_slots.SHARE})",
    )


def _visible() -> str:
    """The GPU that this process may use, as its place named it; torch must not be asked now."""
    visible = os.environ.get(gpu_slots.VISIBLE, "")
    return f" {visible}" if visible else ""


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
    """What this process held, what others hold, what is free; nothing where no GPU is in use."""
    if not torch.cuda.is_initialized():
        return ""
    held = torch.cuda.max_memory_reserved()
    free, total = torch.cuda.mem_get_info()
    others = total - free - torch.cuda.memory_reserved()
    text = (
        f"\n  this run held {_mib(held)}; of the GPU's {_mib(total)}, {_mib(free)} are free and "
        f"{_mib(max(0, others))} are held by others"
    )
    if others > FOREIGN:
        text += (
            "\n  others are runs that share this GPU, and programs that are not ganlore's: "
            "`nvidia-smi` names them; end them, or choose another GPU by CUDA_VISIBLE_DEVICES"
        )
    return text


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"


def name(device: torch.device) -> str:
    """A device in a record: `cpu`, or a GPU's kind and name, `cuda: NVIDIA H100`."""
    if device.type != "cuda":
        return str(device)
    return f"{device}: {torch.cuda.get_device_name(device)}"
