"""`ganlore verify` names a record that is damaged, whatever lies in its place."""

from __future__ import annotations

import gzip
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from typer.testing import CliRunner

from ganlore import arrays, features, storage
from ganlore.cli.main import app
from ganlore.errors import GanloreError
from ganlore.publishing import publication, verify_published
from tiny import REPOSITORY, TINY

GARBAGE = [b"", b"{", b"[]", b"{}", b"null", b"1", b'"x"', b'{"files": []}', b'{"files": {"x": 1}}',
           b"\xff\xfe\x00", b"[" * 100_000, bytes(range(256))]  # fmt: skip

RECORDS = ["data/prepared/ring/manifest.json", "data/extractors/ring/coordinates/record.json",
           "{run}/run.json", "{run}/evaluation.json"]  # fmt: skip


def invoke(*words: str) -> tuple[int, str]:
    """Exit status and all that was said; anything but our own error is a traceback."""
    result = CliRunner().invoke(app, list(words))
    assert isinstance(result.exception, GanloreError | SystemExit | None), repr(result.exception)
    ours = str(result.exception) if isinstance(result.exception, GanloreError) else ""
    return result.exit_code, result.output + ours


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of one run, trained and evaluated."""
    folder = tmp_path_factory.mktemp("finished")
    grids = [{"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge"], "tricks": ["none"]}]
    (folder / "study.yaml").write_text(yaml.safe_dump({**TINY, "grids": grids}), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = "ring/mlp/hinge/none/base/seed0"
        for words in (
            ["prepare", "ring", "--settings", '{"n_train": 400, "n_test": 100}'],
            ["extract", "ring", "coordinates"],
            ["train", run, "--study", "study.yaml"],
            ["evaluate", run, "--study", "study.yaml"],
        ):
            assert invoke(*words)[0] == 0
        assert invoke("verify", "study.yaml") == (0, invoke("verify", "study.yaml")[1])
    return folder


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_of_garbage_is_a_finding(record: str, finished: Path, monkeypatch) -> None:
    monkeypatch.chdir(finished)
    path = Path(record.format(run="results/runs/ring/mlp/hinge/none/base/seed0"))
    whole = path.read_bytes()
    try:
        for garbage in [*GARBAGE, whole[: len(whole) // 2], whole[:-5]]:
            path.write_bytes(garbage)
            status, said = invoke("verify", "study.yaml")
            assert status == 1 and str(path) in said, garbage[:20]
            for command in ("status", "collect"):
                invoke(command, "study.yaml")
            for command in ("train", "evaluate"):
                invoke(command, "ring/mlp/hinge/none/base/seed0", "--study", "study.yaml")
            path.write_bytes(garbage)
    finally:
        path.write_bytes(whole)


@pytest.fixture
def published(tmp_path: Path, monkeypatch) -> Path:
    """The result that is published in this project."""
    shutil.copytree(REPOSITORY / "results/cifar10-cpu", tmp_path / "results/cifar10-cpu")
    shutil.copytree(REPOSITORY / "reports/cifar10-cpu", tmp_path / "reports/cifar10-cpu")
    monkeypatch.chdir(tmp_path)
    return Path("results/cifar10-cpu")


def damage(path: Path, published: Path) -> None:
    """Find a damaged file, before and after the forger has made the list of hashes fit."""
    whole, manifest = path.read_bytes(), (published / publication.MANIFEST).read_bytes()
    for garbage in (*GARBAGE, whole[: len(whole) // 2]):
        path.write_bytes(garbage)
        if path.name != publication.MANIFEST:
            assert verify_published.verify(published).wrong
            value = storage.read_json(published / publication.MANIFEST, "")
            value["files"]["results"][str(path.relative_to(published))] = storage.sha256(path)
            storage.write_json(published / publication.MANIFEST, value)
        status, said = invoke("verify", str(published))
        assert status == 1 and said, garbage[:20]
        (published / publication.MANIFEST).write_bytes(manifest)
    path.write_bytes(whole)


@pytest.mark.parametrize(
    "name",
    ["publication.json", "records.jsonl", "metrics.csv", "runs.csv", "data/cifar10/manifest.json"],
)
def test_a_published_file_of_garbage_is_a_finding(name: str, published: Path) -> None:
    damage(published / name, published)


def test_a_published_file_that_is_packed_badly_is_named(published: Path) -> None:
    opened = publication.opened(published)
    plain = published / "metrics.csv"
    packed = gzip.compress(plain.read_bytes())
    plain.unlink()
    for garbage in (
        b"",
        b"{",
        packed[: len(packed) // 2],
        packed[:-1] + b"x",
        gzip.compress(b"\xff"),
    ):
        plain.with_name("metrics.csv.gz").write_bytes(garbage)
        if garbage:
            with pytest.raises(GanloreError, match=r"metrics.csv.gz: damaged"):
                opened.text("metrics.csv")


class Trap:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path.touch, (Path("sprung"),)


def test_a_pickle_is_never_run_and_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"w": Trap()}, "a.pt")
    Path("b.pt").write_bytes(pickle.dumps(Trap()))
    np.save("a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    np.savez("a.npz", x=np.array([Trap()], dtype=object))
    Path("b.npy").write_bytes(pickle.dumps(Trap()))
    for path in (Path("a.pt"), Path("b.pt")):
        with pytest.raises(GanloreError, match=f"{path}: not a file of tensors alone"):
            arrays.read_torch(path)
    for path in (Path("a.npy"), Path("b.npy"), Path("a.npz")):
        with pytest.raises(GanloreError, match=f"{path}: no array of numbers"):
            arrays.read(path)
    with pytest.raises(GanloreError, match=r"a\.npz: no archive of arrays"):
        arrays.read_archive(Path("a.npz"))
    for name in ("c.pt", "c.npy", "c.npz"):
        for garbage in GARBAGE:
            Path(name).write_bytes(garbage)
            for reader in (arrays.read_torch, arrays.read, arrays.read_archive):
                with pytest.raises(GanloreError, match=name):
                    reader(Path(name))
    assert not Path("sprung").exists()


def test_weights_that_are_a_pickle_are_named_where_they_are_used(stores, tmp_path) -> None:
    """Also where the record was made to fit them."""
    store, folder = stores["ring"], tmp_path / "data/extractors/ring/coordinates"
    features.fit("coordinates", store, folder)
    torch.save({"w": Trap()}, folder / "weights.pt")
    record = storage.read_json(folder / "record.json", "")
    record["files"]["weights.pt"] = storage.sha256(folder / "weights.pt")
    storage.write_record(folder / "record.json", record)
    with pytest.raises(GanloreError, match=r"weights\.pt: not a file of tensors alone"):
        features.open_fitted("coordinates", store, folder)
