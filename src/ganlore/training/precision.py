"""How arithmetic is done: precision, memory layout, kernels.

The one place that knows `training.precision`, `channels_last` and `deterministic`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils.parametrize import ParametrizationList

if TYPE_CHECKING:
    from ganlore.study.schema import Training

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""What cuBLAS needs to be told before its first product to be deterministic, `:4096:8`."""


@contextmanager
def kernels(training: Training) -> Iterator[None]:
    """Choose kernels as a run's settings say, and as they were again afterwards.

    A GPU's convolutions would be TF32 by torch's default; fp32 here means it, as do the parts of
    bf16 that stay fp32. Without `deterministic`, cuDNN times its kernels at the first step of each
    shape and takes the fastest: two processes may take different ones, whose last bits differ.

    Args:
        training: the run's settings.
    """
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    before: list[tuple[Any, str, Any]] = []

    def put(owner: Any, name: str, value: Any) -> None:
        before.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    fast = "tf32" if training.precision == "tf32" else "ieee"
    sure = training.deterministic
    asked = torch.are_deterministic_algorithms_enabled()
    mild = torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(WORKSPACE)
    try:
        for owner in (matmul, cudnn.conv, cudnn.rnn):
            put(owner, "fp32_precision", fast)
        put(cudnn, "benchmark", not sure)
        put(cudnn, "deterministic", sure)
        # torch would fill all memory that it hands out, for code that reads what it never wrote
        put(torch.utils.deterministic, "fill_uninitialized_memory", False)
        if sure is not asked:  # the call imports the compiler, which takes a second
            torch.use_deterministic_algorithms(sure)
        if sure:
            os.environ.setdefault(WORKSPACE, ":4096:8")
        yield
    finally:
        for owner, name, value in reversed(before):
            setattr(owner, name, value)
        if sure is not asked:
            torch.use_deterministic_algorithms(asked, warn_only=mild)
        if workspace is None:
            os.environ.pop(WORKSPACE, None)


def layout(training: Training) -> torch.memory_format:
    """The memory format of images and of convolutions' weights."""
    return torch.channels_last if training.channels_last else torch.contiguous_format


def place(module: nn.Module, training: Training, device: torch.device) -> None:
    """Move a module to a device, in a run's layout and ready for its precision.

    Under autocast, weights that are computed (spectral norm's) are computed in fp32 still: a power
    iteration of 8 bits finds another norm.
    """
    module.to(device)
    if training.channels_last:
        module.to(memory_format=torch.channels_last)
    if training.precision == "bf16":
        for part in module.modules():
            if isinstance(part, ParametrizationList):
                exact = torch.autocast(device.type, enabled=False)
                part.forward = exact(part.forward)  # type: ignore[method-assign]


Forward = Callable[[], AbstractContextManager[Any]]
"""What a network's forward pass is made within."""


def forward(training: Training, device: torch.device) -> Forward:
    """What forward passes are made within: bf16 autocast, or nothing."""
    if training.precision != "bf16":
        return nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)
