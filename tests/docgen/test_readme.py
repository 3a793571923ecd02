"""What the README and CONTRIBUTING show works as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ganlore.data import Store
from ganlore.study import schema
from tiny import REPOSITORY, TINY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")


def examples(text: str) -> dict[str, str]:
    """Code blocks that begin with the name of their file."""
    blocks = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", text, flags=re.S)
    return dict(blocks)


def run(folder: Path, *words: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        words, cwd=folder, env=environment, stdout=-1, stderr=-2, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.mark.workflow
def test_a_loss_and_a_trick_of_one_file_each_join_a_study(tmp_path: Path) -> None:
    """In a folder of one's own: they are listed, and a study that says `all` runs them."""
    actual = examples(README)
    assert set(actual) == {"plugins/losses/lsgan_zero.py", "plugins/tricks/drift.py"}
    for name, code in actual.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code, encoding="utf-8")
    listed = run(tmp_path, "ganlore", "list")
    assert "lsgan-zero" in listed and ".5 E (f+1)^2" in listed and "drift" in listed
    # the smoke study as it ships, with less of everything
    smoke = schema.read(REPOSITORY / "configs/smoke.yaml")
    tiny = {key: TINY[key] for key in ("training", "protocol", "settings", "seeds")}
    grids = [
        {**grid, "datasets": ["ring"], "networks": ["mlp"], "protocol": {}}
        for grid in smoke["grids"]
    ]
    (tmp_path / "smoke.yaml").write_text(
        yaml.safe_dump({**smoke, **tiny, "grids": grids}), encoding="utf-8"
    )
    snakemake = ["snakemake", "-s", str(REPOSITORY / "Snakefile"), "--cores", "2"]
    runs = [
        f"smoke/results/runs/ring/mlp/{cell}/base/seed0/evaluation.json"
        for cell in ("lsgan-zero/none", "nonsaturating/drift")
    ]
    run(tmp_path, *snakemake, *runs, "--configfile", "smoke.yaml")
    assert all((tmp_path / path).exists() for path in runs)
    planned = run(tmp_path, *snakemake, "-n", "--configfile", "smoke.yaml")
    assert "loss=hinge" in planned and "loss=lsgan-zero" not in planned.split("rule collect")[0]


def test_the_data_set_example_can_be_prepared(tmp_path: Path) -> None:
    ((name, code),) = examples(CONTRIBUTING).items()
    path = tmp_path / "plugins" / "data" / Path(name).name
    path.parent.mkdir(parents=True)
    path.write_text(code, encoding="utf-8")
    run(tmp_path, "ganlore", "prepare", "spiral")
    store = Store.open(tmp_path / "data/prepared/spiral")
    assert store.samples("train").shape == (10_000, 2) and store.classes == 0
    run(tmp_path, "ganlore", "extract", "spiral", "coordinates")


def test_links_lead_somewhere() -> None:
    for text in (README, CONTRIBUTING):
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            assert target.startswith("http") or (REPOSITORY / target).exists(), target


def test_commands_exist() -> None:
    commands = set(re.findall(r"^ganlore (\w+)", README, flags=re.M))
    assert commands == {
        "claims", "list", "plan", "prepare", "publish", "status", "verify", "train", "fetch",
    }  # fmt: skip
    listed = run(REPOSITORY, "ganlore", "--help")
    assert all(command in listed for command in commands)
    assert shutil.which("make") and "make report" in README and "make test" in README
