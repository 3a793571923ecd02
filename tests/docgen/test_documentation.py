"""Pages are what plug-ins, studies and measurements say, and a check tells where they are not."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import document
from ganlore import formatting, storage
from ganlore.cli.main import app
from ganlore.docgen import catalogue, pages, performance, reliability
from ganlore.errors import GanloreError
from ganlore.publishing.publication import find
from ganlore.settings import Optimizer
from ganlore.study import registry
from ganlore.study.expand import expand
from ganlore.study.schema import load
from tiny import REPOSITORY, tiny

RUNNER = CliRunner()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the pages, the studies, the measurements and the published results."""
    for name in ("README.md", "CONTRIBUTING.md", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    shutil.copytree(REPOSITORY / "src", tmp_path / "src")
    published = [
        path.relative_to(REPOSITORY)
        for part in ("results", "reports")
        for actual in find(REPOSITORY / "results")
        if (path := REPOSITORY / part / actual.name).is_dir()
    ]
    for folder in (Path("docs"), Path("configs"), *published):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    return tmp_path


@pytest.fixture
def page(tmp_path: Path) -> Callable[[str], Path]:
    """A project of one template."""

    def write(text: str) -> Path:
        (tmp_path / "docs" / "templates").mkdir(parents=True)
        (tmp_path / "docs" / "templates" / "README.md.j2").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def change(monkeypatch: pytest.MonkeyPatch, plugin: str, **facts: object) -> None:
    """Let a plug-in declare something else."""
    original = registry.declaration

    def declaration(kind: str, name: str) -> registry.Declaration:
        declared = original(kind, name)
        return replace(declared, facts=declared.facts | facts) if name == plugin else declared

    monkeypatch.setattr(registry, "declaration", declaration)


def test_the_pages_are_what_the_code_says() -> None:
    assert pages.check(REPOSITORY) == []


def test_a_changed_formula_makes_the_check_fail(project, monkeypatch) -> None:
    change(monkeypatch, "hinge", formula=("E r", "-E (|f|)"))
    wrong = pages.check(project)
    assert len(wrong) == 2, wrong
    assert wrong[0].startswith("docs/losses-and-tricks.md:")
    assert wrong[1].startswith("docs/losses.md:")
    assert "there:    | [hinge]" in wrong[0] and "expected: | [hinge]" in wrong[0]
    assert pages.write(project) == ["docs/losses-and-tricks.md", "docs/losses.md"]
    assert pages.check(project) == [] == pages.write(project)
    assert r"| `-E (\|f\|)` |" in (project / "docs/losses-and-tricks.md").read_text(
        encoding="utf-8"
    )
    assert "Generator minimises `-E (|f|)`" in (project / "docs/losses.md").read_text(
        encoding="utf-8"
    )


def test_a_new_reason_reaches_the_matrix(project, monkeypatch) -> None:
    change(monkeypatch, "ema", incompatible={"lsgan": "a new reason", "digits": "not on digits"})
    reported = "\n".join(pages.check(project))
    for name in ("losses", "tricks", "not-applicable"):
        assert f"docs/{name}.md:" in reported
    pages.write(project)
    text = (project / "docs/not-applicable.md").read_text(encoding="utf-8")
    assert "a new reason" in text and "not on digits" in text
    kinds = text.split("## Data with ")[1:]
    images, points = (
        next(kind for kind in kinds if f"`{name}`" in kind.split("Networks:")[0])
        for name in ("digits", "ring")
    )
    assert "- `ema`: n/a (" in images and "- `ema`: n/a (" not in points
    assert "**lsgan**" in points.split("|\n|---")[1]


def test_the_matrix_is_the_plan_s(project) -> None:
    """What it calls n/a is what the study leaves out, and nothing else."""
    plan = expand(load(REPOSITORY / "configs/default.yaml"))
    reported = {
        (place.dataset, place.network, loss, trick): gap.text
        for gap in catalogue.gaps()
        if len(gap.tricks) < 2  # two that cannot be combined are no cell of the study
        for place in gap.places
        for loss in gap.losses or catalogue.own("loss")
        for trick in gap.tricks or catalogue.own("trick")
    }
    for gap in plan.missing:
        key = (gap.dataset, gap.network, gap.loss, gap.trick)
        assert gap.reason.endswith(reported[key])
    assert not {(*run.cell[:4],) for run in plan.runs} & set(reported)


def test_signs_of_markdown_in_a_plug_in_s_words_are_escaped(project, monkeypatch) -> None:
    change(monkeypatch, "ema", tip="f*(t) < [t] | u", incompatible={"lsgan": "f* and g*"})
    pages.write(project)
    assert r"| f\*(t) \< \[t\] \| u |" in (project / "docs/losses-and-tricks.md").read_text(
        encoding="utf-8"
    )
    assert r"n/a with `lsgan`: f\* and g\*" in (project / "docs/tricks.md").read_text(
        encoding="utf-8"
    )


def test_every_column_of_the_verdicts_is_described() -> None:
    path = REPOSITORY / "reports/study/tables/verdicts.csv"
    columns = set(path.read_text(encoding="utf-8").split("\n", 1)[0].split(","))
    text = (REPOSITORY / "docs/results.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`(\w+)`", text.split("**`verdicts.csv`**")[1]))
    assert len(columns) > 30 and columns <= described


