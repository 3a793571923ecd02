"""Files of arrays and tensors, which hold numbers alone: no pickle in them is run."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlore import storage
from ganlore.errors import GanloreError, of_system

if TYPE_CHECKING:
    import numpy as np
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


def write_array(path: Path, array: NDArray[Any]) -> str:
    """Write an array as `.npy`, atomically and without a copy of it; returns the SHA-256."""
    import numpy as np

    array = np.asarray(array, order="C")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    # np.save would write the same bytes, but from one block as large as the file
    payload = array.reshape(-1).view(np.uint8).data
    parts = (payload[i : i + storage.CHUNK] for i in range(0, len(payload), storage.CHUNK))
    return storage.write_blocks(path, (header.getvalue(), *parts))


def write_arrays(path: Path, **arrays: np.ndarray) -> str:
    """Write named arrays as a compressed `.npz`, atomically; returns the SHA-256."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return storage.write_bytes(path, buffer.getvalue())


def write_torch(path: Path, value: Any) -> str:
    """Write tensors with `torch.save`, atomically; returns the SHA-256.

    The bytes depend only on the values: `torch.save` to a path would include the file's name.
    """
    return storage.write_bytes(path, _torch_bytes(value))


def _torch_bytes(value: Any) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def read_torch(path: Path) -> Any:
    """Read tensors, with `weights_only=True`, so that a file cannot contain code.

    Raises:
        GanloreError: if it holds anything else.
    """
    return tensors(path, path)


def write_sealed(path: Path, value: Any) -> None:
    """Write tensors atomically, preceded by their hash, for files without a record."""
    payload = _torch_bytes(value)
    storage.write_bytes(path, hashlib.sha256(payload).hexdigest().encode() + payload)


def read_sealed(path: Path) -> Any | None:
    """Read a file of `write_sealed`; None if it is missing or its hash is wrong.

    Raises:
        GanloreError: if it holds anything but tensors.
    """
    if not path.exists():
        return None
    seal, payload = (data := path.read_bytes())[:64], data[64:]
    if hashlib.sha256(payload).hexdigest().encode() != seal:
        return None
    return tensors(io.BytesIO(payload), path)
