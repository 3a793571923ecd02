"""A published result holds together by itself, and every alteration is found."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from by_hand import measured, ok, prepared
from ganlore import console, formatting, frames, storage
from ganlore.cli.main import app
from ganlore.docgen import published
from ganlore.errors import GanloreError
from ganlore.publishing import publication, publish, tolerance, verify_published
from ganlore.report import files
from ganlore.study import schema
from ganlore.study.expand import expand
from ganlore.study.run import Plan
from tiny import REPOSITORY

RESULTS, REPORTS = Path("results/tiny"), Path("reports/tiny")
GRID = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge", "dragan"], "tricks": ["none"]}  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of two runs with its report, in a folder of its own."""
    folder = tmp_path_factory.mktemp("study")
    with chdir(folder):
        plan = prepared(grids=[GRID], keep={"snapshots": "none"})
        measured(plan)
        for run in plan.runs:
            (plan.folder(run) / "snapshots.pt").unlink()  # as the study says
        ok("collect", "tiny.yaml")
        ok("report", "tiny.yaml")
        ok("publish", "tiny.yaml")
    return folder


@pytest.fixture
def clone(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What git has: the study's file and what was published. No runs, no data."""
    for place in (RESULTS, REPORTS):
        shutil.copytree(study / place, tmp_path / place)
    shutil.copy(study / "tiny.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def findings() -> str:
    return "\n".join(verify_published.verify(RESULTS).wrong)


def rehash(name: str, part: str = "results") -> None:
    """Make the manifest fit an altered file: the forger's second step."""
    path = RESULTS / publication.MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    folder = RESULTS if part == "results" else REPORTS
    manifest["files"][part][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(storage.sealed(manifest)), encoding="utf-8")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_clone_without_runs_and_data_verifies(clone: Path) -> None:
    actual = verify_published.verify(RESULTS)
    assert actual.wrong == [] and actual.checked > 25
    assert "0 findings" in ok("verify", str(RESULTS))
    assert sorted(path.name for path in clone.rglob("*.pt")) == []
    assert publication.find() == [RESULTS]


def test_a_number_in_a_table_is_tied_to_its_run(clone: Path) -> None:
    rows = (RESULTS / "metrics.csv").read_text(encoding="utf-8")
    value = next(line for line in rows.splitlines() if ",fid," in line).split(",")[-3]
    edit(RESULTS / "metrics.csv", value, "0.125")
    assert "metrics.csv: truncated or altered" in findings()
    rehash("metrics.csv")
    text = findings()
    assert "its rows in metrics.csv are not those that its evaluation recorded" in text
    assert "cells.csv: not what the published metrics give" in text
    result = CliRunner().invoke(app, ["verify", str(RESULTS)])
    assert result.exit_code == 1


@pytest.mark.parametrize(
    "name, old, new, reported",
    [
        ("history.csv", "dragan,none,base,0,2,", "dragan,none,base,0,3,", "rows in history.csv are not"),
        ("runs.csv", ",done,6,", ",done,7,", "row in runs.csv is not what its record tells"),
        ("records.jsonl", '"batch": 16', '"batch": 32', "its settings are not those of their hash"),
        ("records.jsonl", '"n_fake": 50', '"n_fake": 5000', "its protocol is not that of its hash"),
        ("records.jsonl", '"data_hash": "', '"data_hash": "0', "trained with other data than"),
        ("records.jsonl", '"snapshots": "', '"snapshots": "0', "other snapshots were evaluated"),
        ("data/ring/manifest.json", '"radius"', '"radios"', "trained with other data than"),
        ("extractors/ring/coordinates/record.json", "{", "{ ", "another extractor coordinates"),
    ],
)  # fmt: skip
def test_records_and_tables_agree_to_the_letter(clone, name, old, new, reported) -> None:
    edit(RESULTS / name, old, new)
    rehash(name)
    assert reported in findings()


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n"])
def test_a_table_without_the_columns_that_name_runs_is_named(clone: Path, text: str) -> None:
    (RESULTS / "history.csv").write_text(text, encoding="utf-8")
    with pytest.raises(GanloreError, match=r"history\.csv: no column dataset"):
        publication.opened(RESULTS).table("history")


def test_a_run_that_is_left_out_is_missed(clone: Path) -> None:
    lines = (RESULTS / "records.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (RESULTS / "records.jsonl").write_text(lines[0], encoding="utf-8")
    rehash("records.jsonl")
    text = findings()
    assert "a run without a record" in text and "not those of its study's settings" in text


def test_a_table_of_the_report_is_made_again(clone: Path) -> None:
    path = REPORTS / "tables/cells.csv"
    head, first, *rest = path.read_text(encoding="utf-8").splitlines(keepends=True)
    column = head.split(",").index("fid")
    values = first.split(",")
    exact = float(values[column])
    for factor, fine in ((1 + 1e-13, True), (1 + 1e-6, False)):  # the libraries' bits; a change
        values[column] = repr(exact * factor)
        path.write_text("".join([head, ",".join(values), *rest]), encoding="utf-8")
        rehash("tables/cells.csv", "reports")
        assert ("not what the published metrics give" not in findings()) is fine


MODEL = "trick,effect,low,high,p,n_losses\nema,0.056200226,-0.007332667,0.119733119,0.0823171,5\n"


@pytest.mark.parametrize(
    "old, new, fine",
    [
        ("0.056200226", "0.0562002260001", True),
        ("-0.007332667", "-0.005930737", True),  # as two machines had it: 1 % of the interval
        ("0.0823171", "0.0761843", True),
        ("-0.007332667", "-0.001", False),
        ("0.0823171", "0.0423171", False),
        ("0.056200226", "0.066200226", False),
        (",5", ",6", False),
        ("ema", "emu", False),
        ("effect", "effects", False),
    ],
)  # fmt: skip
def test_an_iterative_fit_may_stop_elsewhere_and_nothing_else_may(old, new, fine) -> None:
    altered = MODEL.replace(old, new, 1)
    assert altered != MODEL
    assert tolerance.same("tables/model-digits-dcgan-base.csv", altered, MODEL) is fine
    exact = ("0.056200226", "0.0562002260001")  # 1.8e-12, relative
    assert tolerance.same("tables/cells.csv", altered, MODEL) is ((old, new) == exact)


@pytest.mark.parametrize(
    ("there", "here", "fine"),
    [
        ("2.5e-19", "3.5e-19", True),  # of a difference of equal sums, by processor
        ("0.0", "-1e-16", True),
        ("0.0", "1e-12", False),
        ("1e-10", "2e-10", False),
        ("", "1e-19", False),
        ("nan", "0.0", False),
    ],
)
def test_what_rounding_leaves_of_zero_is_zero(there: str, here: str, fine: bool) -> None:
    """Beside shares of up to .76, in the same column."""
    published, made = (f"term,share\nloss,0.76\ninteraction,{value}\n" for value in (there, here))
    assert tolerance.same("tables/variance-digits.csv", published, made) is fine


def test_a_check_of_a_publication_says_how_far_it_is(clone: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(console, "INTERVAL", 0.0)
    verify_published.verify(RESULTS)
    steps = capsys.readouterr().err
    assert f"verify {RESULTS}" in steps and "tables of the report" in steps


@pytest.mark.parametrize("folder", publication.find(REPOSITORY / "results"), ids=lambda p: p.name)
def test_every_published_result_of_this_repository_verifies(folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert verify_published.verify(folder).wrong == []


def test_numbers_and_leaderboard_are_made_again(clone: Path) -> None:
    for name, old, new in (("numbers.json", '"runs": "2"', '"runs": "3"'),
                           ("numbers.tex", "Runs}{2}", "Runs}{3}"),
                           ("leaderboard.csv", "ring,1,", "ring,2,")):  # fmt: skip
        edit(REPORTS / name, old, new)
        rehash(name, "reports")
        assert f"reports/tiny/{name}: not what the published metrics give" in findings()
    assert (REPORTS / "paper.pdf").read_bytes().startswith(b"%PDF")


def test_what_an_older_version_did_not_make_is_a_note(clone: Path) -> None:
    path = RESULTS / publication.MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for name in ("leaderboard.csv", "tables/leaderboard.tex", "tables/cells.csv"):
        (REPORTS / name).unlink()
        del manifest["files"]["reports"][name]
    path.write_text(json.dumps(storage.sealed(manifest)), encoding="utf-8")
    actual = verify_published.verify(RESULTS)
    assert len(actual.wrong) == 1 and "tables/cells.csv: not what" in actual.wrong[0]
    assert [note.split(":")[0] for note in actual.notes if "this version makes it" in note] == [
        "reports/tiny/leaderboard.csv", "reports/tiny/tables/leaderboard.tex"]  # fmt: skip


def test_what_another_version_ranks_otherwise_is_a_note(clone: Path) -> None:
    edit(REPORTS / "leaderboard.csv", "ring,1,", "ring,2,")
    rehash("leaderboard.csv", "reports")
    path = RESULTS / publication.MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    assert verify_published.verify(RESULTS).wrong != []
    manifest["ganlore"] = "0.0.1"
    path.write_text(json.dumps(storage.sealed(manifest)), encoding="utf-8")
    actual = verify_published.verify(RESULTS)
    assert actual.wrong == []
    assert any("leaderboard.csv: made otherwise" in note for note in actual.notes)


def test_missing_and_strange_files_are_named(clone: Path) -> None:
    (REPORTS / "index.html").unlink()
    assert "reports/tiny/index.html: missing" in findings()
    (REPORTS / "index.html").write_text("another page", encoding="utf-8")
    (RESULTS / "extra.csv").write_text("a,b\n", encoding="utf-8")
    text = findings()
    assert "index.html: truncated or altered" in text
    assert "extra.csv: not of this publication" in text


def test_other_code_or_study_is_a_note_and_no_finding(clone: Path) -> None:
    edit(Path("tiny.yaml"), "batch: 16", "batch: 8")
    lines = []
    for line in (RESULTS / "records.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        # trained by a version of another day
        record["run"] = storage.sealed({**record["run"], "code_hash": "0" * 16})
        lines.append(json.dumps(record) + "\n")
    (RESULTS / "records.jsonl").write_text("".join(lines), encoding="utf-8")
    rehash("records.jsonl")
    table = RESULTS / "runs.csv"
    for record in map(json.loads, lines):
        plan = expand(schema.load("tiny.yaml"))
        table.write_text(
            table.read_text(encoding="utf-8").replace(
                plan.run(record["run"]["id"]).training_code(), "0" * 16
            ),
            encoding="utf-8",
        )
    rehash("runs.csv")
    actual = verify_published.verify(RESULTS)
    assert actual.wrong == []
    notes = "\n".join(actual.notes)
    assert "2 of 2 runs were trained with other code" in notes
    assert "tiny.yaml is not what it was" in notes


@pytest.fixture
def again(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The finished study, to be published anew."""
    shutil.copytree(study, tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")
    return expand(schema.load("tiny.yaml"))


def test_publishing_again_leaves_nothing_of_before(again: Any) -> None:
    (REPORTS / "figures/old.svg").write_text("<svg/>", encoding="utf-8")
    before = (RESULTS / publication.MANIFEST).read_text(encoding="utf-8")
    ok("publish", "tiny.yaml")
    assert not (REPORTS / "figures/old.svg").exists()
    assert (RESULTS / publication.MANIFEST).read_text(encoding="utf-8") == before
    assert findings() == ""


def test_what_is_not_finished_is_not_published(again: Any) -> None:
    run = again.runs[0]
    (again.folder(run) / "metrics.csv").write_text("dataset,value\n", encoding="utf-8")
    with pytest.raises(GanloreError, match=r"metrics\.csv: truncated or altered"):
        publish.publish(again, "tiny.yaml", RESULTS, REPORTS)


def test_a_report_of_other_numbers_is_not_published(again: Any) -> None:
    edit(Path("reports/tables/snapshots.csv"), ",fid,", ",kid,")
    with pytest.raises(GanloreError, match=r"snapshots\.csv: truncated or altered"):
        publish.publish(again, "tiny.yaml", RESULTS, REPORTS)
    files.seal(again)
    with pytest.raises(GanloreError, match="this result is not sound"):
        publish.publish(again, "tiny.yaml", RESULTS, REPORTS)
    assert publication.find() == []


def test_what_is_large_is_compressed_and_checked_alike(
    again: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "MEGABYTE", 1_000)
    publish.publish(again, "tiny.yaml", RESULTS, REPORTS, limit=1e9)
    packed = {path.name for path in RESULTS.glob("*.gz")}
    assert {"metrics.csv.gz", "history.csv.gz", "records.jsonl.gz"} <= packed
    assert not (RESULTS / "metrics.csv").exists()
    assert findings() == ""
    before = (RESULTS / "metrics.csv.gz").read_bytes()
    publish.publish(again, "tiny.yaml", RESULTS, REPORTS, limit=1e9)
    assert (RESULTS / "metrics.csv.gz").read_bytes() == before  # no time is written into it


def test_it_stays_small_and_in_folders_of_its_own(again: Any) -> None:
    with pytest.raises(GanloreError, match=r"above the limit of 0\.01 MB; largest:\n  reports"):
        publish.publish(again, "tiny.yaml", RESULTS, REPORTS, limit=0.01)
    with pytest.raises(GanloreError, match="the study itself writes here"):
        publish.publish(again, "tiny.yaml", Path("results"), REPORTS)


def test_a_place_of_this_machine_is_not_published(again: Any) -> None:
    changed = again.runs[0].model_copy(deep=True)
    changed.dataset.settings["path"] = "/somewhere/here"
    plan = Plan(again.study, (changed,), ())
    with pytest.raises(GanloreError, match="is a place of this machine"):
        publish.publish(plan, "tiny.yaml", RESULTS, REPORTS)


def test_a_page_tells_a_published_result(clone: Path) -> None:
    """Each number comes from the published tables: changed there, it changes on the page."""
    cells = frames.read_csv(REPORTS / "tables/cells.csv").sort_values("fid")
    displayed = published.published(clone, "tiny")
    reported = [(loss, fid.split("±")[0].strip()) for loss, fid in displayed.fid_rows]
    assert displayed.trick_names == []
    assert reported == [(row.loss, formatting.number(row.fid)) for row in cells.itertuples()]

    setting = {"runs": 2, "seeds": 1, "images": "96", "n_fake": "50", "n_real": "100"}
    assert {key: displayed.setting[key] for key in setting} == setting
    assert [record["extractor"] for record in displayed.extractors] == ["coordinates"]
    floor = frames.read_csv(RESULTS / "floor.csv").set_index("metric")["value"]
    assert published.published(clone, "tiny").fid_of_real == formatting.number(floor["fid"])

    best = cells.iloc[0]
    path = REPORTS / "tables/cells.csv"
    path.write_text(
        path.read_text(encoding="utf-8").replace(repr(float(best.fid)), "12345.0"), encoding="utf-8"
    )
    assert "12,345" in str(published.published(clone, "tiny").fid_rows)