def test_a_note_is_inserted_below_its_plug_in(project) -> None:
    (project / "docs/notes/tricks/ema.md").write_text(
        "### How it behaves here\n\nQuietly.\n", encoding="utf-8"
    )
    assert pages.write(project) == ["docs/tricks.md"]
    text = (project / "docs/tricks.md").read_text(encoding="utf-8")
    assert text.index("## ema") < text.index("Quietly.") < text.index("## gradient-penalty")


@pytest.mark.parametrize(
    "text, message",
    [
        ("\n{{ loses() }}", r"README.md.j2:2: unknown name 'loses'\n  did you mean 'losses'"),
        ("{{ losses()[0].formla }}", "README.md.j2:1: .*'formla'.*\n.*'formula'"),
        ('{{ study("defalt").runs }}', "README.md.j2:1: .*no such study"),
        ('{{ measured("idle").x_ms }}', "README.md.j2:1: .*performance.json: missing"),
        ("{{ study() }}", "README.md.j2:1: .*missing 1 required"),
        ("a\n{% for %}", "README.md.j2:2: "),
    ],
)
def test_a_wrong_template_is_an_error_with_its_line(page, text: str, message: str) -> None:
    with pytest.raises(GanloreError, match=message):
        pages.check(page(text))


def test_the_command_writes_and_checks(project, monkeypatch) -> None:
    monkeypatch.chdir(project)
    assert RUNNER.invoke(app, ["docs", "--check"]).exit_code == 0
    text = Path("docs/losses-and-tricks.md").read_text(encoding="utf-8")
    Path("docs/losses-and-tricks.md").write_text(
        text.replace("arxiv.org/abs/1611.04076", "arxiv.org/abs/1"), encoding="utf-8"
    )
    result = RUNNER.invoke(app, ["docs", "--check"])
    assert isinstance(result.exception, GanloreError)
    assert "docs/losses-and-tricks.md:" in str(result.exception)
    assert "there:" in str(result.exception)
    assert "to write them: ganlore docs" in str(result.exception)
    assert RUNNER.invoke(app, ["docs"]).output == "docs/losses-and-tricks.md\n"
    assert Path("docs/losses-and-tricks.md").read_text(encoding="utf-8") == text
    with pytest.raises(GanloreError, match="the project's own folder"):
        pages.pages(project / "docs")


def test_tables_hold_together() -> None:
    """Every row of every table has as many cells as its head."""
    for path in map(REPOSITORY.joinpath, pages.pages(REPOSITORY)):
        rows: list[int] = []
        for line in path.read_text(encoding="utf-8").split("\n"):
            rows = [*rows, line.replace(r"\|", "").count("|")] if line.startswith("|") else []
            assert len(set(rows)) <= 1, (path, line)


