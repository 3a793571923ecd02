"""Snakemake and DVC run exactly what is missing or changed. Each test works in a copy of the project."""

from __future__ import annotations

import itertools
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import made_up
from ganlore import storage
from ganlore.cli import client
from ganlore.study import schema
from shared import made_once
from tiny import REPOSITORY, TINY

pytestmark = pytest.mark.workflow

STUDY = schema.merge(
    TINY,
    {
        "reports": "reports",  # in a copy of the project, where dvc.yaml looks for it
        "grids": [{"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge", "wgan"], "tricks": ["none"]}],
    },
)  # fmt: skip
COPIED = (
    "Snakefile", "dvc.yaml", ".dvcignore", ".gitignore", "configs", "profiles", "src",
)  # fmt: skip
PARAMS = ("seeds", "training")
"""The keys of a study that params.yaml has, for `dvc exp run -S`."""


def spent() -> float:
    """Processor seconds of all commands so far: other work on the machine adds little to them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Project:
    """A copy of the project in a folder of its own, with a tiny default study."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> Project:
        """A new copy, in which nothing has run."""
        folder.mkdir(parents=True)
        for name in COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy(source, folder / name)
        # these tests read what Snakemake itself says of each job
        profile = folder / "profiles/default/profile.yaml"
        text = profile.read_text(encoding="utf-8")
        profile.write_text(re.sub(r"^logger: .*\n", "", text, flags=re.M), encoding="utf-8")
        project = cls(folder)
        project.study()
        return project

    def copy(self, folder: Path) -> Project:
        """A copy of this project as it stands, with the times of its files."""
        shutil.copytree(self.folder, folder)
        return Project(folder)

    def study(self, **changes: Any) -> None:
        """Write the default study, with changed keys."""
        document = schema.merge(STUDY, changes)
        (self.folder / "configs/default.yaml").write_text(
            yaml.safe_dump(document), encoding="utf-8"
        )
        params = {name: document[name] for name in PARAMS}
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / "src/ganlore" / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *words: str, check: bool = True) -> str:
        """Run a command with the copy's code first on the path; gives all its output."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.folder / "src"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    def snakemake(self, *words: str, cores: int = 2) -> str:
        return self.run("snakemake", "--cores", str(cores), *words)

    def planned(self) -> dict[str, list[str]]:
        """What a dry run would do: rule -> its runs, as `loss/seed` (or empty words)."""
        text = self.run("snakemake", "-n", "--cores", "1")
        jobs: dict[str, list[str]] = {}
        for block in re.findall(r"rule (\w+):\n((?:    .*\n)+)", text):
            words = dict(re.findall(r"(\w+)=([^,\n]+)", block[1].split("wildcards:")[-1]))
            jobs.setdefault(block[0], []).append(f"{words.get('loss')}/{words.get('seed')}")
        return {rule: sorted(set(actual)) for rule, actual in jobs.items() if rule != "all"}

    def checkpoints(self) -> dict[str, bytes]:
        actual = sorted((self.folder / "results/runs").rglob("*.pt"))
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in actual}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose study is done; the tests work on copies of it."""
    return Project(
        made_once(tmp_path_factory, "finished", lambda path: Project.create(path).snakemake())
    )


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of a finished project, to change at will."""
    return finished.copy(tmp_path / "project")


def test_a_finished_study_has_its_report_and_nothing_to_do(project: Project) -> None:
    assert (project.folder / "reports/index.html").stat().st_size > 10_000
    assert (project.folder / "results/metrics.parquet").exists()
    assert list((project.folder / "results/logs/train").rglob("*.log"))
    assert list((project.folder / "results/benchmarks/train").rglob("*.tsv"))
    began = spent()
    assert "Nothing to be done" in project.snakemake()
    assert spent() - began < 6  # 2 s on an idle machine
    assert project.planned() == {}


def test_what_was_deleted_or_damaged_is_seen_before_the_end(project: Project) -> None:
    run = project.folder / "results/runs/ring/mlp/hinge/none/base/seed0"
    record = (run / "evaluation.json").read_bytes()
    (run / "evaluation.json").unlink()
    assert project.planned()["evaluate"] == ["hinge/0"]
    (run / "evaluation.json").write_bytes(record)
    path = run / "metrics.csv"
    path.write_bytes(path.read_bytes()[:-20])
    assert "collect" in project.planned()  # which refuses it
    text = project.run("snakemake", "--cores", "1", check=False)
    assert "metrics.csv: truncated or altered" in text
    status = run / "checkpoint.pt"  # seen by its size alone, though its time is the old one
    times = status.stat().st_atime_ns, status.stat().st_mtime_ns
    status.write_bytes(status.read_bytes()[:-20])
    os.utime(status, ns=times)
    text = project.run("ganlore", "report", "configs/default.yaml", check=False)
    assert "checkpoint.pt: truncated or altered" in text and "Traceback" not in text


def test_every_job_has_a_warm_worker(finished: Project) -> None:
    logs = [*(finished.folder / "results/logs").rglob("seed*.log")]
    assert len(logs) == 4  # two runs, each trained and evaluated
    assert not [str(log) for log in logs if client.DECLINED in log.read_text(encoding="utf-8")]


def test_one_more_seed_runs_only_that_seed(project: Project) -> None:
    before = project.checkpoints()
    project.study(seeds=[0, 7])
    planned = project.planned()
    assert planned["train"] == planned["evaluate"] == ["hinge/7", "wgan/7"]
    assert set(planned) == {"train", "evaluate", "collect", "report", "summary"}
    project.snakemake()
    after = project.checkpoints()
    assert before.items() <= after.items() and len(after) == 2 * len(before)


def test_a_changed_learning_rate_of_a_loss_retrains_its_runs(project: Project) -> None:
    project.study(settings={"losses": {"wgan": {"optimizer": {"lr": 0.01}}}})
    assert project.planned()["train"] == ["wgan/0"]
    before = project.checkpoints()
    project.snakemake()
    after = project.checkpoints()
    changed = {path for path in after if after[path] != before[path]}
    assert changed and all("/wgan/" in path for path in changed)


@pytest.mark.parametrize(
    "file, old, new, trains, evaluates",
    [
        # the code of a loss: its runs
        ("losses/wgan.py", "fake.mean() - real.mean()", "(fake - real).mean()", ["wgan/0"], ["wgan/0"]),
        ("losses/wgan.py", "lr=5e-5", "lr=6e-5", ["wgan/0"], ["wgan/0"]),
        # words: nothing
        ("losses/wgan.py", "Algorithm 1, line 7: clip every weight of the critic to", "Line 7: clip to", [], []),
        ("losses/wgan.py", "from ganlore.losses", "# a comment\nfrom ganlore.losses", [], []),
        ("losses/wgan.py", "1701.07875", "1701.07875v3", [], []),
        ("errors.py", "did you mean", "perhaps", [], []),
        # the loop: everything; a metric: evaluations only
        ("training/loop.py", "done = number + 1", "done = 1 + number", ["hinge/0", "wgan/0"], ["hinge/0", "wgan/0"]),
        ("metrics/frechet.py", "- 2 * trace_of_root", "- trace_of_root * 2", [], ["hinge/0", "wgan/0"]),
    ],
)  # fmt: skip
def test_an_edit_reruns_what_it_touches(project, file, old, new, trains, evaluates) -> None:
    project.edit(file, old, new)
    planned = project.planned()
    assert planned.get("train", []) == trains
    assert planned.get("evaluate", []) == evaluates


@pytest.fixture(scope="module")
def perceptual(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished project in which one run trains with an extractor, and one does not."""
    return Project(made_once(tmp_path_factory, "perceptual", with_an_extractor))


