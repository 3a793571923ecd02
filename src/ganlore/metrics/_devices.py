"""The few operations in which numpy on a processor and torch on a device are called differently.

Everything else that metrics do with arrays (`@`, `-`, `<=`, slices, `.T`, `.sum()`) is written the
same for both, so that one function computes a metric wherever its arrays are. Both compute in
float64: a device's faster kinds of numbers (float32, TF32) keep 7 or 3 digits of a distance, which
decide other neighbours and lose the small eigenvalues of a covariance.

An array here is numpy's or a tensor. Annotations that say `Array` mean either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


def on(device: torch.device | None, array: Any) -> Any:
    """A copy of an array on a torch device; the array itself for None, which is numpy.

    The copy keeps float32, half the size of float64: blocks are converted when they are used.
    """
    if device is None or not isinstance(array, np.ndarray):
        return array
    import torch  # here, so that numpy's way does not wait for it

    return torch.tensor(array, device=device)


def host(array: Any) -> Any:
    """The array in numpy, itself where it is there already."""
    return array if isinstance(array, (np.ndarray, np.generic)) else array.cpu().numpy()


def library(array: Any) -> Any:
    """The library, numpy or torch, for functions that both have under one name."""
    if isinstance(array, np.ndarray):
        return np
    import torch

    return torch


def zeros(shape: int | tuple[int, ...], like: Any, kind: str = "float64") -> Any:
    """Zeros where another array is; `kind` is float64 or bool."""
    if isinstance(like, np.ndarray):
        return np.zeros(shape, dtype=kind)
    return like.new_zeros(shape, dtype=getattr(library(like), kind))


def double(array: Any) -> Any:
    """In float64; not copied where it is."""
    if isinstance(array, np.ndarray):
        return array.astype(np.float64, copy=False)
    return array.double()


def mean(rows: Any) -> Any:
    """The mean row, summed in float64, (d,)."""
    if isinstance(rows, np.ndarray):
        return rows.mean(axis=0, dtype=np.float64)
    return rows.mean(dim=0, dtype=library(rows).float64)


def inner(a: Any, b: Any) -> float:
    """The sum of the products of two arrays of one shape."""
    if isinstance(a, np.ndarray):
        return float(np.vdot(a, b))
    return float((a * b).sum())


def fill_diagonal(block: Any, value: float) -> None:
    """Set the elements (i, i), in place."""
    if isinstance(block, np.ndarray):
        np.fill_diagonal(block, value)
    else:
        block.fill_diagonal_(value)


def smallest(table: Any, k: int) -> Any:
    """The k smallest numbers of each row of (n, m), in any order, (n, k)."""
    if isinstance(table, np.ndarray):
        return np.partition(table, k - 1, axis=1)[:, :k]
    return table.topk(k, dim=1, largest=False, sorted=False).values


def ascending(table: Any) -> Any:
    """Each row sorted."""
    return np.sort(table, axis=1) if isinstance(table, np.ndarray) else table.sort(dim=1).values


def cholesky(matrix: Any) -> Any:
    """The lower triangular root of a symmetric matrix, None if it is not positive definite."""
    if isinstance(matrix, np.ndarray):
        try:
            return np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            return None
    factor, failed = library(matrix).linalg.cholesky_ex(matrix)
    return None if bool(failed) else factor