# -- wording ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, reported",
    [
        ({"kind": "adam", "lr": 2e-4, "betas": (0.0, 0.9)}, "adam, lr 2e-4, betas (0, 0.9)"),
        ({"kind": "rmsprop", "lr": 5e-5}, "rmsprop, lr 5e-5"),
        (
            {"kind": "adam", "lr": 1e-4, "lr_discriminator": 4e-4, "betas": [0.5, 0.999]},
            "adam, lr 1e-4 (discriminator 4e-4), betas (0.5, 0.999)",
        ),
        (
            {"kind": "adam", "lr": 2e-4, "betas": (0.0, 0.9), "lr_end": 5e-5, "beta2_end": 0.99},
            "adam, lr 2e-4 to 5e-5, betas (0, 0.9), beta2 to 0.99",
        ),
        (
            {"kind": "sgd", "lr": 0.1, "lr_end": None, "beta2_end": None, "weight_decay": 1e-3},
            "sgd, lr 0.1, weight decay 1e-3",
        ),
    ],
)
def test_an_optimiser_is_told_by_what_is_set(settings, reported: str) -> None:
    assert formatting.optimizer(settings) == reported


def test_a_model_of_an_optimiser_is_told_as_its_fields() -> None:
    model = Optimizer(kind="adam", lr=1e-3)
    assert formatting.optimizer(model) == "adam, lr 1e-3, betas (0.5, 0.999)"
    assert formatting.optimizer(model) == formatting.optimizer(model.model_dump(mode="json"))


@pytest.mark.parametrize(
    "number, reported",
    [
        (0.0, "0"),
        (10.0, "10"),
        (0.5, "0.5"),
        (0.01, "0.01"),
        (1.25e-5, "1.25e-5"),
        (-2e-3, "-2e-3"),
    ],
)
def test_numbers_are_told_as_papers_do(number: float, reported: str) -> None:
    assert formatting.plain(number) == reported and float(reported) == number


@pytest.mark.parametrize(
    "value, sign, words",
    [(0.125, True, "+0.12"), (-0.125, False, "−0.12"), (-0.001, False, "0.00"), (0.0, True, "+0.00"),
     (-0.001, True, "0.00"), (12.34, False, "12.3")],
)  # fmt: skip
def test_differences_have_two_digits_and_nothing_has_no_minus(value, sign, words) -> None:
    assert formatting.difference(value, sign) == words


def test_papers_become_links() -> None:
    text = "arXiv:1705.02894, Geometry 3"
    assert formatting.papers(text) == ["1705.02894"] and formatting.papers(None) == []
    assert formatting.links(text) == "[1705.02894](https://arxiv.org/abs/1705.02894), Geometry 3"


# -- measurements ----------------------------------------------------------------------------------


def test_every_measurement_says_what_it_was_made_with() -> None:
    for name, section in performance.read(REPOSITORY).items():
        text = performance.measured(REPOSITORY, name)["made_with"]
        assert "cores of" in text and "Python 3." in text and "commit `" in text, name
        assert len(section["measured"]["git"]["commit"]) == 40


@pytest.mark.parametrize(
    "key, number, reported",
    [
        ("seconds", 0.904, "0.9 s"),
        ("seconds", 15.4, "15 s"),
        ("seconds", 120, "2 minutes"),
        ("snakemake_seconds", 947.2, "15 min 47 s"),
        ("seconds", 9000, "2.5 hours"),
        ("step_ms", 2.34, "2.3 ms"),
        ("torch_share", 0.858, "86 %"),
        ("rss_mb", 1682.4, "1,682 MB"),
    ],
)
def test_a_number_is_told_with_its_unit(key: str, number: float, reported: str) -> None:
    assert str(performance.Quantity(number, key.rpartition("_")[2])) == reported


def test_a_measurement_is_recorded_beside_the_others(tmp_path) -> None:
    made = document.made_with("a note")
    document.record("idle", {"commands": []}, made, tmp_path)
    document.record("start", {"imports_seconds": 1.5}, made, tmp_path)
    actual = json.loads((tmp_path / performance.FILE).read_text(encoding="utf-8"))
    assert list(actual) == ["idle", "start"]
    assert str(performance.measured(tmp_path, "start")["imports_seconds"]) == "1.5 s"
    assert performance.measured(tmp_path, "idle")["made_with"].endswith("; a note")
    with pytest.raises(GanloreError, match="unknown measurement 'starts'"):
        performance.measured(tmp_path, "starts")


