"""Results as data frames, and trained generators, as a notebook has them."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ganlore
from by_hand import FILE, invoke, measured, ok, prepared
from ganlore import arrays, storage
from ganlore.api.generators import TrainedGenerator
from ganlore.errors import GanloreError
from ganlore.frames import read_csv
from ganlore.study.run import Plan
from tiny import REPOSITORY

GRID = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge", "cgan", "infogan"],
        "tricks": ["none", "ema"]}  # fmt: skip
KEY = ["dataset", "network", "loss", "trick", "variant", "train_seed"]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A finished study of the ring, collected; the folder is the working directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("done"))
        plan = prepared(grids=[GRID], reports="reports")
        measured(plan)
        ok("collect", FILE)
        yield plan


def test_the_package_is_imported_without_its_heavy_parts() -> None:
    code = (
        "import sys, ganlore; ganlore.__version__\n"
        "print({'torch', 'numpy', 'pandas', 'matplotlib', 'pydantic'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    with pytest.raises(AttributeError, match="lod"):
        ganlore.lod  # noqa: B018
    assert {"load", "generator", "plots"} <= set(dir(ganlore))


def test_a_finished_study_is_read_as_frames(done: Plan) -> None:
    results = ganlore.load("results")
    assert len(results.runs) == len(done.runs) == len(results.runs[KEY].drop_duplicates())
    for run in done.runs:
        written = read_csv(done.folder(run) / "metrics.csv")
        rows = results.metrics
        for column, value in run.key.items():
            rows = rows[rows[column] == value]
        assert rows["value"].tolist() == written["value"].tolist()
        assert rows["metric"].tolist() == written["metric"].tolist()
        recorded = read_csv(done.folder(run) / "history.csv")
        rows = results.history[(results.history[list(run.key)] == pd.Series(run.key)).all(axis=1)]
        assert rows["d_loss"].tolist() == recorded["d_loss"].tolist()
    assert set(results.ends["step"]) == {6}
    by_file = ganlore.load(FILE)
    assert by_file.metrics.equals(results.metrics) and by_file.folder == Path("results")


def report(folder: Path, tables: str, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    hashes = {name: storage.sha256(folder / name) for name in files}
    storage.write_record(folder / "report.json", {"tables": tables, "files": hashes})


def test_claims_are_those_of_the_report_of_these_tables(done: Plan, tmp_path: Path) -> None:
    with pytest.raises(GanloreError, match=r"reports/report.json"):
        _ = ganlore.load("results").claims
    tables = json.loads(Path("results/tables.json").read_bytes())[storage.SEAL]
    report(tmp_path, tables, {"tables/verdicts.csv": "claim,verdict,effect\nC01,holds,-0.5\n"})
    claims = ganlore.load("results", reports=tmp_path).claims
    assert claims.to_dict("records") == [{"claim": "C01", "verdict": "holds", "effect": -0.5}]
    (tmp_path / "tables/verdicts.csv").write_text(
        "claim,verdict\nC01,contradicted\n", encoding="utf-8"
    )
    with pytest.raises(GanloreError, match=r"verdicts.csv: truncated or altered"):
        _ = ganlore.load("results", reports=tmp_path).claims
    report(tmp_path, tables, {"index.html": ""})  # a study without claims
    assert ganlore.load("results", reports=tmp_path).claims["verdict"].empty
    report(tmp_path, "of others", {"index.html": ""})
    with pytest.raises(GanloreError, match="of other tables"):
        _ = ganlore.load("results", reports=tmp_path).claims


def test_a_published_study_is_read_as_frames() -> None:
    results = ganlore.load(REPOSITORY / "results/study")
    text = gzip.decompress((REPOSITORY / "results/study/metrics.csv.gz").read_bytes()).decode()
    lines = text.splitlines()
    assert len(results.metrics) == len(lines) - 1
    first = dict(zip(lines[0].split(","), lines[1].split(","), strict=True))
    assert results.metrics["value"].iloc[0] == float(first["value"])
    assert results.metrics["trick"].iloc[0] == "none"  # a name, and no missing value
    published = json.loads((REPOSITORY / "results/study/publication.json").read_bytes())
    assert len(results.runs) == published["runs"]
    verdicts = REPOSITORY / "reports/study/tables/verdicts.csv"
    with verdicts.open(encoding="utf-8", newline="") as rows:
        assert list(results.claims["claim"]) == [row["claim"] for row in csv.DictReader(rows)]
    assert ganlore.load(REPOSITORY / "results/cifar10-cpu").claims.empty


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GanloreError, match=r"neither tables.json of a finished study nor"):
        ganlore.load(tmp_path)


def test_damaged_results_are_an_error(done: Plan, tmp_path: Path) -> None:
    copied = shutil.copytree("results", tmp_path / "results")
    damaged = copied / "metrics.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    with pytest.raises(GanloreError, match=r"metrics.parquet: truncated or altered"):
        ganlore.load(copied)


# -- generators ------------------------------------------------------------------------------------


def opened(plan: Plan, loss: str, trick: str = "none") -> tuple[TrainedGenerator, Path]:
    (run,) = (run for run in plan.runs if (run.loss.name, run.trick) == (loss, trick))
    return ganlore.generator(plan.folder(run)), plan.folder(run)


@pytest.mark.parametrize("loss", GRID["losses"])
@pytest.mark.parametrize("trick", GRID["tricks"])
def test_samples_are_those_of_the_evaluation(done: Plan, loss: str, trick: str) -> None:
    generator, folder = opened(done, loss, trick)
    protocol = done.runs[0].protocol
    kept = arrays.read_archive(folder / "samples.npz")["samples"]
    samples = generator.sample(protocol.n_fake, seed=protocol.eval_seed)
    assert samples.shape == (50, 2) and samples.dtype == np.float32
    np.testing.assert_allclose(samples[: len(kept)], kept, rtol=1e-5, atol=1e-6)
    assert not generator.module.training and generator.step == 6
    assert (generator.sample(5, seed=1) == generator.sample(5, seed=1)).all()
    assert (generator.sample(5, seed=1) != generator.sample(5, seed=2)).any()


def test_an_earlier_snapshot_can_be_asked_for(done: Plan) -> None:
    _, folder = opened(done, "hinge")
    early = ganlore.generator(folder, step=3)
    strip = arrays.read_archive(folder / "samples.npz")["strip"]
    np.testing.assert_allclose(early.sample(50)[:8], strip[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(GanloreError, match=r"no snapshot of step 4\n  there are: 3, 6"):
        ganlore.generator(folder, step=4)


def test_labels_decide_the_class(done: Plan) -> None:
    conditional, _ = opened(done, "cgan")
    assert conditional.conditional
    ones, twos = (conditional.sample(6, seed=0, labels=[label] * 6) for label in (1, 2))
    assert (ones != twos).any()
    for labels in ([0] * 5, [8] * 6):
        with pytest.raises(GanloreError, match="expected 6 labels from 0 to 7"):
            conditional.sample(6, labels=labels)
    with pytest.raises(GanloreError, match="'hinge' is not conditional"):
        opened(done, "hinge")[0].sample(2, labels=[0, 0])
    with pytest.raises(GanloreError, match="at least one"):
        conditional.sample(0)


@pytest.mark.parametrize("loss", ["cgan", "infogan"])
def test_an_exported_generator_needs_neither_run_nor_data(
    done: Plan, loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator, folder = opened(done, loss, "ema")
    expected = generator.sample(20, seed=3)
    ok("export", str(folder), str(tmp_path / "out"))
    monkeypatch.chdir(tmp_path)
    again = ganlore.generator("out")
    assert (again.sample(20, seed=3) == expected).all() and again.step == 6
    # others read it as well
    from safetensors.numpy import load_file

    weights = load_file("out/model.safetensors")
    assert weights.keys() == generator.module.state_dict().keys()
    card = Path("out/README.md").read_text(encoding="utf-8")
    assert loss in card and "| tricks | ema |" in card and "2 points" not in card
    Path("out/model.safetensors").write_bytes(b"")
    with pytest.raises(GanloreError, match=r"model.safetensors: truncated or altered"):
        ganlore.generator("out")


def test_a_run_without_weights_says_so(done: Plan, tmp_path: Path) -> None:
    _, folder = opened(done, "hinge")
    copied = shutil.copytree(folder, tmp_path / "run")
    (copied / "snapshots.pt").write_bytes(b"x")
    with pytest.raises(GanloreError, match=r"snapshots.pt: truncated or altered"):
        ganlore.generator(copied)
    (copied / "snapshots.pt").unlink()
    with pytest.raises(GanloreError, match="no weights: the study did not keep them"):
        ganlore.generator(copied)
    status, text = invoke("export", str(tmp_path), str(tmp_path / "out"))
    assert status == 1 and "run.json" in text and not (tmp_path / "out").exists()


def test_a_run_that_this_version_does_not_know_says_so(done: Plan, tmp_path: Path) -> None:
    """Of another version, or of a plug-in that is not here: no traceback of pydantic's."""
    _, folder = opened(done, "hinge")
    ok("export", str(folder), str(tmp_path / "out"))
    config = json.loads((tmp_path / "out/config.json").read_text(encoding="utf-8"))
    config["run"]["training"]["snapshotz"] = 1
    (tmp_path / "out/config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(GanloreError, match=r"not a run of this version: training.snapshotz"):
        ganlore.generator(tmp_path / "out")


def test_the_only_snapshot_that_was_kept_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grid = {**GRID, "losses": ["hinge"], "tricks": ["none"]}
    plan = prepared(grids=[grid], keep={"snapshots": "last"})
    measured(plan)
    (run,) = plan.runs
    before = ganlore.generator(plan.folder(run)).sample(9)
    (plan.folder(run) / "snapshots.pt").unlink()  # as Snakemake does
    assert (ganlore.generator(plan.folder(run)).sample(9) == before).all()
