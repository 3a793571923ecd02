"""What the README and CONTRIBUTING show works as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.specifiers import SpecifierSet

from ganlore import metrics
from ganlore.data import Store
from ganlore.docgen import pages
from ganlore.study import schema
from ganlore.study.expand import expand
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
    path = tmp_path / "plugins" / "data" / "spiral.py"
    path.parent.mkdir(parents=True)
    path.write_text(examples(CONTRIBUTING)["src/ganlore/data/spiral.py"], encoding="utf-8")
    run(tmp_path, "ganlore", "prepare", "spiral")
    store = Store.open(tmp_path / "data/prepared/spiral")
    assert store.samples("train").shape == (10_000, 2) and store.classes == 0
    run(tmp_path, "ganlore", "extract", "spiral", "coordinates")


def test_the_metric_example_is_measured_with_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = examples(CONTRIBUTING)["src/ganlore/metrics/mean_distance.py"]
    (tmp_path / "mean_distance.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    assert metrics.metrics()["mean_distance"].paper.startswith("arXiv:")
    real = np.random.default_rng(0).normal(size=(50, 3))
    for kind in (np.float64, np.float32):
        comparison = metrics.Comparison(
            real.astype(kind), (real + np.array([3, 4, 0])).astype(kind)
        )
        values = metrics.measure_all(comparison)
        assert values["mean_distance"] == pytest.approx(5) and values["fid"] == pytest.approx(25)


def test_the_study_of_contributing_is_planned(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(# configs/mine.yaml.*?)```", CONTRIBUTING, flags=re.S)
    (tmp_path / "mine.yaml").write_text(block, encoding="utf-8")
    shutil.copy(REPOSITORY / "configs/smoke.yaml", tmp_path)
    plan = expand(schema.load(tmp_path / "mine.yaml"))
    assert {run.dataset.name for run in plan.runs} == {"digits"}
    assert ("nonsaturating", "ema") in {(run.loss.name, run.trick) for run in plan.runs}


def test_links_lead_somewhere() -> None:
    for page in pages.pages(REPOSITORY):
        text = (REPOSITORY / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
            place = (REPOSITORY / page).parent / target
            assert target.startswith("http") or place.exists(), (page, target)


def test_the_readme_can_be_read() -> None:
    """At most 200 lines, with a picture and the two commands before anything else is asked for."""
    assert len(README.splitlines()) <= 200
    assert README.index("![") < README.index("make report") < README.index("plugins/")


def test_a_study_of_one_s_own_is_planned_as_the_readme_says(tmp_path: Path) -> None:
    for name, code in examples(README).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(code, encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(# mine.yaml.*?)```", README, flags=re.S)
    (tmp_path / "mine.yaml").write_text(block, encoding="utf-8")
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs")
    planned = run(tmp_path, "ganlore", "plan", "mine.yaml", "--no-measure")
    assert "18 runs" in planned  # 3 losses, 2 tricks, 3 seeds
    assert "plug-in: loss lsgan-zero (plugins/losses/lsgan_zero.py)" in planned


def test_results_are_read_as_the_readme_says() -> None:
    """Of the published study; the run is one of the default study's."""
    from matplotlib import pyplot

    pyplot.switch_backend("Agg")
    (block,) = re.findall(r"```python\n(import ganlore\n.*?)```", README, flags=re.S)
    frames, generators = block.split("generator =")
    exec(frames.replace('"results"', repr(str(REPOSITORY / "results/study"))), {})
    assert pyplot.gcf().axes[0].patches
    pyplot.close("all")
    (folder,) = re.findall(r'\("results/runs/([^"]+)"\)', generators)
    assert folder in expand(schema.load(REPOSITORY / "configs/default.yaml")).by_id
    assert "generator.sample(16, seed=0)" in generators  # as tests/api does


def test_the_example_of_a_trick_is_the_one_of_a_new_folder() -> None:
    path = REPOSITORY / "src/ganlore/scaffold/plugins/tricks/drift.py"
    assert examples(README)["plugins/tricks/drift.py"] == path.read_text(encoding="utf-8")


def test_commands_exist() -> None:
    names = [name for name in pages.pages(REPOSITORY) if name != "CONTRIBUTING.md"]
    text = "\n".join((REPOSITORY / name).read_text(encoding="utf-8") for name in names)
    commands = set(re.findall(r"^ganlore ([\w-]+)", text, flags=re.M))
    assert commands == {
        "claims", "export", "extract", "fetch", "list", "new", "plan", "prepare", "publish",
        "reference", "replicate", "status", "summary", "train", "verify", "watch",
    }  # fmt: skip
    listed = run(REPOSITORY, "ganlore", "--help")
    assert all(command in listed for command in commands)
    assert shutil.which("make") and "make report" in README and "make test" in README


def test_every_pin_installs_on_the_oldest_python_that_the_readme_names() -> None:
    """Debian's 3.11.2 among them: a pin that wants 3.11.5 leaves its users without a set-up."""
    oldest = re.search(r"You need Python (3\.\d+)", README)
    assert oldest
    pins = re.findall(
        r"^([\w.-]+)==", (REPOSITORY / "constraints.txt").read_text(encoding="utf-8"), re.M
    )
    installed = {made.name.lower(): made for made in metadata.distributions()}
    asked = {
        name: installed[name.lower()].metadata["Requires-Python"]
        for name in pins
        if name.lower() in installed  # some are for another Python, or an extra
    }
    assert len(asked) > 150
    wanted = f"{oldest[1]}.0"
    assert not {n: a for n, a in asked.items() if a and not SpecifierSet(a).contains(wanted)}
