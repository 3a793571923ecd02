"""One chain of hashes from the data to each output: what is altered anywhere is refused and named."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from by_hand import invoke, measured, ok, prepared

GRID = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["hinge"], "tricks": ["none"]}
RUN = "ring/mlp/hinge/none/base/seed0"
FOLDER, OTHER = Path("results/runs") / RUN, Path("results/runs/ring/mlp/hinge/none/base/seed1")
MANIFEST = Path("data/prepared/ring/manifest.json")
EXTRACTOR = Path("data/extractors/ring/coordinates/record.json")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished study of two seeds, with its report."""
    folder = tmp_path_factory.mktemp("chain")
    with chdir(folder):
        measured(prepared(grids=[GRID], seeds=[0, 1]))
        ok("collect", "tiny.yaml")
        ok("report", "tiny.yaml")
        assert "0 findings" in ok("verify", "tiny.yaml")
    return folder


@pytest.fixture
def study(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, to alter, as the working directory."""
    shutil.copytree(finished, tmp_path / "study")
    monkeypatch.chdir(tmp_path / "study")
    return tmp_path / "study"


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Edit a JSON file by hand."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value, indent=1), encoding="utf-8")


def halve_fid() -> None:
    path = Path("results/metrics.parquet")
    table = pd.read_parquet(path)
    table.loc[table["metric"] == "fid", "value"] /= 2
    table.to_parquet(path, index=False)


def truncate(path: str) -> Callable[[], Any]:
    return lambda: Path(path).write_bytes(Path(path).read_bytes()[:-20])


def flip(path: str) -> Callable[[], Any]:
    """Flip a bit in the middle of a file: it can be read as before, and tells something else."""

    def go() -> None:
        data = bytearray(Path(path).read_bytes())
        data[len(data) // 2] ^= 1
        Path(path).write_bytes(data)

    return go


def other_seed() -> None:
    for name in ("evaluation.json", "metrics.csv", "samples.npz"):
        shutil.copy(OTHER / name, FOLDER / name)


def other_seed_of_these_snapshots() -> None:
    """As one who knows what is compared."""
    other_seed()
    digest = json.loads((FOLDER / "run.json").read_text(encoding="utf-8"))["files"]["snapshots.pt"]
    edit(FOLDER / "evaluation.json", lambda r: r.update(snapshots=digest))


def unseal(path: Path) -> None:
    edit(path, lambda r: r.pop("sha256", None))


REFUSED = [
    ("metrics.parquet", halve_fid, ("verify", "report", "publish")),
    ("metrics.parquet", flip("results/metrics.parquet"), ("verify", "report", "publish")),
    ("history.parquet", flip("results/history.parquet"), ("verify", "report", "publish")),
    ("runs.parquet", flip("results/runs.parquet"), ("verify", "report", "publish")),
    ("floor.csv", truncate("results/floor.csv"), ("verify", "report", "publish")),
    ("tables.json", lambda: Path("results/tables.json").unlink(missing_ok=True), ("verify", "report")),
    ("manifest.json", lambda: edit(MANIFEST, lambda r: r.update(std=0.5)),
     ("verify", "collect", "report", "train", "evaluate", "status")),
    ("manifest.json", lambda: edit(MANIFEST, lambda r: r["centres"][0].reverse()),
     ("verify", "collect", "report", "train", "evaluate", "status")),
    ("manifest.json", lambda: edit(MANIFEST, lambda r: r.update(files={})),
     ("verify", "collect", "report", "train", "evaluate", "status")),
    ("record.json", lambda: edit(EXTRACTOR, lambda r: r.update(files={})), ("verify", "evaluate", "status")),
    ("run.json", lambda: edit(FOLDER / "run.json", lambda r: r.update(status="diverged")),
     ("verify", "collect", "report", "evaluate", "status")),
    ("run.json", lambda: edit(FOLDER / "run.json", lambda r: r.update(seconds=1.0)), ("verify", "collect", "report", "status")),
    ("run.json", lambda: edit(FOLDER / "run.json", lambda r: r["environment"].update(processor="a faster one")),
     ("verify", "collect", "report", "status")),
    ("run.json", lambda: edit(FOLDER / "run.json", lambda r: r.update(files={})), ("verify", "collect", "status")),
    ("evaluation.json", lambda: edit(FOLDER / "evaluation.json", lambda r: r.update(files={})),
     ("verify", "collect", "report", "status")),
    ("evaluation.json", lambda: edit(FOLDER / "evaluation.json", lambda r: r.update(discarded=["snapshots.pt"])),
     ("verify", "collect", "status")),
    ("evaluation.json", other_seed, ("verify", "collect", "report", "status")),
    ("evaluation.json", other_seed_of_these_snapshots, ("verify", "collect", "report", "status")),
    ("run.json", lambda: unseal(FOLDER / "run.json"), ("verify", "collect", "report", "status")),
    ("evaluation.json", lambda: unseal(FOLDER / "evaluation.json"), ("verify", "collect", "report", "status")),
    *((name, lambda name=name: (Path("reports") / name).unlink(), ("verify", "publish"))
      for name in ("index.html", "paper.pdf", "tables/cells.csv", "figures/heat-fid-ring-mlp-base.svg")),
    *((name, flip(f"reports/{name}"), ("verify", "publish"))
      for name in ("index.html", "paper.pdf", "tables/cells.csv", "numbers.tex")),
]  # fmt: skip


@pytest.mark.parametrize(
    "name, damage, command",
    [(name, damage, command) for name, damage, commands in REFUSED for command in commands],
)
def test_what_is_altered_is_refused_and_named(study: Path, name, damage, command) -> None:
    if name.startswith("figures/"):  # whichever the study has
        damage = next(Path("reports/figures").glob("*.svg")).unlink
        name = "figures/"
    damage()
    if command in ("train", "evaluate"):
        status, text = invoke(command, RUN, "--study", "tiny.yaml")
    else:
        status, text = invoke(command, "tiny.yaml")
    if command == "status":
        assert "stale" in text and "done         2" not in text
    else:
        assert status != 0, text
        assert Path(name).name in text or "other data" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("name", ["checkpoint.pt", "snapshots.pt"])
def test_damage_of_the_same_size_and_time_is_noticed_by_what_reads_every_byte(study, name) -> None:
    """docs/reliability.md says so; the report compares sizes, and shows nothing of these files."""
    path = FOLDER / name
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    flip(str(path))()
    os.utime(path, ns=times)
    for command in ("collect", "verify"):
        status, text = invoke(command, "tiny.yaml")
        assert status != 0 and f"{path}: truncated or altered" in text
    ok("report", "tiny.yaml")
    path.write_bytes(path.read_bytes()[:-1])
    os.utime(path, ns=times)
    status, text = invoke("report", "tiny.yaml")
    assert status != 0 and f"{path}: truncated or altered" in text


def test_tables_of_other_records_than_there_are_make_no_report(study: Path) -> None:
    """Measured anew, a run's metrics have other times: the tables are not of these records."""
    ok("evaluate", RUN, "--study", "tiny.yaml")
    for command in ("verify", "report", "publish"):
        status, text = invoke(command, "tiny.yaml")
        assert status != 0 and "collected from other runs" in text and RUN in text
    ok("collect", "tiny.yaml")
    status, text = invoke("verify", "tiny.yaml")
    assert status != 0 and "report.json: made of other tables" in text
    ok("report", "tiny.yaml")
    assert "0 findings" in ok("verify", "tiny.yaml")


def test_a_study_that_is_not_collected_yet_has_no_finding(study: Path) -> None:
    shutil.rmtree("reports")
    for path in Path("results").glob("*.*"):
        path.unlink()
    assert "0 findings" in ok("verify", "tiny.yaml")


def test_an_edited_publication_is_noticed_and_one_of_an_earlier_version_noted(study: Path) -> None:
    ok("publish", "tiny.yaml")
    path = Path("results/tiny/publication.json")
    text = path.read_text(encoding="utf-8")
    edit(path, lambda r: r.update(title="Another title"))
    status, said = invoke("verify", "results/tiny")
    assert status != 0 and "publication.json: altered" in said
    path.write_text(text, encoding="utf-8")
    assert "earlier version" not in ok("verify", "results/tiny")
    edit(path, lambda r: r.pop("sha256"))
    assert "note: results/tiny/publication.json: of an earlier version" in ok(
        "verify", "results/tiny"
    )