def with_an_extractor(folder: Path) -> None:
    project = Project.create(folder)
    project.edit("features/_classifying.py", "epochs: PositiveInt = 30", "epochs: PositiveInt = 1")
    place = {"datasets": ["digits"], "networks": ["mlp"]}
    grids = [
        {**place, "losses": [loss], "tricks": [trick]}
        for loss, trick in (("hinge", "none"), ("nonsaturating", "perceptual"))
    ]
    project.study(grids=grids)
    project.snakemake("runs")


def test_an_extractor_is_fitted_before_the_training_that_uses_it(perceptual: Project) -> None:
    text = perceptual.run("snakemake", "runs", "-n", "--cores", "1", "--forceall")
    jobs = re.findall(r"rule (\w+):\n((?:    .*\n)+)", text)
    trains = {re.search(r"loss=(\w+)", job)[1]: job for rule, job in jobs if rule == "train"}
    record = "data/extractors/digits/residual-classifier/record.json"
    assert record in trains["nonsaturating"] and record not in trains["hinge"]
    run = perceptual.folder / "results/runs/digits/mlp/nonsaturating/perceptual/base/seed0"
    reported = json.loads((run / "run.json").read_text(encoding="utf-8"))["extractors"]
    assert reported == {"residual-classifier": storage.sha256(perceptual.folder / record)}
    assert "0 findings" in perceptual.run("ganlore", "verify")


