"""Published data sets from archives and from folders, whole, or with an error that says what is wrong."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import made_up
from ganlore import data as datasets
from ganlore.data import Split, Store
from ganlore.errors import GanloreError
from ganlore.study import registry


def load(name: str, root: Path, **settings) -> dict[str, Split]:
    return registry.create("dataset", name, {"path": str(root), **settings}).load()


def store(name: str, root: Path, into: Path, **settings) -> Store:
    reported = registry.declaration("dataset", name).settings({"path": str(root), **settings})
    return datasets.prepare(name, registry.create("dataset", name, reported), reported, into / name)


def refused(act: Callable[[], object], *reported: str) -> str:
    with pytest.raises(GanloreError) as caught:
        act()
    text = str(caught.value)
    assert all(part in text for part in reported), text
    return text


def same(actual: Split, images: np.ndarray, labels: np.ndarray) -> bool:
    """Whether a split has exactly these labelled images (N, C, H, W), in whatever order."""
    pairs = zip(actual.samples, actual.labels, strict=True)
    expected = zip(images, labels, strict=True)
    return sorted((i.tobytes(), int(n)) for i, n in pairs) == sorted(
        (i.tobytes(), int(n)) for i, n in expected
    )


MAKERS = {"cifar10": made_up.cifar10, "mnist": made_up.mnist}
CHANNELS_FIRST = {"cifar10": (0, 3, 1, 2), "mnist": (0, 1, 2)}


@pytest.mark.parametrize("name", MAKERS)
def test_archives_and_folders_give_the_same_labelled_images(name, tmp_path, monkeypatch) -> None:
    original = MAKERS[name](tmp_path / "raw", monkeypatch)
    made_up.folder(tmp_path / "files", original, registry.load("dataset", name).names)
    asked = made_up.offline(monkeypatch)
    for source, root in (("torchvision", "raw"), ("folder", "files")):
        actual = load(name, tmp_path / root, source=source)
        for split, (images, labels) in original.items():
            expected = images.transpose(CHANNELS_FIRST[name])
            expected = expected.reshape(len(images), -1, *images.shape[1:3])
            assert actual[split].samples.shape == expected.shape
            assert same(actual[split], expected, labels), (source, split)
            # not in the order of the source: statistics of the first n must be those of all
            assert actual[split].labels.tolist() != labels.tolist()
            assert actual[split].labels.tolist() != sorted(labels.tolist())
    assert not asked


def test_the_classes_of_cifar10_have_the_numbers_of_its_batches(tmp_path, monkeypatch) -> None:
    from torchvision.datasets import CIFAR10

    made_up.cifar10(tmp_path / "raw", monkeypatch)
    actual = store("cifar10", tmp_path / "raw", tmp_path)
    names = CIFAR10(tmp_path / "raw", download=False).classes
    assert actual.manifest["class_names"] == names == sorted(names)
    assert actual.manifest["mirrored"] is True


@pytest.mark.parametrize("name", ["cifar10", "mnist", "celeba"])
def test_published_counts_are_what_planning_is_told(name) -> None:
    declared, plugin = registry.declaration("dataset", name), registry.load("dataset", name)
    assert declared.fact("n_train") == plugin.counts["train"]
    assert {"cifar10": 60_000, "mnist": 70_000, "celeba": 182_732}[name] == sum(
        plugin.counts.values()
    )


def test_means_and_deviations_are_those_of_the_pixels(tmp_path, monkeypatch) -> None:
    original = made_up.cifar10(tmp_path / "raw", monkeypatch)
    manifest = store("cifar10", tmp_path / "raw", tmp_path).manifest
    pixels = original["train"][0].reshape(-1, 3) / 255
    assert manifest["mean"] == pytest.approx(pixels.mean(0), abs=1e-12)
    assert manifest["std"] == pytest.approx(pixels.std(0), abs=1e-12)


def test_a_padded_digit_has_a_black_edge(tmp_path, monkeypatch) -> None:
    made_up.mnist(tmp_path, monkeypatch)
    plain, padded = (load("mnist", tmp_path, padded=padded)["train"] for padded in (False, True))
    assert padded.samples.shape[1:] == (1, 32, 32)
    assert (padded.samples[:, :, 2:-2, 2:-2] == plain.samples).all()
    assert padded.samples.sum() == plain.samples.sum()  # nothing beside the picture
    assert (padded.labels == plain.labels).all()


def test_stacked_digits_are_three_digits_and_their_number(tmp_path, monkeypatch) -> None:
    original = made_up.mnist(tmp_path, monkeypatch)
    actual = load("stacked-mnist", tmp_path, n_train=5000, n_test=40)
    assert actual["train"].samples.shape == (5000, 3, 28, 28)
    for split, n in (("train", 5000), ("test", 40)):
        images, labels = original[split]
        available = {
            image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)
        }
        for sample, label in zip(
            actual[split].samples[:50], actual[split].labels[:50], strict=True
        ):
            a, b, c = (available[channel.tobytes()] for channel in sample)
            assert label == 100 * a + 10 * b + c
        assert len(actual[split].labels) == n
    # 5000 draws from 1000 classes leave a class out with probability e^-5 each: 6.7 +- 2.6
    assert 1000 - len(np.unique(actual["train"].labels)) == pytest.approx(6.7, abs=4 * 2.6)
    first, second = actual["train"].labels // 100, actual["train"].labels // 10 % 10
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(5000)  # drawn independently
    again = load("stacked-mnist", tmp_path, n_train=5000, n_test=40)
    assert (again["train"].samples == actual["train"].samples).all()


def test_celeba_is_the_resized_centre_of_the_official_partition(tmp_path, monkeypatch) -> None:
    original = made_up.celeba(tmp_path, monkeypatch)
    asked = made_up.offline(monkeypatch)
    actual = load("celeba", tmp_path)
    assert not asked and actual["train"].labels is None
    for split in ("train", "test"):
        expected = set()
        for image in original[split]:
            centre = Image.fromarray(image[29:189, 9:169])  # (218 - 160) / 2 and (178 - 160) / 2
            small = centre.resize((64, 64), Image.Resampling.BICUBIC)
            expected.add(np.asarray(small).transpose(2, 0, 1).tobytes())
        assert {sample.tobytes() for sample in actual[split].samples} == expected
    assert load("celeba", tmp_path, size=32, crop=108)["test"].samples.shape == (3, 3, 32, 32)


def test_celeba_from_a_folder_has_no_labels(tmp_path, monkeypatch) -> None:
    original = made_up.celeba(tmp_path / "raw", monkeypatch)
    for split in ("train", "test"):
        for index, image in enumerate(original[split]):
            made_up.write(tmp_path / "files" / split / f"{index}.png", image)
    actual = store("celeba", tmp_path / "files", tmp_path, source="folder")
    archived = store("celeba", tmp_path / "raw", tmp_path / "other")
    assert (actual.classes, actual.manifest["class_names"]) == (0, [])
    for split in ("train", "test"):
        assert {s.tobytes() for s in actual.samples(split)} == {
            s.tobytes() for s in archived.samples(split)
        }
    assert "19,867" in archived.manifest["partition"]


# -- what may be wrong -----------------------------------------------------------------------------

FILES = {
    "cifar10": ["cifar-10-python.tar.gz"],
    "mnist": [
        f"MNIST/raw/{name}.gz"
        for name in (
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        )
    ],
    "celeba": ["celeba/img_align_celeba.zip", "celeba/list_eval_partition.txt"],
}


def test_the_checksums_that_are_named_are_torchvision_s(tmp_path) -> None:
    from torchvision.datasets import CIFAR10, MNIST, CelebA

    available = {CIFAR10.filename: CIFAR10.tgz_md5, **dict(MNIST.resources)}
    available |= {name: md5 for _, md5, name in CelebA.file_list}
    for name, files in FILES.items():
        archives = registry.create("dataset", name, {"path": str(tmp_path)}).archives()
        assert [str(archive.path.relative_to(tmp_path)) for archive in archives] == files
        assert all(archive.md5 == available[archive.path.name] for archive in archives)


@pytest.mark.parametrize("name", FILES)
def test_without_a_network_it_is_told_which_files_to_put_where(name, tmp_path, monkeypatch) -> None:
    made_up.offline(monkeypatch)
    dataset = registry.create("dataset", name, {"path": str(tmp_path)})
    text = refused(dataset.load, name, "no network", "source: folder", "/train/", "missing")
    for archive in dataset.archives():
        assert str(archive.path) in text and archive.md5 in text


def test_an_exceeded_quota_is_told_with_the_files(tmp_path, monkeypatch) -> None:
    """As torchvision tells it, or the page that Google sends in place of the file."""
    from torchvision.datasets import utils

    def exceeded(_id: str, root: Path, filename: str, md5: str) -> None:
        Path(root).mkdir(parents=True, exist_ok=True)
        Path(root, filename).write_text("<html>Quota exceeded</html>", encoding="utf-8")
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(utils, "download_file_from_google_drive", exceeded)
    text = refused(lambda: load("celeba", tmp_path), "img_align_celeba.zip", "corrupted")
    assert "00d2c5bc6d35e252742224ab0c1e8fcb" in text and "truncated or altered, 27 bytes" in text


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:-9] + b"123456789"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_archive_is_fetched_again_or_named(name, damage, tmp_path, monkeypatch) -> None:
    maker = made_up.celeba if name == "celeba" else MAKERS[name]
    maker(tmp_path, monkeypatch)
    path = tmp_path / FILES[name][0]
    whole, expected = path.read_bytes(), made_up.md5(path)
    path.write_bytes(damage(whole))
    actual = made_up.md5(path)
    asked = made_up.offline(monkeypatch)
    text = refused(
        lambda: load(name, tmp_path), str(path), expected, actual, "truncated or altered"
    )
    assert asked and ("whole" in text or len(FILES[name]) == 1)

    from torchvision.datasets import utils

    def get(url: str, filename: str | Path, **_: object) -> None:
        Path(filename).write_bytes(whole)

    def drive(_id: str, root: Path, filename: str, _md5: str) -> None:
        get("", Path(root, filename))

    monkeypatch.setattr(utils, "_get_redirect_url", lambda url, **_: url)
    monkeypatch.setattr(utils, "_urlretrieve", get)
    monkeypatch.setattr(utils, "download_file_from_google_drive", drive)
    assert len(load(name, tmp_path)["test"].samples) == {"celeba": 3}.get(name, 10)


def test_digits_that_were_half_unpacked_are_unpacked_again(tmp_path, monkeypatch) -> None:
    """torchvision's own class takes any file of the right name for a whole one."""
    original = made_up.mnist(tmp_path, monkeypatch)
    unpacked = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    for label in ("train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        unpacked.with_name(label).write_bytes(b"")
    unpacked.write_bytes(b"\0\0\x08\x03")
    images, labels = original["train"]
    assert same(load("mnist", tmp_path)["train"], images[:, None], labels)


def test_batches_that_were_altered_are_unpacked_again(tmp_path, monkeypatch) -> None:
    original = made_up.cifar10(tmp_path, monkeypatch)
    load("cifar10", tmp_path)
    (tmp_path / "cifar-10-batches-py/data_batch_3").write_bytes(b"cut")
    images, labels = original["train"]
    assert same(load("cifar10", tmp_path)["train"], images.transpose(0, 3, 1, 2), labels)


@pytest.mark.parametrize("source", ["torchvision", "folder"])
def test_too_few_pictures_are_told_with_both_numbers(source, tmp_path, monkeypatch) -> None:
    original = made_up.cifar10(tmp_path, monkeypatch)
    made_up.folder(tmp_path, original, registry.load("dataset", "cifar10").names)
    made_up.counted(monkeypatch, "cifar10", {"train": 20, "test": 11})
    text = refused(lambda: load("cifar10", tmp_path, source=source), "10", "11", "test", "`folder`")
    assert str(tmp_path) in text


def test_a_picture_that_celeba_s_partition_names_must_be_there(tmp_path, monkeypatch) -> None:
    made_up.celeba(tmp_path, monkeypatch)
    folder = tmp_path / "celeba"
    partition = folder / "list_eval_partition.txt"
    partition.write_text(
        partition.read_text(encoding="utf-8").replace("000003.jpg", "000099.jpg"), encoding="utf-8"
    )
    made_up.sums(folder, monkeypatch)
    refused(lambda: load("celeba", tmp_path), "1 pictures", "000099.jpg", "missing")
    partition.write_text(partition.read_text(encoding="utf-8") + "000012.jpg 7\n", encoding="utf-8")
    made_up.sums(folder, monkeypatch)
    refused(lambda: load("celeba", tmp_path), "list_eval_partition.txt:12", "'000012.jpg 7'")


def test_an_unreadable_face_in_the_archive_is_named(tmp_path, monkeypatch) -> None:
    made_up.celeba(tmp_path, monkeypatch)
    folder = tmp_path / "celeba"
    path = folder / "img_align_celeba.zip"
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data[:500] if "000002" in name else data)
    made_up.sums(folder, monkeypatch)
    refused(lambda: load("celeba", tmp_path), "1 of 9 pictures", "000002.jpg", "runcated")


