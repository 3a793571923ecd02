"""A finished run that is given more budget goes on to the bits of one that had it from the start."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from typing import Any

import pytest
from test_tensorboard import scalars, tabled
from test_workflow import Project

from ganlore import arrays, frames, provenance
from ganlore.cli import kept_states, training
from ganlore.data import Store
from ganlore.study import fingerprint
from ganlore.study.keep import Beside
from ganlore.study.run import Run
from ganlore.training import checkpoint
from tiny import equal, tiny_run

COSTS = ("seconds", "images_per_second", "peak_memory_mb", "step_memory_mb")
"""Columns of a history that no two trainings have the same of."""

SMALL = {"budget": 160, "snapshots": 2, "history": 5}
LARGE = {"budget": 320, "snapshots": 4, "history": 10}


@pytest.fixture
def go(stores: dict[str, Store], tmp_path: Path):
    """Train a run in a folder of results as a job does; gives the run's own folder."""

    def train(run: Run, results: str = "results", states: bool = True) -> Path:
        root = tmp_path / results
        place = Beside(states=states, results=root, run=run.id)
        data = stores[run.dataset.name].folder.parents[1]
        folder = root / "runs" / run.id
        shutil.rmtree(folder, ignore_errors=True)  # as Snakemake does
        training.train(run, data, folder, root / "state" / run.id, 0.0, place)
        return folder

    return train


def kept(folder: Path) -> Path:
    """Where a run's state is kept."""
    (root,) = [path for path in folder.parents if (path / "runs").is_dir()][:1]
    return root / "kept" / folder.relative_to(root / "runs")


def same(one: Path, other: Path) -> bool:
    """Whether two trainings have the same bits: weights, snapshots, history and optimisers."""
    weights = ("snapshots.pt", "checkpoint.pt")
    tables = [frames.read_csv(f / "history.csv").drop(columns=list(COSTS)) for f in (one, other)]
    states = [arrays.read_sealed(kept(f) / "state.pt")["optimizers"] for f in (one, other)]
    return (
        all((one / name).read_bytes() == (other / name).read_bytes() for name in weights)
        and tables[0].equals(tables[1])
        and equal(*states)
    )


CASES = [
    ("ring", "nonsaturating", "none", {}),
    ("ring", "wgan-gp", "ema", {"history": 2}),  # 5 critic steps
    ("ring", "hinge", "spectral-norm", {"history": 1}),
    ("ring", "lsgan", "minibatch-stddev+ttur", {"optimizer": {"kind": "rmsprop"}}),
    ("ring", "minimax", "lecam", {}),
    ("digits", "infogan", "diffaugment", {"flip": False, "subset": 0.5}),
    ("digits", "hinge", "self-attention", {"order": "generator-first", "corrupted": 0.1}),
]


@pytest.mark.parametrize("dataset, loss, trick, more", CASES, ids=str)
def test_it_goes_on_to_the_bits_of_a_whole_training(go, capsys, dataset, loss, trick, more) -> None:
    double = {"history": 2 * more["history"]} if "history" in more else {}
    small, large = (
        tiny_run(dataset, loss, trick, training={**base, **more, **extra})
        for base, extra in ((SMALL, {}), (LARGE, double))
    )
    go(small)
    capsys.readouterr()
    continued = go(large)
    assert "320 images in place of 160; the run goes on" in capsys.readouterr().err
    whole = go(large, "whole")
    assert "goes on" not in capsys.readouterr().err
    assert same(continued, whole)
    early, late = (arrays.read_torch(f / "snapshots.pt") for f in (go(small, "again"), whole))
    assert equal(early, late[:2])


def test_again_and_again_and_killed_meanwhile(go, capsys, monkeypatch) -> None:
    runs = [
        tiny_run(training={"budget": 160 * n, "snapshots": 2 * n, "history": 5 * n})
        for n in (1, 2, 3)
    ]
    go(runs[0])
    save, saves = checkpoint.Checkpoints.save, []

    def save_then_die(self: Any, *rest: Any) -> None:
        save(self, *rest)
        saves.append(rest[0])
        if len(saves) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(checkpoint.Checkpoints, "save", save_then_die)
        go(runs[1])
    assert saves == [12, 14]
    capsys.readouterr()
    go(runs[1])  # its own state comes first
    assert "goes on" not in (said := capsys.readouterr().err) and "continuing after 14" in said
    continued = go(runs[2])
    assert "continuing after 20 steps" in capsys.readouterr().err
    assert same(continued, go(runs[2], "whole"))


