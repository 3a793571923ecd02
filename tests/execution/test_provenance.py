"""What a record says of the source that made it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ganlore import provenance


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the package in a folder of its own, all of it committed."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/provenance.py").write_text("", encoding="utf-8")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "src/provenance.py"))
    return tmp_path


def git() -> dict[str, object]:
    provenance.environment.cache_clear()  # a process asks once
    try:
        actual: dict[str, object] = provenance.environment()["git"]
    finally:
        provenance.environment.cache_clear()
    return actual


def test_a_clean_clone_is_clean_also_with_what_dvc_notes(source: Path) -> None:
    assert git()["dirty"] is False
    (source / "dvc.lock").write_text("schema: '2.0'\n", encoding="utf-8")
    assert git()["dirty"] is False
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=source, text=True)
    assert git()["commit"] == commit.strip()


@pytest.mark.parametrize("name", ["src/provenance.py", "src/new.py", "configs.yaml"])
def test_changed_and_untracked_files_are_not(source: Path, name: str) -> None:
    (source / name).write_text("x = 1\n", encoding="utf-8")
    assert git()["dirty"] is True


def test_outside_of_a_repository_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "provenance.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git() == {"commit": None, "dirty": None}