def test_the_page_on_reliability_has_what_the_campaigns_counted(project) -> None:
    (project / reliability.FILE).unlink(missing_ok=True)
    pages.write(project)
    page = project / "docs/reliability.md"
    assert page.read_text(encoding="utf-8").count("Not run yet.") == len(reliability.CAMPAIGNS)
    made = performance.read(REPOSITORY)["start"]["measured"]
    failure = {"kind": "silent", "reproduction": "floor.csv: halved", "output": "-"}
    section = {"measured": made, "seed": 7, "counts": {"checks": 1234, "silent": 1}}
    storage.write_json(project / reliability.FILE, {"damage": {**section, "failures": [failure]}})
    pages.write(project)
    text = page.read_text(encoding="utf-8")
    assert text.count("Not run yet.") == len(reliability.CAMPAIGNS) - 1
    assert "| checks | 1,234 |\n| silent | 1 |\n" in text
    assert "- silent: `floor.csv: halved`" in text
    assert f"Seed 7; {performance.measured(REPOSITORY, 'start')['made_with']}" in text
    with pytest.raises(GanloreError, match="did you mean 'kills'"):
        reliability.campaign(project, "kill")


def test_snakemake_s_benchmarks_are_read_leniently(tmp_path) -> None:
    head = "s\th:m:s\tmax_rss\n"
    for name, row in {"train/a": "4.0\t0:00:04\t500", "train/b/c": "6.0\t0:00:06\t-"}.items():
        (tmp_path / f"{name}.tsv").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.tsv").write_text(f"{head}{row}\n", encoding="utf-8")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/x.tsv").write_text("seconds\n1\n", encoding="utf-8")
    actual = document.rules(tmp_path)
    assert actual == [{"rule": "train", "jobs": 2, "seconds": 5.0, "rss_mb": 500}]


def test_a_study_is_told_by_its_records_and_logs(tmp_path) -> None:
    folders = {name: str(tmp_path / name) for name in ("results", "reports")}
    plan = expand(tiny(**folders))
    for seconds, run in enumerate(plan.runs):
        storage.write_json(
            plan.folder(run) / "run.json", {"seconds": seconds, "peak_memory_mb": 300 + seconds}
        )
    storage.write_text(tmp_path / "results/benchmarks/train/a.tsv", "s\tmax_rss\n4.0\t500\n")
    storage.write_bytes(tmp_path / "reports/index.html", bytes(3 * 2**20))
    log = tmp_path / "x.snakemake.log"
    log.write_text("9 of 9 steps (100%) done\nElapsed time: 1:00:09.5\n", encoding="utf-8")
    actual = document.study(plan, log)
    assert (actual["snakemake_seconds"], actual["snakemake_jobs"]) == (3609.5, 9)
    assert actual["report_mb"] == 3 and actual["rules"][0]["rule"] == "train"
    n = len(plan.runs)
    assert actual["trainings"] == {
        "jobs": n,
        "mean_seconds": (n - 1) / 2,
        "total_seconds": n * (n - 1) // 2,
        "memory_mb": 299 + n,
    }
    document.record("tiny-study", actual, document.made_with(), tmp_path)
    (row,) = performance.measured(tmp_path, "tiny-study")["rules"]
    assert [str(value) for value in row.values()] == ["train", "1", "4.0 s", "500 MB"]


def test_the_log_of_the_whole_study_is_the_one_that_counts(tmp_path) -> None:
    whole = "361 of 361 steps (100%) done\nElapsed time: 0:15:47.250000\n"
    (tmp_path / "1.snakemake.log").write_text(
        "3 of 361 steps (1%) done\n" + whole, encoding="utf-8"
    )
    (tmp_path / "2.snakemake.log").write_text(
        "4 of 4 steps (100%) done\nElapsed time: 0:00:09.5\n", encoding="utf-8"
    )
    (tmp_path / "3.snakemake.log").write_text(
        "500 of 500 steps (100%) done\n", encoding="utf-8"
    )  # was cut off
    log = document.last_log(tmp_path)
    assert log.name == "1.snakemake.log"
    match = document.ELAPSED.search(log.read_text(encoding="utf-8"))
    assert match is not None and match.groups() == (None, "0", "15", "47.250000")