def test_a_larger_study_may_have_another_protocol_and_shape_of_places(go, capsys) -> None:
    """Half as much again, and an odd number of steps that are left over."""
    go(tiny_run(training={"budget": 160, "snapshots": 2, "history": 10}))
    run = tiny_run(
        training={"budget": 240 + 7, "snapshots": 3, "history": 15}, protocol={"n_fake": 60}
    )
    continued = go(run)
    assert "the run goes on" in capsys.readouterr().err
    assert same(continued, go(run, "whole"))


SAID = [
    (
        {"snapshots": 2},
        {},
        "training.snapshots = 2 gives other steps than in 10 steps (4 keeps them)",
    ),
    ({"history": 5}, {}, "training.history = 5 gives other steps than in 10 steps (10 keeps them)"),
    ({"budget": 176, "snapshots": 2, "history": 5}, {}, "(no number keeps them)"),
    ({"latent": 8}, {}, "training.latent changed"),
    ({"batch": 8}, {}, "training.batch changed"),
    ({"budget": 160, "snapshots": 2, "history": 5}, {}, "10 steps are not more than 10"),
    ({"budget": 96, "snapshots": 2, "history": 3}, {}, "6 steps are not more than 10"),
    ({}, {"settings": {"networks": {"mlp": {"width": 9}}}}, "network.settings.width changed"),
    ({"optimizer": {"lr": 0.1}}, {}, "loss.settings.optimizer.lr, training.optimizer.lr changed"),
]


@pytest.mark.parametrize("change, others, reason", SAID, ids=lambda case: str(case)[:40])
def test_what_cannot_go_on_says_why_and_begins_anew(go, capsys, change, others, reason) -> None:
    go(tiny_run(training=SMALL))
    capsys.readouterr()
    run = tiny_run(training={**LARGE, **change}, **others)
    folder = go(run)
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if "kept state" in line]
    assert reason in line and line.endswith("Training from the first step")
    assert "continuing" not in said
    assert same(folder, go(run, "whole"))


SCHEDULED = [
    ("nonsaturating", "none", {"optimizer": {"lr_end": 1e-5}}, "learning rate"),
    ("nonsaturating", "none", {"optimizer": {"beta2_end": 0.9}}, "beta2"),
    ("nonsaturating", "none", {"freeze_generator": 0.7}, "frozen"),
    ("nonsaturating", "learning-rate-decay", {}, "learning rate"),
    ("nonsaturating", "instance-noise", {}, "instance-noise.strength"),
    ("r3gan", "none", {}, "r3gan.gamma"),
]


@pytest.mark.parametrize("loss, trick, change, what", SCHEDULED)
def test_a_schedule_over_the_budget_does_not_go_on(go, capsys, loss, trick, change, what) -> None:
    settings = {"losses": {"r3gan": {"gamma": 1.0, "gamma_end": 0.1}}}
    small, large = (
        tiny_run("ring", loss, trick, training={**base, **change}, settings=settings)
        for base in (SMALL, LARGE)
    )
    go(small)
    go(large)
    said = capsys.readouterr().err
    assert f"the schedule of {what} depends on the whole budget. Training from the first" in said