def test_a_picture_of_another_size_or_class_is_no_cifar10(tmp_path, monkeypatch) -> None:
    original = made_up.cifar10(tmp_path / "raw", monkeypatch)
    names = registry.load("dataset", "cifar10").names
    made_up.folder(tmp_path, original, names)
    wrong = made_up.write(tmp_path / "train/cat/00003.png", np.zeros((30, 32, 3), np.uint8))
    text = refused(lambda: load("cifar10", tmp_path, source="folder"), str(wrong), "32x30")
    assert "expected 32x32" in text and "1 of 30" in text
    (tmp_path / "test/truck").rename(tmp_path / "test/lorry")
    refused(
        lambda: load("cifar10", tmp_path, source="folder"), "lorry", "test", "airplane", "truck"
    )


def test_labels_that_do_not_match_the_images_are_refused(tmp_path, monkeypatch) -> None:
    """Archives of right checksums whose parts do not belong together."""
    import gzip

    from torchvision.datasets import MNIST

    made_up.mnist(tmp_path, monkeypatch)
    file = tmp_path / "MNIST/raw/train-labels-idx1-ubyte.gz"
    data = gzip.compress(np.array([0x801, 19], ">i4").tobytes() + bytes(19), mtime=0)
    file.write_bytes(data)
    resources = [(n, made_up.md5(file) if n == file.name else m) for n, m in MNIST.resources]
    monkeypatch.setattr(MNIST, "resources", resources)
    refused(lambda: store("mnist", tmp_path, tmp_path), "20", "19")


