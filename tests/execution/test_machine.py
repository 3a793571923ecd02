"""A machine's GPUs are there for the tests that are marked `gpu`, and hidden from all others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_workers import call, served, words  # noqa: F401

from ganlore.execution import gpu_slots
from ganlore.training import build
from machine import without_gpus
from tiny import REPOSITORY

SEEN = (
    "from ganlore.execution import gpu_slots; from ganlore.training import build;"
    "print(gpu_slots.gpus(), build.device('auto'))"
)
TOOL = "#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-aaaa)'\n"


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that has a GPU, by all that this project asks; gives the folder of its places."""
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin/nvidia-smi"
    tool.write_text(TOOL, encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.delenv(gpu_slots.VISIBLE)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    gpu_slots._asked.cache_clear()
    yield tmp_path
    gpu_slots._asked.cache_clear()


def test_a_test_sees_no_gpu() -> None:
    assert not torch.cuda.is_available() and torch.cuda.device_count() == 0
    assert gpu_slots.gpus() == [] and gpu_slots.total() == 0
    assert build.device("auto").type == "cpu"
    assert subprocess.check_output([sys.executable, "-c", SEEN], text=True) == "[] cpu\n"


def test_a_card_is_hidden_here_and_in_processes_that_are_started(card) -> None:
    assert build.device("auto").type == "cuda" and gpu_slots.gpus() == ["GPU-aaaa"]
    with without_gpus():
        test_a_test_sees_no_gpu()
    assert build.device("auto").type == "cuda" and gpu_slots.gpus() == ["GPU-aaaa"]


def test_places_on_a_card_are_not_among_a_server_s_files(card, words, tmp_path) -> None:  # noqa: F811
    """A job on a machine with a GPU, whose torch then finds none: what it locked is left apart."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    with served(folder) as (_, environment):
        assert call(words(), environment)[0] == 0
    where = tmp_path / "places"
    assert [path.name for path in sorted(where.iterdir())] == ["GPU-aaaa.0", "lock"]
    place = gpu_slots.take(["GPU-aaaa"], 1, where)
    assert place  # it was given back
    place[1].close()


@pytest.mark.gpu
def test_a_marked_test_sees_the_card() -> None:
    assert torch.cuda.is_available() and gpu_slots.gpus() and build.device("auto").type == "cuda"


def test_only_the_mark_decides_who_needs_a_gpu() -> None:
    """A test that asks torch at its import would run, and then see none."""
    asks = "skipif(not torch.cuda."
    files = (REPOSITORY / "tests").rglob("*.py")
    assert [
        str(p) for p in files if asks in p.read_text(encoding="utf-8") and p != Path(__file__)
    ] == []
