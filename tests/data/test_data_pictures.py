"""Folders of pictures: all kinds of files, what is wrong with them, and being interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import made_up
from ganlore import data as datasets
from ganlore import storage
from ganlore.data import Split, Store
from ganlore.data._pictures import Frame, decode
from ganlore.errors import GanloreError
from ganlore.study import registry

NAMES = tuple("abcdefghij")


def load(root: Path, **settings) -> dict[str, Split]:
    return registry.create("dataset", "folder", {"path": str(root), **settings}).load()


def store(root: Path, into: Path, **settings) -> Store:
    reported = registry.declaration("dataset", "folder").settings({"path": str(root), **settings})
    plugin = registry.create("dataset", "folder", reported)
    return datasets.prepare("folder", plugin, reported, into)


def refused(root: Path, *reported: str, **settings) -> str:
    with pytest.raises(GanloreError) as caught:
        load(root, **settings)
    text = str(caught.value)
    assert all(part in text for part in reported), text
    return text


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """20 and 10 pictures of 8x8, in ten classes."""
    made_up.folder(tmp_path / "pictures", made_up.pictures((8, 8, 3)), NAMES)
    return tmp_path / "pictures"


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, 256, shape, np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    import io

    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# -- what lies in a folder -------------------------------------------------------------------------


def test_classes_are_numbered_by_name_and_named_in_the_manifest(whole, tmp_path) -> None:
    (whole / "train/a").rename(whole / "train/zebra")
    (whole / "test/a").rename(whole / "test/zebra")
    actual = store(whole, tmp_path / "store", mirrored=True)
    names = [*NAMES[1:], "zebra"]
    assert actual.manifest["class_names"] == names and actual.manifest["mirrored"] is True
    original = {image.tobytes(): names.index("zebra" if k == 0 else NAMES[k]) for image, k in
                zip(*made_up.pictures((8, 8, 3))["train"], strict=True)}  # fmt: skip
    for image, label in zip(actual.samples("train"), actual.labels("train"), strict=True):
        assert original[image.transpose(1, 2, 0).tobytes()] == label


def test_without_labels_pictures_may_lie_as_they_like(whole) -> None:
    made_up.write(whole / "train/deep/er/one.PNG", noise(8, 8, 3))
    made_up.write(whole / "train/two.bmp", noise(8, 8, 3))
    actual = load(whole, labels=False)
    assert (len(actual["train"].samples), len(actual["test"].samples)) == (22, 10)
    assert actual["train"].labels is None


def test_hidden_files_are_passed_over_and_others_told(whole, capsys) -> None:
    for name in (".DS_Store", ".cache/x.png", "a/notes.txt"):
        path = whole / "train" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x", encoding="utf-8")
    assert len(load(whole)["train"].samples) == 20
    reported = capsys.readouterr().err
    assert "1 files are no pictures" in reported and "notes.txt" in reported


def test_a_share_of_each_class_is_held_out(tmp_path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (50, 4, 4, 3), np.uint8)
    for index, image in enumerate(images):
        made_up.write(tmp_path / ("few" if index < 10 else "many") / f"{index}.png", image)
    actual = load(tmp_path, held_out=0.2)
    assert np.bincount(actual["train"].labels).tolist() == [8, 32]
    assert np.bincount(actual["test"].labels).tolist() == [2, 8]
    kept = [{i.tobytes() for i in actual[split].samples} for split in ("train", "test")]
    assert len(kept[0] | kept[1]) == 50 and not kept[0] & kept[1]
    flat = load(tmp_path, held_out=0.5, labels=False)
    assert len(flat["test"].samples) == 25
    again = load(tmp_path, held_out=0.2)
    assert all((again[s].samples == actual[s].samples).all() for s in actual)
    refused(tmp_path, "held_out = 0.01", "50 pictures", "no test", held_out=0.01)


def test_the_order_does_not_depend_on_the_file_system(whole, monkeypatch) -> None:
    actual, scan = load(whole), os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: list(scan(place))[::-1])
    assert (load(whole)["train"].samples == actual["train"].samples).all()


# -- what pictures are brought to ------------------------------------------------------------------


def test_the_centre_is_cut_and_then_resized(tmp_path) -> None:
    image = noise(30, 50, 3)
    for split in ("train", "test"):
        made_up.write(tmp_path / split / "one.png", image)
        made_up.write(tmp_path / split / "other.png", image[:25, :25])
    cases = {
        (None, 20): image[5:25, 15:35],
        (16, None): image[:, 10:40],
        (10, 20): image[5:25, 15:35],
    }
    for (size, crop), centre in cases.items():
        actual = load(tmp_path, labels=False, size=size, crop=crop)["train"].samples
        small = Image.fromarray(centre).resize((size or crop,) * 2, Image.Resampling.BICUBIC)
        assert np.asarray(small).transpose(2, 0, 1).tobytes() in {i.tobytes() for i in actual}
    refused(tmp_path, "2 of 4 pictures", "other.png: 25x25", "crop = 28", labels=False, crop=28)


def test_mixed_sizes_are_told_unless_a_size_is_given(whole) -> None:
    odd = made_up.write(whole / "train/b/wide.png", noise(8, 12, 3))
    text = refused(whole, str(odd), "12x8 pixels", "8x8", "`size`")
    assert "1 of 31" in text
    assert load(whole, size=4)["train"].samples.shape == (21, 3, 4, 4)


def test_pictures_that_are_no_squares_need_a_size(tmp_path) -> None:
    for split in ("train", "test"):
        made_up.write(tmp_path / split / "one.png", noise(8, 12, 3))
    refused(tmp_path, "12x8 pixels, not square", "`size`", labels=False)


def test_colour_becomes_grey_by_its_weights_and_grey_three_channels(tmp_path) -> None:
    colour, grey = noise(6, 6, 3), noise(6, 6)
    weights = np.array([0.299, 0.587, 0.114])  # ITU-R 601
    actual = np.asarray(decode(encoded(Image.fromarray(colour)), "grey")).astype(float)
    assert abs(actual - colour @ weights).max() <= 1
    actual = np.asarray(decode(encoded(Image.fromarray(grey)), "rgb"))
    assert (actual == grey[..., None]).all()
    for split in ("train", "test"):
        made_up.write(tmp_path / split / "colour.png", colour)
        made_up.write(tmp_path / split / "grey.png", grey)
    assert load(tmp_path, labels=False)["train"].samples.shape == (2, 3, 6, 6)
    assert load(tmp_path, labels=False, channels="grey")["train"].samples.shape == (2, 1, 6, 6)


def test_transparent_pictures_are_laid_on_white() -> None:
    colour, alpha = noise(6, 6, 3), noise(6, 6)
    share = alpha[..., None] / 255
    expected = share * colour + (1 - share) * 255
    data = encoded(Image.fromarray(np.dstack([colour, alpha])))
    assert abs(np.asarray(decode(data, "rgb")) - expected).max() <= 1
    grey = np.dstack([colour[..., 0], alpha])
    actual = np.asarray(decode(encoded(Image.fromarray(grey, "LA")), "grey"))
    assert abs(actual - expected[..., 0]).max() <= 1
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([200, 100, 50, 1, 2, 3])
    actual = np.asarray(decode(encoded(palette, transparency=1), "rgb"))
    assert actual.tolist() == [[[200, 100, 50], [255, 255, 255]]]


def test_a_picture_that_was_taken_sideways_is_turned() -> None:
    image = Image.fromarray(noise(4, 6, 3))
    sideways = image.getexif()
    sideways[0x0112] = 6  # turn clockwise to see it upright
    data = encoded(image, exif=sideways)
    assert (np.asarray(decode(data, "rgb")) == np.rot90(np.asarray(image), -1)).all()


def test_sixteen_bits_are_refused_rather_than_clipped() -> None:
    deep = Image.fromarray(np.full((4, 4), 40_000, np.uint16))
    with pytest.raises(ValueError, match="expected 8 bits a channel"):
        decode(encoded(deep), "grey")


def test_a_frame_takes_pictures_of_its_exact_size_as_they_are() -> None:
    image = Image.fromarray(noise(8, 8, 3))
    assert Frame("rgb", 8, exact=True).cut(image) is image
    with pytest.raises(ValueError, match="8x8 pixels; expected 9x9"):
        Frame("rgb", 9, exact=True).cut(image)


# -- what may be wrong -----------------------------------------------------------------------------


def test_one_unreadable_picture_among_many_is_named(whole) -> None:
    path = whole / "train/c/00002.png"
    path.write_bytes(path.read_bytes()[:60])
    text = refused(whole, "1 of 30 pictures", str(path))
    assert "00012" not in text


def test_a_picture_with_an_altered_byte_is_named(whole) -> None:
    path = whole / "test/d/00003.png"
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 30] ^= 1
    path.write_bytes(data)
    refused(whole, "1 of 30 pictures", str(path))


def test_of_many_unreadable_pictures_ten_are_named(whole) -> None:
    paths = sorted((whole / "train").rglob("*.png"))
    for path in paths[:14]:
        path.write_bytes(b"")
    text = refused(whole, "14 of 30 pictures", "and 4 more")
    assert [str(path) in text for path in paths[:14]] == [True] * 10 + [False] * 4


def test_layouts_that_cannot_be_meant_are_told(whole, tmp_path) -> None:
    refused(tmp_path / "none", "no folder train and no folder test", "held_out")
    refused(whole, "has a folder train and a folder test", "held_out = 0.1", held_out=0.1)
    (whole / "train/empty").mkdir()
    refused(whole, "no pictures in the classes empty", str(whole / "train"))
    (whole / "train/empty").rmdir()
    stray = made_up.write(whole / "train/stray.png", noise(8, 8, 3))
    refused(whole, "1 of 21 pictures are in no class", "stray.png", "<class>")
    stray.unlink()
    made_up.write(whole / "test/new/x.png", noise(8, 8, 3))
    refused(whole, "test", "classes new", "expected: a, b, c")
    (tmp_path / "bare/train").mkdir(parents=True)
    (tmp_path / "bare/test").mkdir()
    refused(tmp_path / "bare", "no pictures", "*.png")


def test_a_class_that_only_the_test_has_is_refused_whatever_the_data_set(tmp_path) -> None:
    class Odd(datasets.Dataset):
        def load(self) -> dict[str, Split]:
            images = np.zeros((2, 1, 4, 4), np.uint8)
            train, test = np.array([0, 1]), np.array([0, 2])
            return {"train": Split(images, train), "test": Split(images, test)}

    with pytest.raises(GanloreError, match="labels from 0 to 2, but 2 classes"):
        datasets.prepare("odd", Odd(), {}, tmp_path / "odd")


# -- being interrupted -----------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
import ganlore.data._pictures
from ganlore import data, storage
from ganlore.study import registry

count, act = 0, {module}.{function}

def dying(*args, **options):
    global count
    count += 1
    if count == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return act(*args, **options)

{module}.{function} = dying
settings = {{"path": sys.argv[1]}}
plugin = registry.create("dataset", "folder", settings)
data.prepare("folder", plugin, registry.declaration("dataset", "folder").settings(settings), Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    "module, function, at",
    [("data._pictures", "decode", 7), ("storage.os", "fsync", 2), ("storage", "write_json", 1)],
)
def test_a_killed_preparation_leaves_nothing_and_the_next_one_the_same_bytes(
    whole, tmp_path, module, function, at
) -> None:
    """Killed while pictures are read, in the second file that is written, before the manifest."""
    undisturbed = store(whole, tmp_path / "undisturbed")
    target = tmp_path / "store"
    code = KILLED.format(module=module, function=function, at=at)
    killed = subprocess.run([sys.executable, "-c", code, str(whole), str(target)], check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(GanloreError, match=r"manifest\.json: missing"):
        Store.open(target)
    for path in target.glob("*.npy"):  # what is there is whole
        assert storage.sha256(path) == undisturbed.manifest["files"][path.name]["sha256"]
    assert store(whole, target).manifest == undisturbed.manifest
    assert sorted(p.name for p in target.iterdir()) == sorted(
        p.name for p in undisturbed.folder.iterdir()
    )


def test_preparing_again_in_vain_leaves_the_store_as_it_was(whole, tmp_path) -> None:
    before = store(whole, tmp_path / "store").manifest
    (whole / "train/a/00000.png").write_bytes(b"")
    with pytest.raises(GanloreError, match="cannot be used"):
        store(whole, tmp_path / "store")
    assert Store.open(tmp_path / "store").manifest == before