def test_planning_knows_the_sizes_that_settings_decide() -> None:
    from ganlore.study.compatibility import why_not

    assert "halving size" in registry.declaration("network", "dcgan").fact("requires")
    mnist, celeba = (registry.declaration("dataset", name) for name in ("mnist", "celeba"))
    for declared, inputs, there in (
        (mnist, {}, False),
        (mnist, {"padded": True}, True),
        (celeba, {}, True),
        (celeba, {"size": 48}, False),
        (registry.declaration("dataset", "folder"), {}, False),
        (registry.declaration("dataset", "folder"), {"size": 32}, True),
    ):
        assert ("power-of-two size" in declared.provided(declared.settings(inputs))) is there
    labels = registry.declaration("dataset", "folder")
    assert "labels" in labels.provided()
    assert "labels" not in labels.provided(labels.settings({"labels": False}))
    reported = why_not("folder", "mlp", "cgan", settings=labels.settings({"labels": False}))
    assert reported is not None and why_not("folder", "mlp", "cgan") is None


def test_a_manifest_tells_where_the_data_are_from(tmp_path, monkeypatch) -> None:
    made_up.cifar10(tmp_path / "raw", monkeypatch)
    reported = json.loads(
        (store("cifar10", tmp_path / "raw", tmp_path).folder / "manifest.json").read_text(
            encoding="utf-8"
        )
    )
    assert "cs.toronto.edu" in reported["source"] and re.search(
        "Krizhevsky 2009", reported["citation"]
    )
    assert reported["settings"]["source"] == "torchvision" and reported["licence"]
    assert reported["counts"] == made_up.COUNTS
