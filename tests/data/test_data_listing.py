"""Links, pipes and names: each real picture once, and a clear word where that is not possible."""

from __future__ import annotations

import os
import socket
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from test_data_pictures import load, refused, store

import made_up
from ganlore.data import Split, Store
from ganlore.errors import GanloreError
from ganlore.study import registry


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """8 and 4 pictures of 8x8, in two classes."""
    return made_up.two_classes(tmp_path / "pictures")


def images(split: Split) -> list[bytes]:
    return sorted(image.tobytes() for image in split.samples)


# -- links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place, target",
    [("train/a/up", ".."), ("train/a/up", "../.."), ("train/a/up", "../../.."), ("train/a/here", "."),
     ("train/a/twice.png", "0.png"), ("train/b/other.png", "../a/0.png"), ("train/b/all", "../a"),
     ("test/a/loop", "../b/loop")],
)  # fmt: skip
@pytest.mark.parametrize("labels", [True, False])
def test_a_link_to_what_is_listed_already_changes_nothing(
    whole, capsys, place, target, labels
) -> None:
    expected = load(whole, labels=labels)
    (whole / place).symlink_to(target)
    if place == "test/a/loop":
        (whole / "test/b/loop").symlink_to("../a/loop")
    actual = load(whole, labels=labels)
    for split in ("train", "test"):
        assert (actual[split].samples == expected[split].samples).all()
        if labels:
            assert actual[split].labels.tolist() == expected[split].labels.tolist()
    assert str(whole / place) in capsys.readouterr().err


def test_links_to_other_places_are_followed_once(whole, tmp_path) -> None:
    """A class may lie elsewhere, and so may a picture; links that hold each other end."""
    expected = {split: images(part) for split, part in load(whole).items()}
    (whole / "train/b").rename(tmp_path / "elsewhere")
    (whole / "train/b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/back").symlink_to(whole / "train")
    (whole / "train/a/0.png").rename(tmp_path / "0.png")
    (whole / "train/a/0.png").symlink_to(tmp_path / "0.png")
    (whole / "train/a/again.png").symlink_to(tmp_path / "0.png")
    assert {split: images(part) for split, part in load(whole).items()} == expected


def test_a_class_that_is_a_link_to_another_is_refused(whole) -> None:
    (whole / "train/c").symlink_to("a")
    refused(whole, "no pictures in the classes c", "c is a link to what is listed already")


def test_a_file_in_both_splits_by_a_link_is_refused(whole) -> None:
    (whole / "test/a/again.png").symlink_to("../../train/a/0.png")
    refused(whole, "1 files are in both splits", "train/a/0.png", "test/a/again.png", "held_out")
    (whole / "test/a/again.png").unlink()
    (whole / "train/a/test").symlink_to("../../test")
    refused(whole, "4 files are in both splits")


@pytest.mark.parametrize("kind", ["link", "pipe", "socket", "device"])
def test_what_is_no_file_is_named_and_nothing_hangs(whole, monkeypatch, kind) -> None:
    path = whole / "train/a/x.png"
    if kind == "link":
        path.symlink_to("gone.png")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        monkeypatch.chdir(path.parent)  # a socket's path has at most 107 letters
        socket.socket(socket.AF_UNIX).bind(path.name)
    refused(whole, "1 pictures are no files", str(path), "gone.png" if kind == "link" else "pipe")
    path.rename(path.with_suffix(".txt"))
    assert len(load(whole)["train"].samples) == 8


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_named(whole) -> None:
    (whole / "train/b").chmod(0)
    try:
        refused(whole, str(whole / "train/b"), "Permission denied")
    finally:
        (whole / "train/b").chmod(0o755)


# -- the same picture in both splits ---------------------------------------------------------------


def prepared(whole: Path, tmp_path: Path, **settings) -> Store:
    return store(whole, tmp_path / "store", **settings)


def test_the_same_picture_in_both_splits_is_named(whole, tmp_path, capsys) -> None:
    assert prepared(whole, tmp_path).manifest["in_both_splits"] == {"count": 0, "first": []}
    assert "both splits" not in capsys.readouterr().err
    copied = whole / "test/b/copy.png"
    copied.write_bytes((whole / "train/a/2.png").read_bytes())
    actual = prepared(whole, tmp_path).manifest["in_both_splits"]
    pair = [str(whole / "train/a/2.png"), str(copied)]
    assert actual == {"count": 1, "first": [pair]}
    reported = capsys.readouterr().err
    assert "1 pictures of the test split are in the training split as well" in reported
    assert all(name in reported for name in pair)


def test_samples_without_names_are_numbered(tmp_path, capsys) -> None:
    settings = registry.declaration("dataset", "digits").settings({})
    from ganlore import data as datasets

    class Twice(registry.load("dataset", "digits")):
        def load(self):
            splits = super().load()
            splits["test"].samples[7] = splits["train"].samples[5]
            return splits

    plugin = Twice()
    plugin.name = "digits"
    made = datasets.prepare("digits", plugin, settings, tmp_path / "digits")
    assert made.manifest["in_both_splits"] == {"count": 1, "first": [["sample 5", "sample 7"]]}


# -- names -----------------------------------------------------------------------------------------

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "für") for form in ("NFC", "NFD"))


def test_one_class_in_two_spellings_of_unicode_is_one_class(whole, tmp_path, capsys) -> None:
    (whole / "train/a").rename(whole / "train" / COMPOSED)
    (whole / "test/a").rename(whole / "test" / DECOMPOSED)
    assert prepared(whole, tmp_path).manifest["class_names"] == ["b", COMPOSED]
    assert np.bincount(load(whole)["test"].labels).tolist() == [2, 2]
    assert r"the class 'fu\u0308r' is taken as 'f\xfcr'" in capsys.readouterr().err


def test_two_spellings_in_one_split_are_refused(whole) -> None:
    (whole / "train/a").rename(whole / "train" / COMPOSED)
    (whole / "train/b").rename(whole / "train" / DECOMPOSED)
    refused(whole, "two classes have one name", r"'fu\u0308r'", r"'f\xfcr'")


def test_names_that_look_alike_are_spelled_out(whole) -> None:
    (whole / "test/a").rename(whole / "test/\N{CYRILLIC SMALL LETTER A}")
    refused(whole, r"'\u0430'", "expected: a, b")
    (whole / "test/b").rename(whole / "test/b ")
    refused(whole, r"b  ('b ')", "expected: a, b")


def test_a_file_that_is_no_picture_has_its_own_name_in_the_message(whole) -> None:
    (whole / "train/a/0.png").write_text("<html>not found</html>", encoding="utf-8")
    text = refused(whole, str(whole / "train/a/0.png"), "22 bytes that are no picture")
    assert " object at 0x" not in text
    with pytest.raises(GanloreError):
        load(whole)
