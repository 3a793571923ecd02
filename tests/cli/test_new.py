"""`ganlore new`: a folder in which everything works, outside of this repository."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from by_hand import invoke, ok
from ganlore.cli import new
from ganlore.study import outside, schema
from ganlore.study.expand import expand
from tiny import REPOSITORY, TINY

FILES = {"Snakefile", "study.yaml", "README.md", "profiles/default/profile.yaml", "dvc.yaml",
         "params.yaml", "plugins/tricks/drift.py", ".gitignore", ".dvcignore", ".dvc/config",
         ".dvc/.gitignore", ".dvc/plots/cells.json"}  # fmt: skip


def run(folder: Path, *words: str, source: Path = REPOSITORY / "src", status: int = 0) -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")]),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    done = subprocess.run(
        words, cwd=folder, env=environment, stdout=-1, stderr=-2, text=True, check=False
    )
    assert done.returncode == status, done.stdout[-4000:]
    return done.stdout


def shorten(folder: Path) -> None:
    """Let the study of a new folder train for a second."""
    document = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))
    small = {key: TINY[key] for key in ("training", "protocol", "settings", "seeds")}
    small["grids"] = [{**document["grids"][0], "datasets": ["ring"], "losses": ["hinge"]}]
    (folder / "study.yaml").write_text(yaml.safe_dump({**document, **small}), encoding="utf-8")
    params = {"seeds": [0], "training": {"budget": TINY["training"]["budget"]}}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def test_a_new_folder_has_a_study_that_can_be_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = ok("new", "my-study")
    assert "cd my-study && snakemake --cores 2" in text
    folder = tmp_path / "my-study"
    assert {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} == FILES
    monkeypatch.chdir(folder)
    plan = expand(schema.load("study.yaml"))
    assert plan.study.name == "my-study" and len(plan.runs) == 18 and not plan.missing
    assert outside.files(plan.runs) == {("trick", "drift"): folder / "plugins/tricks/drift.py"}
    assert "{{" not in "".join(
        path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()
    )


def test_plug_ins_are_named_before_they_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ok("new", "mine")
    monkeypatch.chdir(tmp_path / "mine")
    named = (
        "plug-in: trick drift (plugins/tricks/drift.py)\nnote: plug-ins of this folder are Python"
    )
    assert named in ok("plan", "study.yaml", "--no-measure")
    assert named in ok("needs", "study.yaml")
    # a file that would say so if it were run is named and not run
    trick = Path("plugins/tricks/drift.py")
    code = trick.read_text(encoding="utf-8")
    trick.write_text(f"raise SystemExit('it ran')\n{code}", encoding="utf-8")
    _, text = invoke("train", "digits/mlp/hinge/drift/base/seed0", "--study", "study.yaml")
    assert named in text
    assert "plug-in:" not in invoke("train", "digits/mlp/hinge/none/base/seed0", "--study", "study.yaml")[1]  # fmt: skip
    assert "plug-in:" not in ok("plan", str(REPOSITORY / "configs/default.yaml"), "--no-measure")


@pytest.mark.parametrize(
    "folder, message",
    [("there", "is there already"), ("a study", "'a study' cannot be the name of a study")],
)
def test_nothing_is_overwritten(
    folder: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("there/notes.txt").write_text("mine", encoding="utf-8")
    status, text = invoke("new", folder)
    assert status == 1 and message in text
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "notes.txt"]


def test_what_is_copied_is_what_the_project_has() -> None:
    for name, source in (
        ("profiles/default/profile.yaml", "profiles/default/profile.yaml"),
        (".dvc/config", "dot-dvc/config"),
        (".dvc/.gitignore", "dot-dvc/dot-gitignore"),
        (".dvc/plots/cells.json", "dot-dvc/plots/cells.json"),
        (".dvcignore", "dot-dvcignore"),
    ):
        ours = (REPOSITORY / name).read_text(encoding="utf-8")
        assert (new.SCAFFOLD / source).read_text(encoding="utf-8") == ours, name


@pytest.mark.workflow
def test_the_wheel_alone_runs_a_new_study(tmp_path: Path) -> None:
    """The package as a wheel has it, in a folder where nothing else of this project is."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index",
               "--no-build-isolation", "--wheel-dir", str(tmp_path), str(copied(tmp_path))]  # fmt: skip
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    run(tmp_path, sys.executable, "-m", "ganlore", "new", "mine", source=site)
    folder = tmp_path / "mine"
    shorten(folder)
    text = run(folder, "snakemake", "--cores", "2", source=site)
    assert "plug-in: trick drift (plugins/tricks/drift.py)" in text
    assert (folder / "reports/index.html").exists()
    runs = "results/runs/ring/mlp/hinge"
    for trick in ("none", "drift"):
        assert (folder / runs / trick / "base/seed0/evaluation.json").exists()
    where = "import ganlore; print(ganlore.__file__)"
    assert str(site) in run(folder, sys.executable, "-c", where, source=site)


def copied(tmp_path: Path) -> Path:
    """A copy of what a wheel is built from, so that no build folder is left in the project."""
    import shutil

    folder = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder)
    return folder
