"""The command line: what it lists, plans, tells and checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from ganlore import storage
from ganlore.cli.main import app
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.publishing import verify
from ganlore.study import registry, schema
from ganlore.study.expand import expand
from ganlore.study.run import Plan
from tiny import TINY, tiny

RUNNER = CliRunner()


def ok(*words: str) -> str:
    result = RUNNER.invoke(app, list(words))
    assert result.exit_code == 0, result.output
    return result.output


def test_list_shows_every_plug_in_with_its_paper() -> None:
    text = ok("list")
    for kind in registry.KINDS:
        for name in registry.find(kind):
            assert name in text
            paper = registry.declaration(kind, name).fact("paper", "-")
            assert paper == "-" or paper in text
    assert "E relu(1-r) + E relu(1+f)" in ok("list", "losses")
    assert "hinge" not in ok("list", "tricks")


def test_list_shows_one_plug_in_by_its_name() -> None:
    text = ok("list", "wgan-gp")
    assert "E f - E r + 10 E (|grad D(xh)| - 1)^2" in text
    assert "lsgan" not in text and "tricks" not in text
    result = RUNNER.invoke(app, ["list", "wgan-gpp"])
    assert isinstance(result.exception, GanloreError)
    assert "did you mean 'wgan-gp'" in str(result.exception)


def test_the_version_is_the_installed_one() -> None:
    assert ok("--version").split() == ["ganlore", metadata.version("ganlore")]


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    grids = [{"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge", "wgan"]}]
    document = schema.merge(TINY, {"grids": grids})
    Path("tiny.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return "tiny.yaml"


def test_plan_tells_runs_gaps_time_and_disk(study: str) -> None:
    text = ok("plan", study, "--cores", "2")
    plan = expand(schema.load(study))
    assert f"{len(plan.runs)} runs" in text
    assert all(gap.reason in text for gap in plan.missing)
    assert "PFLOP" in text and " on 2 cores, timed on a few steps of" in text
    assert "disk: up to" in text and "while training" in text
    assert "PFLOP" not in ok("plan", study, "--no-measure")


def test_train_evaluate_status_verify(study: str) -> None:
    plan = expand(schema.load(study))
    run = plan.runs[0]
    assert f"missing      {len(plan.runs)}" in ok("status", study)
    ok("prepare", "ring", "--settings", json.dumps(TINY["settings"]["datasets"]["ring"]))
    ok("extract", "ring", "coordinates")
    ok("train", run.id, "--study", study)
    assert "not yet evaluated" in ok("status", study)
    ok("evaluate", run.id, "--study", study)
    status = ok("status", study)
    assert "done         1" in status and "time left" in status
    result = RUNNER.invoke(app, ["verify", study])
    assert result.exit_code == 1
    assert f"{2 * (len(plan.runs) - 1)} findings" in result.output  # the runs that are missing
    actual = verify.verify(Plan(plan.study, (run,), ()))
    assert actual.checked > 10 and not actual.wrong and not actual.discarded
    record = json.loads((plan.folder(run) / "run.json").read_text(encoding="utf-8"))
    record["settings"]["training"]["batch"] = 32  # someone tells another story
    (plan.folder(run) / "run.json").write_text(json.dumps(record), encoding="utf-8")
    wrong = verify.verify(Plan(plan.study, (run,), ())).wrong
    assert len(wrong) == 1 and "run.json: altered" in wrong[0]
    storage.write_record(plan.folder(run) / "run.json", record)  # and gives it a hash that fits
    wrong = verify.verify(Plan(plan.study, (run,), ())).wrong
    assert len(wrong) == 1 and "its settings were altered" in wrong[0]


def test_data_are_prepared_with_the_settings_of_a_study(study: str) -> None:
    document = yaml.safe_load(Path(study).read_text(encoding="utf-8")) | {"data": "elsewhere"}
    Path(study).write_text(yaml.safe_dump(document), encoding="utf-8")
    ok("prepare", "ring", "--study", study)
    plan = expand(schema.load(study))
    store = Store.open(Path("elsewhere/prepared/ring")).require(plan.datasets["ring"])
    assert len(store.samples("train")) == 400
    assert not Path("data").exists()
    result = RUNNER.invoke(app, ["prepare", "rink", "--study", study])
    assert "tiny.yaml: unknown data set 'rink'\n  did you mean 'ring'" in str(result.exception)


def test_a_failed_run_is_told_by_status(study: str) -> None:
    plan = expand(schema.load(study))
    result = RUNNER.invoke(app, ["train", plan.runs[0].id, "--study", study])
    assert result.exit_code != 0  # no data were prepared
    text = ok("status", study)
    assert "failed       1" in text and "manifest.json: missing" in text


def ganlore(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ganlore", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def test_a_mistake_is_told_without_a_traceback(tmp_path: Path) -> None:
    result = ganlore("plan", "none.yaml", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: none.yaml: no such study file")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "words, option",
    [
        (("train", "RUN", "--study", "STUDY", "--results", "elsewhere"), "--results"),
        (("train", "RUN", "--study", "STUDY", "--data", "elsewhere"), "--data"),
        (("evaluate", "RUN", "--study", "STUDY", "--results", "results"), "--results"),
        (("evaluate", "RUN", "--study", "STUDY", "--data", "data"), "--data"),
        (("train", "RUN", "--settings", "SETTINGS"), "RUN"),
        (("train", "--study", "STUDY", "--settings", "SETTINGS"), "--study"),
        (("evaluate", "RUN", "--settings", "SETTINGS"), "RUN"),
        (("evaluate", "--study", "STUDY", "--settings", "SETTINGS"), "--study"),
        (("prepare", "ring", "--study", "STUDY", "--settings", "{}"), "--settings"),
        (("prepare", "ring", "--study", "STUDY", "--data", "elsewhere"), "--data"),
        (("plan", "STUDY", "--no-measure", "--tflops", "3"), "--tflops"),
        (("plan", "STUDY", "--no-measure", "--seconds", "3"), "--seconds"),
        (("plan", "STUDY", "--no-measure", "--cores", "3"), "--cores"),
    ],
)
def test_an_option_without_an_effect_is_refused(study: str, words, option: str) -> None:
    run = expand(schema.load(study)).runs[0]
    meant = {"RUN": run.id, "STUDY": study, "SETTINGS": run.model_dump_json()}
    result = RUNNER.invoke(app, [meant.get(word, word) for word in words])
    assert result.exit_code == 1
    assert f"{option} would have no effect" in str(result.exception)
    assert not Path("elsewhere").exists() and not Path("results").exists()


def test_help_reads_like_documentation() -> None:
    text = ok("--help")
    for command in [
        "list",
        "plan",
        "train",
        "evaluate",
        "report",
        "status",
        "verify",
        "publish",
        "disk-space",
        "prepare",
        "schema",
        "new",
        "export",
        "summary",
        "watch",
    ]:
        assert command in text
        assert len(ok(command, "--help")) > 200


def test_a_reader_that_has_read_enough_is_no_error() -> None:
    """As in `ganlore status --help | head -1`: nobody reads what is written."""
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "ganlore", "status", "--help"]
    done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.stderr == "" and done.returncode == 1


def test_a_run_is_named_with_the_nearest_one(study: str) -> None:
    result = RUNNER.invoke(app, ["train", "ring/mlp/hing/none/base/seed0", "--study", study])
    text = str(result.exception)
    assert "did you mean one of these?\n  ring/mlp/hinge/none/base/seed0" in text


def test_an_unavailable_gpu_is_told() -> None:
    from ganlore.errors import GanloreError
    from ganlore.training.build import device as device_of

    assert device_of("auto").type == "cpu"
    with pytest.raises(GanloreError, match="finds no GPU"):
        device_of("cuda")


def test_a_study_can_be_handed_over_as_json() -> None:
    study = tiny()
    assert schema.load(study.model_dump_json(exclude_defaults=True)) == study


def test_the_wheel_has_every_file_that_is_no_code() -> None:
    root = Path(__file__).parents[2]
    package = root / "src" / "ganlore"
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["ganlore"]
    packed = {path for pattern in patterns for path in package.glob(pattern)}
    files = {p for p in package.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    assert files and files - packed == set()
