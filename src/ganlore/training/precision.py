"""Numerical precision, memory layout and kernels.

The only module that reads `training.precision`, `channels_last` and `deterministic`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

if TYPE_CHECKING:
    from ganlore.study.schema import Training

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
"""The variable that makes cuBLAS deterministic, if set to `:4096:8` before its first product."""


@contextmanager
def kernels(training: Training) -> Iterator[None]:
    """Set torch's choice of kernels from a run's settings, and restore it afterwards.

    By torch's default, convolutions on a GPU use TF32; here fp32 means fp32, also for the fp32
    parts of bf16. Without `deterministic`, cuDNN times its kernels for each new shape and uses the
    fastest: two processes may use different ones, whose last bits differ.

    Args:
        training: the run's settings.
    """
    matmul: Any = torch.backends.cuda.matmul
    cudnn: Any = torch.backends.cudnn
    previous: list[tuple[Any, str, Any]] = []

    def put(owner: Any, name: str, value: Any) -> None:
        previous.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    fp32 = "tf32" if training.precision == "tf32" else "ieee"
    deterministic = training.deterministic
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(WORKSPACE)
    try:
        for owner in (matmul, cudnn.conv, cudnn.rnn):
            put(owner, "fp32_precision", fp32)
        put(cudnn, "benchmark", not deterministic)
        put(cudnn, "deterministic", deterministic)
        # torch would fill all new memory, for the sake of code that reads uninitialised memory
        put(torch.utils.deterministic, "fill_uninitialized_memory", False)
        if deterministic is not was_deterministic:  # the call imports the compiler, about a second
            torch.use_deterministic_algorithms(deterministic)
        if deterministic:
            os.environ.setdefault(WORKSPACE, ":4096:8")
        yield
    finally:
        for owner, name, value in reversed(previous):
            setattr(owner, name, value)
        if deterministic is not was_deterministic:
            torch.use_deterministic_algorithms(was_deterministic, warn_only=warn_only)
        if workspace is None:
            os.environ.pop(WORKSPACE, None)


def layout(training: Training) -> torch.memory_format:
    """The memory format of images and of convolutions' weights."""
    return torch.channels_last if training.channels_last else torch.contiguous_format


class Exact(ParametrizationList):
    """A parametrised weight that is computed in fp32, also under autocast."""

    def forward(self) -> Tensor:
        """The weight."""
        with torch.autocast(next(self.parameters()).device.type, enabled=False):
            weight: Tensor = super().forward()
            return weight


def place(module: nn.Module, training: Training, device: torch.device) -> None:
    """Move a module to a device, with a run's memory layout and precision.

    Under autocast, parametrised weights (spectral norm's) are still computed in fp32: a power
    iteration in 8 bits results in another norm.
    """
    module.to(device)
    if training.channels_last:
        module.to(memory_format=torch.channels_last)
    if training.precision == "bf16":
        for part in module.modules():
            if isinstance(part, ParametrizationList):
                part.__class__ = Exact


Forward = Callable[[], AbstractContextManager[Any]]
"""A function that makes the context of a network's forward pass."""


def forward(training: Training, device: torch.device) -> Forward:
    """The context of forward passes: bf16 autocast, or none."""
    if training.precision != "bf16":
        return nullcontext
    return lambda: torch.autocast(device.type, torch.bfloat16)