def test_growing_does_not_go_on(go, capsys) -> None:
    for base in (SMALL, LARGE):
        go(
            tiny_run(
                "digits",
                "wgan-gp",
                "progressive",
                training={**base, "history": base["history"] // 5},
            )
        )
    assert "depends on the whole budget" in capsys.readouterr().err


HERE = provenance.environment()
OTHERS = [
    (fingerprint, "training", lambda *_: "another", "code changed"),
    (Store, "digest", "another", "data changed"),
    (provenance, "environment", lambda: {**HERE, "processor": "Z80"}, "trained with processor"),
    (
        provenance,
        "environment",
        lambda: {**HERE, "versions": {**HERE["versions"], "torch": "9"}},
        "and this is 9",
    ),
    (
        kept_states.declarations,
        "parse",
        lambda _: ast.parse("step.schedule.moment.progress"),
        "the network mlp reads `.moment` in mlp.py",
    ),
]


@pytest.mark.parametrize("owner, name, value, reason", OTHERS, ids=[case[3] for case in OTHERS])
def test_other_code_data_or_machine(go, capsys, monkeypatch, owner, name, value, reason) -> None:
    go(tiny_run(training=SMALL))
    monkeypatch.setattr(owner, name, value)
    go(tiny_run(training=LARGE))
    said = capsys.readouterr().err
    assert reason in said and "goes on" not in said


@pytest.mark.parametrize("name", ["state.pt", "snapshot-5.pt", "run.json"])
@pytest.mark.parametrize("missing", [False, True])
def test_a_damaged_state_is_said_and_not_used(go, capsys, name, missing) -> None:
    small, large = (tiny_run(training=base) for base in (SMALL, LARGE))
    path = kept(go(small)) / name
    if missing:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-30])
    capsys.readouterr()
    folder = go(large)
    said = capsys.readouterr().err
    assert ("damaged; training from the first step" in said) != (missing and name == "run.json")
    assert same(folder, go(large, "whole"))


def test_a_run_that_diverged_has_diverged_with_more_budget_too(go, capsys) -> None:
    bad = {"optimizer": {"kind": "sgd", "lr": 1e8}}
    small, large = (tiny_run(training={**base, **bad}) for base in (SMALL, LARGE))
    go(small)
    continued = go(large)
    assert "the run goes on" in capsys.readouterr().err
    whole = go(large, "whole")
    assert same(continued, whole)
    records = [
        frames.read_csv(folder / "history.csv")["step"].max() for folder in (continued, whole)
    ]
    assert records[0] == records[1] < 10


def test_nothing_is_kept_unless_the_study_says_so(go) -> None:
    small = tiny_run(training=SMALL)
    assert not kept(go(small, states=False)).exists()
    place = kept(go(small))
    assert sorted(path.name for path in place.iterdir()) == [
        "run.json", "snapshot-10.pt", "snapshot-5.pt", "state.pt",
    ]  # fmt: skip
    kept_states.keep(checkpoint.Checkpoints(place, ""), place)  # a process killed while it keeps
    go(small, states=False)
    assert not place.exists() and not any(place.parent.iterdir())


def test_a_disk_without_second_names_has_copies(go, monkeypatch, capsys) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(kept_states.os, "link", refuse)
    go(tiny_run(training=SMALL))
    large = tiny_run(training=LARGE)
    continued = go(large)
    assert "the run goes on" in capsys.readouterr().err
    assert same(continued, go(large, "whole"))


@pytest.mark.workflow
def test_a_study_asks_for_events_and_then_for_more_budget(tmp_path: Path) -> None:
    """The project's own way: Snakemake, warm workers, and a study that changes in between."""
    project = Project.create(tmp_path / "project")
    losses = ["lsgan", "wgan"]
    grid = {"datasets": ["ring"], "networks": ["mlp"], "losses": losses, "tricks": ["none"]}
    project.study(training=SMALL, grids=[grid])
    assert project.planned()["train"] == ["lsgan/0", "wgan/0"]
    project.study(training=SMALL, grids=[grid], keep={"states": "all"})
    project.snakemake()
    place = project.folder / "results/tensorboard"
    assert not place.exists()
    on = {"grids": [grid], "keep": {"states": "all"}}
    project.study(training={**SMALL, "tensorboard": True}, **on)
    assert project.planned().keys().isdisjoint({"train", "evaluate"})
    project.study(training={**LARGE, "tensorboard": True}, **on)
    project.snakemake()
    for loss in losses:
        run = f"ring/mlp/{loss}/none/base/seed0"
        log = project.folder / f"results/logs/train/{run}.log"
        assert "continuing after 10 steps" in log.read_text(encoding="utf-8")
        assert scalars(place / run) == tabled(project.folder / "results/runs" / run)


def test_a_state_of_another_training_than_its_record(go, capsys) -> None:
    small, other = (tiny_run(training={**SMALL, **change}) for change in ({}, {"latent": 5}))
    folders = [kept(go(run, name)) for run, name in ((small, "results"), (other, "other"))]
    shutil.copy(folders[1] / "state.pt", folders[0] / "state.pt")
    go(tiny_run(training=LARGE))
    assert "the state is of another training than its record" in capsys.readouterr().err
