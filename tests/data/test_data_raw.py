"""Pictures that change after a data set was prepared from them are noticed, and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import made_up
from ganlore import data as datasets
from ganlore.data import Store, _raw
from ganlore.errors import GanloreError
from ganlore.study import registry


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """8 and 4 pictures of 8x8, in two classes."""
    return made_up.two_classes(tmp_path / "pictures")


def prepare(pictures: Path, folder: Path) -> tuple[dict, dict, Store]:
    """What the data set reads, its settings, and its store."""
    declared = registry.declaration("dataset", "folder")
    settings = declared.settings({"path": str(pictures)})
    plugin = registry.create("dataset", "folder", settings)
    reads = declared.fact("reads")
    return reads, settings, datasets.prepare("folder", plugin, settings, folder)


def add(root: Path) -> None:
    made_up.write(root / "train/a/new.png", np.zeros((8, 8, 3), np.uint8))


def add_class(root: Path) -> None:
    for split in ("train", "test"):
        made_up.write(root / split / "c/0.png", np.full((8, 8, 3), len(split), np.uint8))


def overwrite(root: Path) -> None:
    """Another picture of the same size, and of the same time."""
    path = root / "train/a/0.png"
    state, other = path.stat(), (root / "train/b/0.png").read_bytes()
    path.write_bytes(other)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))


CHANGES: dict[str, Callable[[Path], object]] = {
    "added": add,
    "deleted": lambda root: (root / "test/b/1.png").unlink(),
    "overwritten": overwrite,
    "renamed": lambda root: (root / "train/a/0.png").rename(root / "train/a/9.png"),
    "another class": add_class,
    "other splits": lambda root: (root / "train/a/0.png").rename(root / "test/a/0.png"),
}
NOTHING: dict[str, Callable[[Path], object]] = {
    "touched": lambda root: [os.utime(path) for path in root.rglob("*.png")],
    "a note": lambda root: (root / "train/a/notes.txt").write_text("x", encoding="utf-8"),
    "hidden": lambda root: (root / "train/.cache.png").write_text("x", encoding="utf-8"),
    "a link to a parent": lambda root: (root / "train/a/up").symlink_to(".."),
    "gone": lambda root: root.rename(root.with_name("away")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_picture_means_another_key_and_is_told(pictures, tmp_path, change) -> None:
    reads, settings, store = prepare(pictures, tmp_path / "store")
    before = _raw.key(reads, settings, store.folder)
    assert before and _raw.change(reads, settings, store.folder) is None
    CHANGES[change](pictures)
    assert _raw.key(reads, settings, store.folder) != before
    text = _raw.change(reads, settings, store.folder)
    assert text and str(pictures) in text and "prepared from 12 pictures" in text
    again = prepare(pictures, tmp_path / "store")[2]
    assert _raw.change(reads, settings, store.folder, thorough=True) is None
    assert again.manifest["raw"]["key"] == _raw.key(reads, settings, store.folder) != before


@pytest.mark.parametrize("change", NOTHING)
def test_the_same_pictures_keep_their_key(pictures, tmp_path, change) -> None:
    reads, settings, store = prepare(pictures, tmp_path / "store")
    before = _raw.key(reads, settings, store.folder)
    NOTHING[change](pictures)
    assert _raw.key(reads, settings, store.folder) == before
    if change == "gone":
        with pytest.raises(GanloreError, match="No such file"):
            _raw.change(reads, settings, store.folder)
        return
    assert _raw.change(reads, settings, store.folder, thorough=True) is None
    assert prepare(pictures, tmp_path / "store")[2].manifest["raw"]["key"] == before
    assert store.digest == Store.open(store.folder).digest


def test_an_altered_file_of_the_same_size_and_time_is_noticed_thoroughly(
    pictures, tmp_path
) -> None:
    reads, settings, store = prepare(pictures, tmp_path / "store")
    path = pictures / "train/a/0.png"
    state, data = path.stat(), bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert _raw.change(reads, settings, store.folder) is None
    assert _raw.change(reads, settings, store.folder, thorough=True)


def test_pictures_that_change_while_they_are_read_are_refused(
    pictures, tmp_path, monkeypatch
) -> None:
    kind = registry.load("dataset", "folder")
    load = kind.load

    def disturbed(self):
        add(pictures)
        return load(self)

    monkeypatch.setattr(kind, "load", disturbed)
    with pytest.raises(GanloreError, match="changed while it was read"):
        prepare(pictures, tmp_path / "store")


@pytest.mark.parametrize("name", ["cifar10", "mnist", "celeba", "stacked-mnist"])
def test_published_data_are_read_from_a_folder_only_where_the_study_says_so(name, tmp_path) -> None:
    declared = registry.declaration("dataset", name)
    for source, expected in (("folder", [tmp_path]), ("torchvision", [])):
        settings = declared.settings({"source": source, "path": str(tmp_path)})
        assert _raw.folders(declared.fact("reads"), settings) == expected
    assert declared.name not in _raw.folders({}, {})
