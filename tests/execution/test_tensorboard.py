"""Events for TensorBoard: they say what the tables say, and change nothing."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from by_hand import FILE, invoke, measured, ok, prepared
from ganlore import arrays, frames
from ganlore.cli import events, training
from ganlore.errors import GanloreError
from ganlore.forecast import disk
from ganlore.study import keep, needs, trials
from ganlore.study.expand import expand
from ganlore.study.run import Plan
from ganlore.training import checkpoint
from tiny import tiny

GRID = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["lsgan"], "tricks": ["none"]}
ON = {"tensorboard": True}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(folder: Path) -> EventAccumulator:
    """All events of a run, as TensorBoard reads them: none is left out for their number."""
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    return accumulator.Reload()


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values by tag."""
    accumulator = read(folder)
    return {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }


def tabled(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What the events of a run should be, from its tables, in single precision."""
    expected: dict[str, list[tuple[int, float]]] = {}

    def add(tag: str, step: int, value: float) -> None:
        if not math.isnan(value):
            expected.setdefault(tag, []).append((step, float(np.float32(value))))

    for row in frames.read_csv(folder / "history.csv").to_dict("records"):
        for name, value in row.items():
            if name != "step":
                add(f"training/{name}", row["step"], value)
    for row in frames.read_csv(folder / "metrics.csv").to_dict("records"):
        add(f"{row['extractor']}/{row['metric']}", row["step"], row["value"])
    return expected


def places(plan: Plan) -> tuple[Path, Path]:
    """A study's one run, and its events."""
    (run,) = plan.runs
    return plan.folder(run), Path("results/tensorboard") / run.id


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_scalars_are_those_of_the_tables_and_the_samples_are_there() -> None:
    plan = prepared(grids=[GRID], training=ON)
    measured(plan)
    folder, place = places(plan)
    assert scalars(place) == tabled(folder)
    assert {"training/d_loss", "coordinates/fid"} <= scalars(place).keys()
    used = sum(path.stat().st_size for path in files(place))
    assert used < (3 + 2) * disk.EVENTS  # what the forecast allows for
    accumulator = read(place)
    assert accumulator.Tags()["images"] == ["samples/last"]
    (image,) = accumulator.Images("samples/last")
    assert (image.step, image.width, image.height) == (6, events.SIDE, events.SIDE)
    before = [path.name for path in files(place)]
    ok("evaluate", plan.runs[0].id, "--study", FILE)  # again: in place of those of before
    assert scalars(place) == tabled(folder)
    after = [path.name for path in files(place)]
    assert len(after) == 2 and before[0] == after[0] and before[1] != after[1]


def test_images_are_written_side_by_side_along_the_budget(tmp_path: Path) -> None:
    strip = np.arange(3 * 8 * 4 * 4).reshape(3, 8, 1, 4, 4).astype(np.uint8)
    pictures = {"samples": np.zeros((10, 3, 5, 5), np.uint8), "strip": strip, "step": np.array(9)}
    events.evaluated(tmp_path / "run", [], [3, 6, 9], pictures, 1.0)
    accumulator = read(tmp_path / "run")
    course = accumulator.Images("samples/course")
    assert [(image.step, image.width, image.height) for image in course] == [
        (step, 8 * 5 - 1, 4) for step in (3, 6, 9)
    ]
    (last,) = accumulator.Images("samples/last")
    assert (last.step, last.width, last.height) == (9, 8 * 6 - 1, 2 * 6 - 1)


def test_points_are_drawn_where_they_are() -> None:
    image = events.drawn(np.array([[0.99, 0.99], [-5.0, 0.0]]), 1.0)
    dark = {tuple(place) for place in np.argwhere(image[..., 0] == 0)}
    assert dark == {(0, events.SIDE - 1), (events.SIDE // 2 - 1, 0)}


@pytest.mark.parametrize("killed", [1, 2, 3])
def test_a_training_that_was_killed_and_goes_on_has_each_step_once(monkeypatch, killed) -> None:
    plan = prepared(grids=[GRID], training={**ON, "history": 6})
    (run,) = plan.runs
    folder, place = places(plan)
    beside = plan.study.beside.model_copy(update={"run": run.id})
    words = (run, Path("data"), folder, Path("results/state") / run.id, 0.0, beside)
    sometimes = checkpoint.Checkpoints.save_sometimes

    def dies(self: Any, step: int, *rest: Any) -> None:
        if step == killed + 1:
            raise KeyboardInterrupt  # its events are written, and its state is that of before
        sometimes(self, step, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint.Checkpoints, "save_sometimes", dies)
        training.train(*words)
    (cut,) = files(place)
    assert [step for step, _ in scalars(place)["training/d_loss"]] == list(range(1, killed + 2))
    cut.write_bytes(cut.read_bytes()[:-7])  # what kill -9 may leave
    assert training.train(*words) == "done"
    ok("evaluate", run.id, "--study", FILE)
    assert scalars(place) == tabled(folder)
    assert not cut.exists() and len(files(place)) == 2


def test_the_bits_of_a_run_are_those_without() -> None:
    plans = []
    for on in (True, False):
        plans.append(prepared(grids=[GRID], training={"tensorboard": on}, results=f"results{on}"))
        measured(plans[-1])
    with_, without = (plan.folder(plan.runs[0]) for plan in plans)
    assert (
        Path("resultsTrue/tensorboard").exists() and not Path("resultsFalse/tensorboard").exists()
    )
    for name in ("snapshots.pt", "checkpoint.pt"):
        assert (with_ / name).read_bytes() == (without / name).read_bytes()
    one, other = (arrays.read_archive(folder / "samples.npz") for folder in (with_, without))
    assert one.keys() == other.keys() and all((one[k] == other[k]).all() for k in one)
    tables = [
        frames.read_csv(folder / "metrics.csv").drop(columns="seconds")
        for folder in (with_, without)
    ]
    assert tables[0].equals(tables[1])


def test_it_is_no_part_of_a_run() -> None:
    """Neither settings nor commands differ: Snakemake compares both."""
    off, on = (expand(tiny(grids=[GRID], training=change)) for change in ({}, ON))
    assert off.runs == on.runs
    assert [run.model_dump_json() for run in off.runs] == [run.model_dump_json() for run in on.runs]
    assert "tensorboard" not in on.runs[0].model_dump_json()
    assert on.study.beside.tensorboard and not off.study.beside.tensorboard
    assert '"tensorboard":true' in on.study.model_dump_json(exclude_defaults=True)


@pytest.mark.parametrize("where", ["grids.0", "variants.v"])
def test_it_is_the_whole_study_s(where: str) -> None:
    study = {
        "grids.0": {"grids": [{**GRID, "training": ON}]},
        "variants.v": {"grids": [GRID], "variants": {"v": {"training": ON}}},
    }[where]
    with pytest.raises(GanloreError, match=f"{where}.training"):
        expand(tiny(**study))


def test_a_search_has_it_too() -> None:
    search = {"space": {"lr": {"low": 1e-4, "high": 1e-2, "log": True}}, "draws": 2, "rungs": [1.0],
              "protocol": {"reference": "test", "extractors": ["residual-classifier"]}}  # fmt: skip
    grid = {**GRID, "datasets": ["digits"], "networks": ["dcgan"], "training": {"batch": 8}}
    study = tiny(
        grids=[grid],
        training={**ON, "policy": "searched"},
        protocol={"extractors": ["classifier"]},
        search=search,
    )
    assert {run.training.batch for run in trials.of_rung(study, 1).runs} == {8}


def test_without_the_package_nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = prepared(grids=[GRID], training=ON)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        needs.importlib.util,
        "find_spec",
        lambda name: None if name == "tensorboard" else found(name),
    )
    remedy = "pip install 'ganlore[tensorboard]'"
    for words in (["needs", FILE], ["train", plan.runs[0].id, "--study", FILE]):
        status, text = invoke(*words)
        assert status != 0 and "training.tensorboard = true: the package tensorboard" in text
        assert remedy in text
    assert not plan.folder(plan.runs[0]).exists()
    Path(FILE).write_text(
        Path(FILE).read_text(encoding="utf-8").replace("tensorboard: true", "tensorboard: false"),
        encoding="utf-8",
    )
    assert invoke("needs", FILE)[0] == 0


def test_events_of_before_go_when_a_study_asks_for_them_no_more() -> None:
    plan = prepared(grids=[GRID], training=ON)
    measured(plan)
    _, place = places(plan)
    assert len(files(place)) == 2
    prepared(grids=[GRID])
    ok("evaluate", plan.runs[0].id, "--study", FILE)
    assert [path.suffix for path in files(place)] == [events.TRAINING]
    ok("train", plan.runs[0].id, "--study", FILE)
    assert not files(place)


def test_finished_runs_get_theirs_when_a_study_asks_for_them_later() -> None:
    plan = prepared(grids=[GRID])
    measured(plan)
    ok("reference", "ring", "coordinates", "--protocol", plan.runs[0].protocol.model_dump_json())
    ok("collect", FILE)
    assert not Path("results/tensorboard").exists()
    plan = prepared(grids=[GRID], training=ON)
    ok("collect", FILE)
    folder, place = places(plan)
    assert scalars(place) == tabled(folder)
    assert read(place).Tags()["images"] == ["samples/last"]
    before = files(place)
    ok("collect", FILE)
    assert files(place) == before


def test_a_job_has_it_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = prepared(grids=[GRID])
    (run,) = plan.runs
    monkeypatch.setenv(keep.BESIDE, tiny(training=ON).beside.model_dump_json())
    ok("train", "--settings", run.training_settings())
    assert [path.suffix for path in files(places(plan)[1])] == [events.TRAINING]
    monkeypatch.setenv(keep.BESIDE, "{")
    status, text = invoke("train", "--settings", run.training_settings())
    assert status == 1 and "--beside" in text