@pytest.mark.parametrize(
    "file, old, new, trains, evaluates",
    [
        # the features of training: the runs that use them
        ("residual_classifier", "width: PositiveInt = 16", "width: PositiveInt = 8",
         ["nonsaturating/0"], ["nonsaturating/0"]),
        # those of evaluation: no training
        ("classifier", "width: PositiveInt = 32", "width: PositiveInt = 16",
         [], ["hinge/0", "nonsaturating/0"]),
    ],
)  # fmt: skip
def test_an_edited_extractor_reruns_what_uses_it(
    perceptual, tmp_path, file, old, new, trains, evaluates
) -> None:
    project = perceptual.copy(tmp_path / "project")
    project.edit(f"features/{file}.py", old, new)
    planned = project.planned()
    assert "extract" in planned
    assert planned.get("train", []) == trains
    assert planned.get("evaluate", []) == evaluates


def test_a_figure_never_evaluates_again(project: Project) -> None:
    path = project.folder / "src/ganlore/report/figures/heat.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n\nADDED = 1\n", encoding="utf-8")
    assert set(project.planned()) == {"report"}


def test_an_edited_loss_cannot_leave_a_stale_table(project: Project) -> None:
    """Even where Snakemake's memory is lost, the collection refuses what other code trained."""
    project.edit("losses/wgan.py", "fake.mean() - real.mean()", "(fake - real).mean()")
    text = project.run("ganlore", "collect", "configs/default.yaml", check=False)
    assert (
        "1 of 2 runs cannot be used" in text
        and "wgan" in text
        and "trained with other code" in text
    )


