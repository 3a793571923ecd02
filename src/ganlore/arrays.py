"""Reads files of arrays and tensors, which may hold numbers alone: no pickle in them is run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlore.errors import GanloreError, of_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

AGAIN = "delete it and run snakemake"
"""What to do with a file that is none of ours."""


def tensors(source: Path | io.BytesIO, path: Path) -> Any:
    """What `torch.save` wrote, on the CPU: tensors in containers, and nothing else.

    Args:
        source: the file, or its bytes.
        path: the file, to be named.

    Raises:
        GanloreError: if it holds anything else, or is damaged.
    """
    import pickle

    import torch

    try:
        return torch.load(source, map_location="cpu", weights_only=True)
    # all that torch's readers of zip files and pickles raise for what is neither
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError) as error:
        raise GanloreError(
            f"{path}: not a file of tensors alone, and nothing else of it is run "
            f"(torch.load, weights_only): {str(error).splitlines()[0] if str(error) else error!r}\n"
            f"  {AGAIN}"
        ) from None


def read(path: Path, mapped: bool = False) -> NDArray[Any]:
    """Read a `.npy`, memory-mapped and read-only if `mapped`.

    Raises:
        GanloreError: if it is missing, or anything but one array of numbers.
    """
    import numpy as np

    try:
        array = np.load(path, mmap_mode="r" if mapped else None, allow_pickle=False)
    except OSError as error:
        raise of_system(error, path) from None
    except (ValueError, EOFError) as error:
        raise GanloreError(f"{path}: no array of numbers ({error})\n  {AGAIN}") from None
    if not isinstance(array, np.ndarray):
        raise GanloreError(f"{path}: no array of numbers but an archive of them\n  {AGAIN}")
    return array


def read_archive(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a `.npz`, by name.

    Raises:
        GanloreError: if it is missing, or has anything but arrays of numbers.
    """
    import zipfile

    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except OSError as error:
        raise of_system(error, path) from None
    except (ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise GanloreError(f"{path}: no archive of arrays ({error})\n  {AGAIN}") from None
