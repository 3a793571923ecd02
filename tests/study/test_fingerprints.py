"""Fingerprints survive the move of a file, and every file that computes a number counts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganlore.study import declarations, fingerprint, registry

OUTSIDE = {"api", "docgen", "forecast", "publishing", "scaffold", "workflow"}
"""Folders that work on finished results or before any: no result is made with them."""


def fingerprints() -> dict[str, str]:
    """Those of a piece of work of each kind, computed anew."""
    fingerprint.training.cache_clear()
    fingerprint.evaluation.cache_clear()
    return {
        "prepare": fingerprint.preparation("digits"),
        "extract": fingerprint.extraction("classifier"),
        "train": fingerprint.training("mlp", "wgan-gp", ("r1", "ema")),
        "evaluate": fingerprint.evaluation("mlp", "wgan-gp", ("r1", "ema"), ("classifier",)),
        "report": fingerprint.report(),
    }


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of this package in place of it."""
    copy = tmp_path / declarations.PACKAGE.name
    shutil.copytree(declarations.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for module in (declarations, registry):
        monkeypatch.setattr(module, "PACKAGE", copy)
    registry._folders.cache_clear()
    yield copy
    registry._folders.cache_clear()


def _split(line: re.Match[str], before: str, after: str, name: str) -> str:
    """An import line with one of its names from another package."""
    others = [other for other in line[2].split(", ") if other != name]
    kept = [f"{line[1]}from {before} import {', '.join(others)}"] if others else []
    return "\n".join([*kept, f"{line[1]}from {after} import {name}"])


@pytest.fixture
def moved(package: Path) -> Callable[[str, str], None]:
    """Moves a module, and rewrites what imports it."""

    def move(old: str, new: str) -> None:
        before, after = (Path(package, *name.split(".")).with_suffix(".py") for name in (old, new))
        after.parent.mkdir(exist_ok=True)
        before.rename(after)
        (old_package, _, name), (new_package, _, _) = old.rpartition("."), new.rpartition(".")
        for path in package.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            changed = text.replace(f"from ganlore.{old} import", f"from ganlore.{new} import")
            changed = re.sub(
                rf"^( *)from ganlore\.{old_package} import (.*\b{name}\b.*)$",
                lambda line: _split(line, f"ganlore.{old_package}", f"ganlore.{new_package}", name),
                changed,
                flags=re.MULTILINE,
            )
            if changed != text:
                path.write_text(changed, encoding="utf-8")

    return move


def test_a_copy_elsewhere_has_the_same_fingerprints(
    request: pytest.FixtureRequest,
) -> None:
    here = fingerprints()
    request.getfixturevalue("package")
    assert fingerprints() == here


def test_a_moved_module_keeps_all_fingerprints(moved: Callable[[str, str], None]) -> None:
    before = fingerprints()
    moved("steps.penalties", "training.penalties")
    moved("training.memory", "measuring.memory")
    assert fingerprints() == before


def test_code_and_names_count_and_words_do_not(package: Path) -> None:
    before = fingerprints()
    path = package / "steps" / "penalties.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(f"# a comment\n{text}", encoding="utf-8")
    assert fingerprints() == before
    path.write_text(text.replace("1e-16", "1e-15"), encoding="utf-8")
    after = fingerprints()
    assert {name for name in before if before[name] != after[name]} == {"train", "evaluate"}


def test_a_new_figure_makes_the_report_stale(package: Path) -> None:
    before = fingerprints()
    (package / "report" / "figures" / "new.py").write_text("ORDER = 1\n", encoding="utf-8")
    after = fingerprints()
    assert {name for name in before if before[name] != after[name]} == {"report"}


def test_plug_ins_of_equal_code_differ_by_their_names(package: Path) -> None:
    shutil.copy(package / "losses" / "hinge.py", package / "losses" / "hinge_too.py")
    one, other = (
        fingerprint.of([package / "losses" / f"{name}.py"]) for name in ("hinge", "hinge_too")
    )
    assert one != other


def test_every_file_counts_but_those_of_neutral_folders() -> None:
    files = [path for path in declarations.PACKAGE.rglob("*.py") if "__pycache__" not in path.parts]
    work = {
        fingerprint.module(name)
        for name in (
            "training.session",
            "evaluation.evaluate",
            "evaluation.collect",
            "evaluation.searching",
            "report.page",
        )
    }
    plugins = {path for kind in registry.KINDS for path in registry.find(kind).values()}
    plugins |= set((declarations.PACKAGE / "metrics").glob("*.py"))
    plugins |= set((declarations.PACKAGE / "report" / "figures").glob("*.py"))
    counted = fingerprint.closure(work | plugins)
    for path in files:
        folder = path.relative_to(declarations.PACKAGE).parts[0]
        if not fingerprint.neutral(path) and folder not in OUTSIDE:
            assert path in counted, f"{path}: no result depends on it; is it dead, or neutral?"
        if fingerprint.neutral(path):
            assert path not in counted, path
