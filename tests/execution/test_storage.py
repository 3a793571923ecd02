"""Files are whole or absent, and what is damaged is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from ganlore import arrays, storage
from ganlore.errors import GanloreError


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "file"
    storage.write_text(path, "old")

    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        storage.write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]  # no temporary file is left


def test_files_are_readable_by_others_as_usual(tmp_path: Path) -> None:
    storage.write_text(tmp_path / "ours", "x")
    (tmp_path / "plain").write_text("x", encoding="utf-8")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_damaged_file_is_named_with_both_hashes_and_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    digest = storage.write_bytes(path, b"0" * 100)
    assert storage.check(path, digest, "train again") == path
    path.write_bytes(b"0" * 99)
    with pytest.raises(GanloreError) as caught:
        storage.check(path, digest, "train again")
    for part in (str(path), digest, storage.sha256(path), "99 bytes", "train again"):
        assert part in str(caught.value)
    path.unlink()
    with pytest.raises(GanloreError, match="missing"):
        storage.check(path, digest, "train again")


def test_json_that_is_cut_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    storage.write_json(path, {"a": 1})
    assert storage.read_json(path, "x") == {"a": 1}
    path.write_text(json.dumps({"a": 1})[:-2], encoding="utf-8")
    with pytest.raises(GanloreError, match=r"run\.json: damaged.*\n.*do this"):
        storage.read_json(path, "do this")


def test_the_same_tensors_are_the_same_bytes_under_any_name(tmp_path: Path) -> None:
    value = {"w": torch.arange(6.0)}
    assert arrays.write_torch(tmp_path / "a.pt", value) == arrays.write_torch(
        tmp_path / "another-name.pt", value
    )
    assert torch.equal(arrays.read_torch(tmp_path / "a.pt")["w"], value["w"])


def test_a_checkpoint_holds_no_code(tmp_path: Path) -> None:
    torch.save({"f": Path}, tmp_path / "code.pt")
    with pytest.raises(Exception, match="weights_only"):
        arrays.read_torch(tmp_path / "code.pt")


@pytest.mark.parametrize("cut", [1, 70, 500])
def test_sealed_state_is_whole_or_nothing(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "state.pt"
    assert arrays.read_sealed(path) is None
    arrays.write_sealed(path, {"step": 3})
    assert arrays.read_sealed(path) == {"step": 3}
    path.write_bytes(path.read_bytes()[:-cut])
    assert arrays.read_sealed(path) is None


def test_arrays(tmp_path: Path) -> None:
    arrays.write_array(tmp_path / "a.npy", np.eye(3))
    assert np.array_equal(np.load(tmp_path / "a.npy"), np.eye(3))
    arrays.write_arrays(tmp_path / "b.npz", x=np.eye(2))
    assert np.array_equal(np.load(tmp_path / "b.npz")["x"], np.eye(2))


@pytest.mark.parametrize(
    "array",
    [np.arange(24.0).reshape(2, 3, 4), np.zeros((0, 3), np.int64), np.array([True, False]), np.array(3)],
    ids=["floats", "empty", "booleans", "scalar"],
)  # fmt: skip
def test_an_array_is_written_as_numpy_would(tmp_path: Path, array: np.ndarray) -> None:
    import io

    expected = io.BytesIO()
    np.save(expected, array)
    digest = arrays.write_array(tmp_path / "a.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == expected.getvalue()
    assert digest == storage.sha256(tmp_path / "a.npy")
    view = np.arange(48.0).reshape(6, 8)[::2, 1:5]  # not one block of memory
    arrays.write_array(tmp_path / "view.npy", view)
    assert (np.load(tmp_path / "view.npy") == view).all()
