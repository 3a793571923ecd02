"""Features that take hours, a part at a time: what is killed goes on where it was."""

from __future__ import annotations

import functools
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ganlore import arrays, storage
from ganlore.console import say

if TYPE_CHECKING:
    from ganlore.features import Extractor


class Parts:
    """The features of a data set's splits, while they are made.

    Args:
        folder: where the parts are kept until all are there.
        made_of: what they depend on (JSON-ready). Parts of anything else are made again.
        workers: parts made at a time, each by one thread, so that the bits do not depend on it.
    """

    def __init__(self, folder: Path, made_of: dict[str, Any], workers: int = 1) -> None:
        self.folder = folder
        self._made_of = made_of
        self._workers = workers

    def features(
        self, extractor: Extractor, samples: NDArray[Any], split: str
    ) -> NDArray[np.float32]:
        """The features of a split, (n, d), from the parts that are there and those that are not."""
        size = extractor.part or len(samples)
        if len(samples) <= size:
            return extractor.describe(samples).features.astype(np.float32)
        starts = range(0, len(samples), size)
        kept = {start: self._kept(split, start, size) for start in starts}
        if there := sum(len(part) for part in kept.values() if part is not None):
            say(f"{extractor.name}: {there} of {len(samples)} {split} features are there already")

        def made(start: int) -> NDArray[np.float32]:
            if (part := kept[start]) is not None:
                return part
            part = extractor.describe(samples[start : start + size]).features.astype(np.float32)
            self._keep(split, start, size, part)
            kept[start] = part
            done = sum(len(part) for part in kept.values() if part is not None)
            say(f"{extractor.name}: {done} of {len(samples)} {split} features")
            return part

        if self._workers == 1:
            return np.concatenate([made(start) for start in starts])
        # a new thread would have torch's own number of threads
        threads = functools.partial(torch.set_num_threads, torch.get_num_threads())
        with ThreadPoolExecutor(self._workers, initializer=threads) as pool:
            return np.concatenate(list(pool.map(made, starts)))

    def _place(self, split: str, start: int, size: int) -> tuple[Path, str]:
        identity = storage.seal({**self._made_of, "split": split, "part": [start, size]})
        return self.folder / f"{split}-{start}.pt", identity

    def _kept(self, split: str, start: int, size: int) -> NDArray[np.float32] | None:
        path, identity = self._place(split, start, size)
        found = arrays.read_sealed(path)
        return found["features"].numpy() if found and found["identity"] == identity else None

    def _keep(self, split: str, start: int, size: int, part: NDArray[np.float32]) -> None:
        path, identity = self._place(split, start, size)
        arrays.write_sealed(path, {"identity": identity, "features": torch.from_numpy(part)})

    def remove(self) -> None:
        """Remove the parts: the whole is there."""
        shutil.rmtree(self.folder, ignore_errors=True)
