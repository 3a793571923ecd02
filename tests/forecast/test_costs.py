"""The forecast of a study: arithmetic, hours, disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from ganlore import arrays, formatting
from ganlore.cli.main import app
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.evaluation.evaluate import STRIP
from ganlore.execution.status import Progress
from ganlore.forecast import disk, flops, summary
from ganlore.forecast.costs import Costs
from ganlore.forecast.flops import Arithmetic, Sizes
from ganlore.study import schema
from ganlore.study.expand import expand
from ganlore.study.run import Plan
from ganlore.training import build, checkpoint
from tiny import REPOSITORY, STUDIES, tiny, tiny_run, trainer_of

CPU = torch.device("cpu")
GRID = {"datasets": ["ring"], "networks": ["mlp"]}


def plan_of(losses: list[str], tricks: list[str], **changes: Any) -> Plan:
    return expand(tiny(grids=[{**GRID, "losses": losses, "tricks": tricks}], **changes))


@pytest.mark.parametrize(
    "loss, critic, actor",
    [
        # one hidden layer of 8: G has 4 x 8 + 8 x 2 weights, D 2 x 8 + 8 x 1. A product costs two
        # operations a weight and sample forward, two for the gradient of its weights and two for
        # that of its input, which the first layer needs only where something before it is trained.
        # D's step: G forward, D forward on 32 samples, back through both layers but for the input.
        ("nonsaturating", 2 * 16 * (48 + 2 * (24 + 24 + 8)), 0),
    ],
)
def test_a_small_step_is_what_a_hand_counts(loss: str, critic: int, actor: int) -> None:
    run = tiny_run("ring", loss, settings={"networks": {"mlp": {"depth": 1}}})
    train_state = build.train_state(run, (2,), 8, CPU)
    weights = [p.numel() for p in train_state.generator.parameters() if p.dim() == 2]
    assert weights == [32, 16]
    weights = [p.numel() for p in train_state.discriminator.parameters() if p.dim() == 2]
    assert weights == [16, 8]
    # G's step: G and D forward, back through D to its input (not to its weights: they are not
    # trained here), back through G to its weights and to its hidden layer
    actor = 2 * 16 * (48 + 24 + 24 + (48 + 16))
    assert flops.count(run, train_state, (2,), 8) == critic + actor


@pytest.mark.parametrize("trick", ["none", "gradient-penalty", "spectral-norm", "unrolled", "ema"])
@pytest.mark.parametrize("loss", ["wgan-gp", "vaegan"])
def test_counted_without_values_is_counted_with_them(
    stores: dict[str, Store], loss: str, trick: str
) -> None:
    """A real step of the same networks on real tensors."""
    if loss == "wgan-gp" and trick == "gradient-penalty":
        return  # no such cell
    run, store = tiny_run("digits", loss, trick), stores["digits"]
    train_state = build.train_state(run, store.shape, store.classes, CPU)
    batch = torch.zeros(16, 1, 8, 8), torch.zeros(16, dtype=torch.long)
    trainer = trainer_of(run, train_state, {0: batch})
    schedule = trainer.begin(0)
    with Arithmetic() as critic:
        trainer.discriminator(schedule)
    with Arithmetic() as actor:
        trainer.generator(schedule)
    real = critic.total + actor.total / train_state.n_critic
    again = build.train_state(run, store.shape, store.classes, CPU)
    assert real > 0 and flops.count(run, again, store.shape, store.classes) == real


def test_growing_networks_are_counted_along_the_way(stores: dict[str, Store]) -> None:
    store = stores["digits"]
    counted = [
        flops.count(run, build.train_state(run, store.shape, 10, CPU), store.shape, 10)
        for run in (tiny_run("digits", trick=trick) for trick in ("none", "progressive"))
    ]
    assert counted[1] < counted[0]  # smaller pictures in the first part


def test_sizes_are_those_of_the_files(
    trained: Callable[..., tuple[str, Any]], stores: dict[str, Store], tmp_path: Path
) -> None:
    run = tiny_run("digits", "vaegan", "ema")
    _, saved = trained(run)
    train_state = build.train_state(run, (1, 8, 8), 10, CPU)
    reported = flops.sizes(run, train_state)
    arrays.write_torch(tmp_path / "snapshot.pt", saved["snapshots"][-1])
    arrays.write_torch(tmp_path / "checkpoint.pt", saved["networks"])
    arrays.write_torch(tmp_path / "state.pt", {k: saved[k] for k in ("networks", "optimizers")})
    for name, size in (
        ("snapshot", reported.snapshot), ("checkpoint", reported.checkpoint), ("state", reported.state)
    ):  # fmt: skip
        # torch's archive has a header and up to 64 bytes of padding for each tensor
        file = (tmp_path / f"{name}.pt").stat().st_size
        assert size < file < size + 400 * 1024, name
    assert reported.snapshot < reported.checkpoint < reported.state


def test_cells_beyond_the_axes_are_combined(tmp_path: Path) -> None:
    """Of 3 losses x 4 tricks, 6 cells are counted, and the others follow near enough."""
    plan = plan_of(["nonsaturating", "lsgan", "dragan"], ["none", "packing", "r1", "relativistic"])
    reported = Costs(plan, tmp_path)
    counted = []

    def find(run: Any) -> float:
        counted.append(run.cell)
        store = reported.stores["ring"]
        return flops.count(run, reported._state(run), store.shape, store.classes)

    actual = reported._along_axes(find, lambda one, plain, other: one * other / plain)
    assert len(counted) == 6 and len(actual) == 12
    assert actual.keys() == {run.cell for run in plan.runs}
    for cell in actual.keys() - set(counted):
        assert actual[cell] == pytest.approx(find(reported.plan.firsts[cell]), rel=0.5), cell


def test_time_ends_with_patience_and_the_rest_follows(tmp_path, monkeypatch) -> None:
    plan = plan_of(["nonsaturating", "lsgan", "wgan-gp"], ["none"])
    reported = Costs(plan, tmp_path)
    timed = []
    monkeypatch.setattr(
        Costs, "measure", lambda self, run: timed.append(run) or 1e-9 * self.work[run.cell]
    )
    seconds, n = reported.timed(patience=0.0)
    assert n == len(timed) == 1
    assert seconds == pytest.approx({cell: 1e-9 * work for cell, work in reported.work.items()})
    assert reported.timed(patience=60.0)[1] == 3


def test_a_measured_step_is_timed_without_data(tmp_path: Path) -> None:
    plan = plan_of(["hinge"], ["none"], data=str(tmp_path / "nowhere"))
    assert 0 < Costs(plan, tmp_path / "here").measure(plan.runs[0]) < 10
    assert not (tmp_path / "nowhere").exists()


def test_what_stands_for_a_data_set_is_no_cause_for_a_warning(tmp_path, monkeypatch) -> None:
    """Of one noise in both splits it was said that the data set has its test split in training."""
    monkeypatch.chdir(tmp_path)
    grid = {"datasets": ["digits"], "networks": ["mlp"], "losses": ["hinge"], "tricks": ["none"]}
    study = expand(tiny(grids=[grid])).study.model_dump_json()
    result = CliRunner().invoke(app, ["disk-space", study])
    assert result.exit_code == 0 and "disk: up to" in result.output
    assert "warning" not in result.output


@pytest.mark.parametrize(
    "keep, snapshots, checkpoints",
    [({}, 2, 1), ({"snapshots": "last"}, 1, 1), ({"snapshots": "none", "checkpoints": "none"}, 0, 0)],
)  # fmt: skip
def test_what_is_kept_decides_the_room(tmp_path, monkeypatch, keep, snapshots, checkpoints) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Costs, "sizes", dict.fromkeys([("ring", "mlp", "hinge", "none", "base")],
                                                      Sizes(1_000_000, 5_000_000, 9_000_000)))  # fmt: skip
    plan = plan_of(["hinge"], ["none"], keep=keep, seeds=[0, 1, 2])
    space = disk.disk_space(Costs(plan, tmp_path / "t"), jobs=4)
    # 8 samples of 2 numbers, twice, and the strips of two snapshots
    beside = (2 * 8 + 2 * STRIP) * 2 + 3 * disk.ROW + disk.RECORDS
    run = snapshots * 1_000_000 + checkpoints * 5_000_000 + beside
    assert (space.run, space.kept) == (run, 3 * run)
    assert space.working == 4 * (2 * 9_000_000 + 3 * 2 * 1_000_000 + 5_000_000)
    # 500 points of two float32 and a label, and their features
    assert space.data == 500 * (2 * 4 + 8) + 500 * 2 * 4
    assert space.peak == space.data + space.kept + space.working
    # what is done takes no more
    states = dict(zip(plan.by_id, ("done", "stale", "missing"), strict=True))
    monkeypatch.setattr(disk, "progress", lambda _plan, run: Progress(states[run.id]))
    assert disk.disk_space(Costs(plan, tmp_path / "u"), jobs=4).kept == 2 * run


def test_states_and_events_take_room_where_a_study_has_them(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Costs, "sizes", dict.fromkeys([("ring", "mlp", "hinge", "none", "base")],
                                                      Sizes(1_000_000, 5_000_000, 9_000_000)))  # fmt: skip
    plain, states, events = (
        disk.disk_space(Costs(plan_of(["hinge"], ["none"], **changes), tmp_path / str(i)), jobs=4)
        for i, changes in enumerate(
            ({}, {"keep": {"states": "all"}}, {"training": {"tensorboard": True}})
        )
    )
    whole = 9_000_000 + 2 * 1_000_000
    assert (states.run - plain.run, states.working - plain.working) == (whole, 4 * whole)
    pictures = 3 * (2 * 8 + 2 * STRIP) * 2
    assert events.run - plain.run == (3 + 2) * disk.EVENTS + pictures


def test_the_room_is_enough_for_a_real_study(tmp_path, monkeypatch) -> None:
    """What two runs leave on the disk is below the forecast, and not far below."""
    monkeypatch.chdir(tmp_path)
    changes = {"settings": {"networks": {"mlp": {"width": 256, "depth": 3}}}}
    plan = plan_of(["hinge", "wgan-gp"], ["none"], **changes)
    reported = disk.disk_space(Costs(plan, tmp_path / "t"), jobs=1)
    store = Costs(plan, tmp_path / "s").stores["ring"]
    for run in plan.runs:
        state = checkpoint.Checkpoints(tmp_path / "results/state" / run.id, "")
        from ganlore.training import session

        status = session.train(run, store, state, CPU)
        checkpoint.finish(run, store, plan.folder(run), state, status, "cpu")
    used = sum(path.stat().st_size for path in (tmp_path / "results").rglob("*.*"))
    assert used < reported.kept < 1.5 * used


def test_a_full_disk_is_told_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    space = disk.DiskSpace(data=1, kept=3_000_000_000, working=2, run=4, free=2_000_000_000)
    with pytest.raises(GanloreError) as error:
        space.check("study x")
    for words in ("up to 3.0 GB", "2.0 GB are free", "snapshots: last", "check_room: false"):
        assert words in str(error.value)
    disk.DiskSpace(data=1, kept=3, working=2, run=4, free=9).check("study x")


def test_room_has_a_status_of_its_own_where_the_disk_is_full(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = plan_of(["hinge"], ["none"]).study.model_dump_json()
    run = CliRunner().invoke
    assert run(app, ["disk-space", study]).exit_code == 0
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert run(app, ["disk-space", study]).exit_code == summary.TOO_LITTLE_DISK_SPACE != 1


def test_plan_estimates_a_gpu_that_is_not_here(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Costs, "work", {("ring", "mlp", "hinge", "none", "base"): 3.6e18})
    monkeypatch.setattr(Costs, "measure", lambda self, run: 100.0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    plan = plan_of(["hinge"], ["none"], seeds=[0, 1])
    text = "\n".join(summary.forecast(plan, cores=2, tflops=20, patience=0))
    assert "7,200 PFLOP" in text and "100 hours of one, if it sustains 20 TFLOP/s" in text
    assert "an estimate" in text and "--config 'seeds=[0]' is 50 hours" in text
    assert "102 seconds on 2 cores" in text  # 2 runs of 100 s and what is beside them
    half = "\n".join(summary.forecast(plan, cores=2, tflops=40, patience=0))
    assert "50 hours of one" in half


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_can_be_planned(path: Path) -> None:
    """Its names exist, its settings fit, and what it leaves out has a reason."""
    plan = expand(schema.load(path))
    assert plan.study.name == path.stem
    assert all(len(gap.reason) > 20 for gap in plan.missing)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=study.schema.json\n# ")
    if plan.runs[0].training.budget >= 1_000_000:  # full size: nothing fills the disk by surprise
        assert plan.study.keep.discarded == ["snapshots.pt", "checkpoint.pt"]
        assert "ganlore plan" in text
        ignored = (REPOSITORY / ".gitignore").read_text(encoding="utf-8").split()
        assert f"/{plan.study.name}/" in ignored and plan.study.results.startswith(plan.study.name)


def test_budgets_are_the_published_ones() -> None:
    """As read: the studies may want data sets that this checkout lacks."""
    steps = {}
    for name in ("cifar10", "celeba", "mnist", "stacked-mnist"):
        training = schema.read(REPOSITORY / f"configs/{name}.yaml")["training"]
        steps[name] = training["budget"] / training["batch"]
    assert steps == {
        "cifar10": 78_125,
        "celeba": 101_250,
        "mnist": 15_625,
        "stacked-mnist": 100_000,
    }


def test_durations_and_sizes_are_readable() -> None:
    reported = [formatting.duration(3600 * hours) for hours in (0.001, 0.5, 2.25, 12345)]
    assert reported == ["4 seconds", "30 minutes", "2.2 hours", "12,345 hours"]
    assert [formatting.size(n) for n in (5, 1500, 2.5e7, 3.2e9, 4e12)] == [
        "5 B", "1.5 kB", "25 MB", "3.2 GB", "4.0 TB",
    ]  # fmt: skip