def test_changed_pictures_are_prepared_again_and_the_same_ones_are_not(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    rng = np.random.default_rng(0)
    for split, name, index in itertools.product(("train", "test"), "ab", range(36)):
        image = rng.integers(0, 100, (8, 8, 3), np.uint8) + np.uint8(100 * (name == "b"))
        made_up.write(project.folder / "pictures" / split / name / f"{index}.png", image)
    grid = {"datasets": ["folder"], "networks": ["dcgan"], "losses": ["hinge"], "tricks": ["none"]}
    project.study(
        grids=[grid],
        protocol={"extractors": ["classifier"], "n_real": 72, "n_fake": 72},
        settings={"datasets": {"folder": {"path": "pictures", "size": 8}}},
    )
    project.snakemake()
    before = project.checkpoints()
    for path in (project.folder / "pictures").rglob("*.png"):
        os.utime(path)  # as after a copy: other times, the same pictures
    assert project.planned() == {}
    assert "done         1" in project.run("ganlore", "status")
    assert "0 findings" in project.run("ganlore", "verify", "configs/default.yaml")

    (project.folder / "pictures/train/a/0.png").unlink()
    assert project.planned()["prepare"] and project.planned()["train"]
    assert "now 143 of" in project.run("ganlore", "status")
    reported = project.run("ganlore", "verify", "configs/default.yaml", check=False)
    assert "1 findings" in reported and "prepared from 144 pictures" in reported
    project.snakemake()
    assert project.planned() == {} and project.checkpoints() != before
    assert "0 findings" in project.run("ganlore", "verify", "configs/default.yaml")


def test_what_is_not_kept_goes_and_comes_back_when_it_is_needed(project: Project) -> None:
    every = project.checkpoints()
    project.study(keep={"snapshots": "last", "checkpoints": "none"})
    assert set(project.planned()) == {"collect", "report", "summary"}  # which receive the study
    for path in every:
        (project.folder / path).unlink()
    project.snakemake()
    assert project.planned() == {}  # and nothing is trained for what was discarded
    assert "4 discarded as the study says" in project.run("ganlore", "verify")
    # a changed metric needs the snapshots: they are trained again, measured, and go again
    project.edit("metrics/frechet.py", "- 2 * trace_of_root", "- trace_of_root * 2")
    planned = project.planned()
    assert planned["train"] == planned["evaluate"] == ["hinge/0", "wgan/0"]
    project.snakemake()
    assert {Path(path).name for path in project.checkpoints()} == {"generator.pt"}
    assert project.planned() == {}
    assert "4 discarded as the study says (keep), 0 findings" in project.run("ganlore", "verify")


def test_a_disk_that_is_too_small_is_told_before_the_first_job(project: Project) -> None:
    large = {"settings": {"networks": {"mlp": {"width": 512}}}}  # a terabyte of snapshots
    project.study(training={"snapshots": 10**6, "budget": 16 * 10**6}, **large)
    before = project.checkpoints()
    text = project.run("snakemake", "--cores", "2", check=False)
    assert "the study wants up to" in text and "the study was not begun" in text
    assert "rule evaluate" not in text and "Nothing to be done" not in text
    assert project.checkpoints() == before
    # and it begins where the user says so
    words = ("data", "--forceall", "--config", "keep={check_room: false}")
    assert "rule prepare" in project.snakemake(*words)


def test_one_and_two_cores_give_the_same_bits(project: Project) -> None:
    two = project.checkpoints()
    shutil.rmtree(project.folder / "results")
    project.snakemake("runs", cores=1)
    assert project.checkpoints() == two


def test_a_failed_run_is_told_and_the_others_go_on(project: Project) -> None:
    shutil.rmtree(project.folder / "results")
    project.edit("losses/wgan.py", "return fake.mean() - real.mean()", "raise MemoryError('no')")
    text = project.run("snakemake", "--cores", "2", check=False)
    assert "too little memory (no)" in text  # the failed job's log is shown
    assert (project.folder / "results/runs/ring/mlp/hinge/none/base/seed0/run.json").exists()
    assert not (project.folder / "results/metrics.parquet").exists()
    assert "failed       1" in project.run("ganlore", "status")


def test_a_wrong_study_stops_before_the_first_job(project: Project) -> None:
    project.study(grids=[{"datasets": ["ring"], "networks": ["mlp"], "losses": ["wgn"]}])
    text = project.run("snakemake", "--cores", "1", check=False)
    assert "unknown loss 'wgn'" in text and "did you mean 'wgan'" in text
    assert "Traceback" not in text


def test_a_study_of_a_configfile_is_read_as_the_command_line_reads_it(project: Project) -> None:
    """Snakemake reads the file too, as YAML 1.1, in which `yes` is true and true is 1."""
    path = project.folder / "configs/default.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("batch: 16", "batch: yes"), encoding="utf-8"
    )
    words = ("snakemake", "-n", "--cores", "1", "--configfile", "configs/default.yaml")
    text = project.run(*words, check=False)
    assert "training.batch = 'yes'" in text and "Traceback" not in text
    path.write_text(
        path.read_text(encoding="utf-8").replace("batch: yes", "batch: 016"), encoding="utf-8"
    )
    assert "Nothing to be done" in project.run(*words)  # sixteen, as it was, and not fourteen


def test_keys_can_be_changed_on_the_command_line(project: Project) -> None:
    text = project.run("snakemake", "-n", "--cores", "1", "--config", "seeds=[0,3]")
    assert Counter(re.findall(r"seed=(\d)", text)).keys() == {"3"}


COSTS = {"take": "cost", "of": "step_ms", "claimed": "lower", "margin": 0.0,
         "treatment": {"datasets": ["ring"], "losses": ["lsgan"]},
         "control": {"datasets": ["ring"], "losses": ["lsgan"], "tricks": ["gradient-penalty"]}}  # fmt: skip
REAL = {"take": "real-data", "of": "precision", "input": "noise", "claimed": "lower",
        "constant": 0.1, "margin": 0.0, "treatment": {"datasets": ["ring"]}}  # fmt: skip
MEASURED = {
    "articles": {"000": {"language": "Arabic", "about": "losses"}},
    "controls": {"P01": {"statement": "Noise is not precise.", "tests": [REAL]}},
    "claims": {"C15": {"statement": "It costs less.", "articles": ["000"], "tests": [COSTS]}},
}


