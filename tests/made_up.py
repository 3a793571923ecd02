"""Published data sets made up: a few random pictures in the archives and folders of the originals."""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ganlore.study import registry

Split = tuple[NDArray[np.uint8], NDArray[np.int64]]
COUNTS = {"train": 20, "test": 10}
"""Samples of the two labelled data sets."""


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def pictures(shape: tuple[int, ...], seed: int = 0) -> dict[str, Split]:
    """Random images (N, H, W, C) with each of ten labels equally often."""
    rng = np.random.default_rng(seed)
    return {
        split: (rng.integers(0, 256, (n, *shape), np.uint8), np.arange(n, dtype=np.int64) % 10)
        for split, n in COUNTS.items()
    }


def counted(monkeypatch: pytest.MonkeyPatch, name: str, counts: dict[str, int]) -> None:
    """Let a data set expect other numbers of samples than were published."""
    monkeypatch.setattr(registry.load("dataset", name), "counts", counts)


def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No network, and the list of what was asked of it."""
    import urllib.request
    from urllib.error import URLError

    from torchvision.datasets import utils

    asked: list[str] = []

    def refuse(request: Any, *_: Any, **__: Any) -> None:
        asked.append(getattr(request, "full_url", str(request)))
        raise URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(
        utils, "download_file_from_google_drive", lambda *args: refuse(f"drive:{args[2]}")
    )
    return asked


def cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Split]:
    """CIFAR-10's archive of five batches and a test batch, of four and ten pictures."""
    from torchvision.datasets import CIFAR10

    actual = pictures((32, 32, 3))
    files = {}
    for i in range(5):
        images, labels = (part[4 * i : 4 * i + 4] for part in actual["train"])
        files[f"data_batch_{i + 1}"] = {"data": _rows(images), "labels": labels.tolist()}
    files["test_batch"] = {"data": _rows(actual["test"][0]), "labels": actual["test"][1].tolist()}
    names = list(registry.load("dataset", "cifar10").names)
    files["batches.meta"] = {"label_names": names}
    archive = root / CIFAR10.filename
    root.mkdir(parents=True, exist_ok=True)
    hashes = {}
    with tarfile.open(archive, "w:gz") as tar:
        for name, value in files.items():
            data = pickle.dumps(value)
            hashes[name] = hashlib.md5(data, usedforsecurity=False).hexdigest()
            member = tarfile.TarInfo(f"{CIFAR10.base_folder}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    for attribute in ("train_list", "test_list"):
        listed = [[name, hashes[name]] for name, _ in getattr(CIFAR10, attribute)]
        monkeypatch.setattr(CIFAR10, attribute, listed)
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": hashes["batches.meta"]})
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(archive))
    counted(monkeypatch, "cifar10", COUNTS)
    return actual


def _rows(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """As in the batches: all red, then all green, then all blue pixels of an image."""
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def mnist(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Split]:
    """MNIST's four archives."""
    from torchvision.datasets import MNIST

    actual = pictures((28, 28))
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    resources = []
    for split, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = actual[split]
        head = np.array([0x803, *images.shape], ">i4").tobytes()
        file = raw / f"{prefix}-images-idx3-ubyte.gz"
        file.write_bytes(gzip.compress(head + images.tobytes(), mtime=0))
        resources.append((file.name, md5(file)))
        head = np.array([0x801, len(labels)], ">i4").tobytes()
        file = raw / f"{prefix}-labels-idx1-ubyte.gz"
        file.write_bytes(gzip.compress(head + labels.astype(np.uint8).tobytes(), mtime=0))
        resources.append((file.name, md5(file)))
    monkeypatch.setattr(MNIST, "resources", resources)
    for name in ("mnist", "stacked-mnist"):
        counted(monkeypatch, name, COUNTS)
    return actual


def celeba(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[NDArray[np.uint8]]]:
    """CelebA's archive of pictures, 178 wide and 218 high, and its partition: 6, 2 and 3."""
    from torchvision.datasets import CelebA

    rng = np.random.default_rng(0)
    folder = root / CelebA.base_folder
    folder.mkdir(parents=True, exist_ok=True)
    actual: dict[str, list[NDArray[np.uint8]]] = {"train": [], "valid": [], "test": []}
    lines = []
    with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
        for number, part in enumerate([0] * 6 + [1] * 2 + [2] * 3, 1):
            coarse = Image.fromarray(rng.integers(0, 256, (9, 7, 3), np.uint8))
            buffer = io.BytesIO()
            coarse.resize((178, 218), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=95)
            archive.writestr(f"img_align_celeba/{number:06}.jpg", buffer.getvalue())
            actual[("train", "valid", "test")[part]].append(np.asarray(Image.open(buffer)))
            lines.append(f"{number:06}.jpg {part}\n")
    (folder / "list_eval_partition.txt").write_text("".join(lines), encoding="utf-8")
    sums(folder, monkeypatch)
    counted(monkeypatch, "celeba", {"train": 6, "test": 3})
    return actual


def sums(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let torchvision expect CelebA's files as they are."""
    from torchvision.datasets import CelebA

    names = ("img_align_celeba.zip", "list_eval_partition.txt")
    listed = [(f"id-{name}", md5(folder / name), name) for name in names]
    monkeypatch.setattr(CelebA, "file_list", listed)


def two_classes(root: Path) -> Path:
    """A folder of 8 and 4 random pictures of 8x8, in the classes a and b."""
    rng = np.random.default_rng(0)
    for split, n in (("train", 4), ("test", 2)):
        for name in "ab":
            for index in range(n):
                image = rng.integers(0, 256, (8, 8, 3), np.uint8)
                write(root / split / name / f"{index}.png", image)
    return root


def write(path: Path, image: NDArray[np.uint8], mode: str | None = None) -> Path:
    """A picture file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(image)
    (picture.convert(mode) if mode else picture).save(path)
    return path


def folder(root: Path, actual: dict[str, Split], names: tuple[str, ...]) -> None:
    """The same pictures as files: `<split>/<class>/<number>.png`."""
    for split, (images, labels) in actual.items():
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            write(root / split / names[label] / f"{index:05}.png", image)


def available(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings with which any data set can be prepared here; what it reads is made up."""
    declared = registry.declaration("dataset", name)
    if name == "folder":
        folder(root, pictures((8, 8, 3)), tuple("abcdefghij"))
        return declared.settings({"path": str(root)})
    if "source" not in declared.model.model_fields:
        return declared.settings({})
    {"cifar10": cifar10, "celeba": celeba}.get(name, mnist)(root, monkeypatch)
    small = {"n_train": 3000, "n_test": 50} if name == "stacked-mnist" else {}
    return declared.settings({"path": str(root), **small})