def test_costs_are_timed_after_all_runs_and_only_for_other_cells_or_code(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.study(claims=MEASURED, seeds=[0, 1])
    text = project.snakemake()
    assert text.index("rule costs:") > text.rindex("rule evaluate:") and "threads: 2" in text
    assert "rule controls:" in text and project.planned() == {}
    tables = [project.folder / f"results/{name}.csv" for name in ("controls", "costs")]
    assert all(len(table.read_text(encoding="utf-8").splitlines()) > 20 for table in tables)
    assert not (project.folder / "results/runs/ring/mlp/lsgan").exists()
    assert "0 findings" in project.run("ganlore", "verify", "configs/default.yaml")
    project.study(claims=MEASURED, seeds=[0, 1, 2])
    planned = project.planned()
    assert planned["train"] == ["hinge/2", "wgan/2"]
    assert "costs" not in planned and "controls" not in planned
    project.study(claims=MEASURED, seeds=[0])  # of runs that are all there
    assert project.planned().keys() >= {"collect", "report"}
    assert not project.planned().keys() & {"train", "evaluate", "costs"}
    project.study(claims=MEASURED, seeds=[0, 1], settings={"networks": {"mlp": {"width": 9}}})
    assert "costs" in project.planned()
    project.study(claims=MEASURED, seeds=[0, 1])
    project.edit("forecast/rounds.py", "SHARE = 0.2", "SHARE = 0.3")
    assert project.planned().keys() >= {"costs", "collect"}
    assert "train" not in project.planned()


def test_the_workflow_is_clean() -> None:
    command = [str(Path(sys.executable).parent / "snakemake"), "--lint"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def under_dvc(finished: Project, folder: Path) -> Project:
    """A copy of a finished project under git and DVC, which has recorded nothing yet."""
    project = finished.copy(folder)
    for command in (
        "git init -q",
        "git config user.email test@example.com",
        "git config user.name test",
        "dvc init -q",
        "dvc config core.analytics false",
    ):
        project.run(*command.split())
    shutil.copytree(REPOSITORY / ".dvc/plots", project.folder / ".dvc/plots")
    shutil.copy(REPOSITORY / ".dvcignore", project.folder)
    return project


def test_snakemakes_own_report_has_captions(finished: Project, tmp_path: Path) -> None:
    project = finished.copy(tmp_path / "project")
    project.snakemake("--report", "report.html")
    text = (project.folder / "report.html").read_text(encoding="utf-8")
    captions = sorted((REPOSITORY / "src/ganlore/workflow/captions").glob("*.rst"))
    assert len(captions) == 5
    for caption in captions:
        assert " ".join(caption.read_text(encoding="utf-8").split()[:4]) in text, caption.name


@pytest.fixture(scope="module")
def versioned(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished project under git and DVC, with a local remote that everything was pushed to."""

    def make(folder: Path) -> None:
        project = under_dvc(finished, folder)
        project.run("dvc", "remote", "add", "-d", "local", str(folder.parent / "store"))
        reported = project.run("dvc", "repro")
        assert "Nothing to be done" in reported  # Snakemake has made it all
        assert "rule train" not in reported
        for command in ("git add -A", "git commit -qm results", "dvc push -q"):
            project.run(*command.split())

    return Project(made_once(tmp_path_factory, "versioned", make))


def runs_nothing(project: Project) -> bool:
    text = project.run("snakemake", "-n", "--cores", "1")
    return "Nothing to be done" in text


def test_dvc_repro_after_snakemake_trains_nothing_and_is_quick_again(
    versioned: Project, finished: Project
) -> None:
    assert versioned.checkpoints() == finished.checkpoints()
    assert runs_nothing(versioned)
    began = spent()
    assert "up to date" in versioned.run("dvc", "repro")
    assert spent() - began < 5  # 1 s on an idle machine


def test_a_clone_pulls_results_and_has_nothing_to_do(versioned: Project, tmp_path: Path) -> None:
    clone = Project(tmp_path / "clone")
    versioned.run("git", "clone", "-q", str(versioned.folder), str(clone.folder))
    assert not (clone.folder / "results").exists()
    clone.run("dvc", "pull", "-q")
    assert clone.checkpoints() == versioned.checkpoints()
    assert runs_nothing(clone)
    clone.study(training={"budget": 128})  # and it knows what its files were made from
    assert clone.planned()["train"] == ["hinge/0", "wgan/0"]


def test_status_after_a_report_is_true_and_fast(finished: Project, tmp_path: Path) -> None:
    """As `make report` leaves it: Snakemake has made all, and DVC has recorded it."""
    project = under_dvc(finished, tmp_path / "project")
    recorded = re.search(
        r"then (dvc [^;]*);", (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    )
    assert recorded
    project.run(*recorded[1].split())
    began = spent()
    assert "up to date" in project.run("dvc", "status")
    assert spent() - began < 5  # 1 s on an idle machine
    project.study(training={"budget": 128})
    reported = project.run("dvc", "status")
    assert "params.yaml" in reported and "training" in reported
    assert "changed outs" not in reported  # what was made is as it was made
    (project.folder / "results/floor.csv").write_text("another", encoding="utf-8")
    assert "changed outs" in project.run("dvc", "status")


def test_metrics_plots_and_params_are_those_of_the_study(
    versioned: Project, tmp_path: Path
) -> None:
    copy = versioned.copy(tmp_path / "copy")
    actual = json.loads(copy.run("dvc", "metrics", "show", "--json"))
    values = {file: part["data"] for file, part in actual[""]["data"].items()}
    cells = values["results/summary/cells.json"]
    assert set(cells) == {f"ring/mlp/{loss}/none/base" for loss in ("hinge", "wgan")}
    text = (copy.folder / "results/runs/ring/mlp/wgan/none/base/seed0/metrics.csv").read_text(
        encoding="utf-8"
    )
    *_, last = (line.split(",") for line in text.splitlines() if ",fid," in line)
    assert cells["ring/mlp/wgan/none/base"] == float(
        last[text.split("\n")[0].split(",").index("value")]
    )
    overview = values["results/summary/overview.json"]
    assert overview["runs"] == 2 and overview["diverged"] == 0
    assert overview["fid"]["ring/mlp/base"]["lowest"] == min(cells.values())
    shown = json.loads(copy.run("dvc", "plots", "show", "--json"))["data"]
    assert {name.rsplit("/", 1)[0] for name in shown} >= {
        "results/summary/fid",
        "results/summary/losses",
    }
    points = str(shown)
    assert "hinge none" in points and "wgan none" in points
    copy.run("dvc", "plots", "show", "-q", "--out", "plots")
    assert (copy.folder / "plots/index.html").exists()


def test_an_experiment_with_another_budget_can_be_compared(
    versioned: Project, tmp_path: Path
) -> None:
    copy = versioned.copy(tmp_path / "copy")
    copy.run("dvc", "exp", "run", "-q", "-S", "training.budget=128")
    changed = json.loads(copy.run("dvc", "params", "diff", "--json"))
    assert changed["params.yaml"]["training.budget"] == {"old": 96, "new": 128, "diff": 32}
    differences = json.loads(copy.run("dvc", "metrics", "diff", "--json"))
    assert set(differences["results/summary/cells.json"]) == {
        f"ring/mlp/{loss}/none/base" for loss in ("hinge", "wgan")
    }
    (experiment,) = (
        row for row in json.loads(copy.run("dvc", "exp", "show", "--json"))[-1]["experiments"]
    )
    shown = experiment["revs"][0]["data"]["params"]["params.yaml"]["data"]["training"]
    assert shown["budget"] == 128
    assert copy.checkpoints() != versioned.checkpoints()


def test_the_parameters_are_those_of_the_default_study() -> None:
    """`dvc repro` and `make report` make the same."""
    params = schema.read(REPOSITORY / "params.yaml")
    assert set(params) == set(PARAMS)
    for study in (REPOSITORY / "configs/default.yaml",):
        document = schema.read(study)
        assert schema.merge(document, params) == document


def test_deleted_results_come_back_by_checkout(versioned: Project, tmp_path: Path) -> None:
    copy = versioned.copy(tmp_path / "copy")
    shutil.rmtree(copy.folder / "results")
    shutil.rmtree(copy.folder / "reports")
    copy.run("dvc", "checkout", "-q")
    assert copy.checkpoints() == versioned.checkpoints()
    assert runs_nothing(copy)


def test_one_more_seed_through_dvc_keeps_the_others(versioned: Project, tmp_path: Path) -> None:
    copy = versioned.copy(tmp_path / "copy")
    copy.study(seeds=[0, 5])
    text = copy.run("dvc", "repro")
    trained = re.findall(r"rule train:[\s\S]*?seed=(\d)", text)
    assert set(trained) == {"5"} and len(trained) == 2
