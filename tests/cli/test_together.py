"""Runs that take turns in one process are those that each would be alone."""

from __future__ import annotations

import gc
import math
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from ganlore import arrays
from ganlore.cli import together
from ganlore.cli.together import Device, Ended, Member, Together
from ganlore.data import Store
from ganlore.errors import GanloreError
from ganlore.study.expand import expand
from ganlore.study.run import Run
from ganlore.training import batches, checkpoint, session
from ganlore.training.batches import Batches
from tiny import PLACES, equal, tiny, tiny_run

CPU = torch.device("cpu")


def state_of(run: Run, store: Store, folder: Path, interval: float = 0.0) -> checkpoint.Checkpoints:
    return checkpoint.Checkpoints(folder / run.id, checkpoint.identity(run, store), interval)


def saved(state: checkpoint.Checkpoints) -> dict[str, Any]:
    """All that a training has saved but its times."""
    values = arrays.read_sealed(state.path)
    assert values
    timed = ("seconds", "images_per_second", "peak_memory_mb")
    rows = [{k: v for k, v in row.items() if k not in timed} for row in values["history"]]
    parts = {name: values[name] for name in ("step", "networks", "optimizers")}
    return {**parts, "history": repr(rows), "snapshots": state.snapshots()}


def all_ended(runs: Together) -> list[Ended]:
    ended: list[Ended] = []
    while runs.active or runs.waiting:
        ended += runs.round()
    return ended


def every(dataset: str) -> list[Run]:
    """A run with each loss, and one with each trick."""
    axes = {"datasets": [dataset], "networks": [PLACES[dataset]]}
    grids = [
        {**axes, "losses": "all", "tricks": ["none"]},
        {**axes, "losses": ["nonsaturating"], "tricks": "all"},
    ]
    return expand(tiny(grids=grids, training={"snapshots": 1, "history": 1})).runs


@pytest.mark.parametrize("dataset", PLACES)
def test_every_loss_and_trick_in_turn_with_others_gives_the_bits_of_itself_alone(
    dataset, stores, fitted, tmp_path
) -> None:
    store, runs = stores[dataset], every(dataset)
    assert len(runs) > 30
    alone = {}
    for run in runs:
        state = state_of(run, store, tmp_path / "alone", math.inf)
        assert session.train(run, store, state, CPU, fitted(run)) == "done"
        alone[run.id] = saved(state)
    members = Together(Device(CPU), 1, fixed=7)  # other ones side by side all the time
    states = {run.id: state_of(run, store, tmp_path / "together", math.inf) for run in runs}
    with session.settings_of(runs[0].training):
        for run in runs:
            steps = session.steps(run, store, states[run.id], CPU, fitted(run))
            members.waiting.append(Member(steps, "any"))
        assert [end.status for end in all_ended(members)] == ["done"] * len(runs)
    for run in runs:
        assert equal(saved(states[run.id]), alone[run.id]), run.id


def test_a_run_that_fails_or_is_taken_out_leaves_the_others_their_bits(stores, tmp_path) -> None:
    store = stores["ring"]
    runs = [tiny_run(loss=loss, trick="ema") for loss in ("hinge", "lsgan", "minimax")]
    expected = {}
    for run in runs:
        state = state_of(run, store, tmp_path / "alone")
        session.train(run, store, state, CPU)
        expected[run.id] = saved(state)

    def failing() -> Iterator[int]:
        yield 1
        torch.rand(3)
        raise GanloreError("no more")

    members = Together(Device(CPU), 1, fixed=9)
    states = {run.id: state_of(run, store, tmp_path / "together") for run in runs}
    steps = [session.steps(run, store, states[run.id], CPU) for run in runs]
    with session.settings_of(runs[0].training):
        members.waiting += [Member(steps[0], 0), Member(failing(), 0), Member(steps[1], 0)]
        members.waiting.append(gone := Member(steps[2], 0))
        ended = [end for _ in range(3) for end in members.round()]
        assert [str(end.error) for end in ended] == ["no more"]
        gone.steps.close()
        members.remove(gone)
        assert [end.status for end in all_ended(members)] == ["done", "done"]
        assert saved(states[runs[2].id])["step"] < saved(states[runs[0].id])["step"]
        members.waiting.append(Member(session.steps(runs[2], store, states[runs[2].id], CPU), 0))
        all_ended(members)  # goes on from its last checkpoint
    for run in runs:
        assert equal(saved(states[run.id]), expected[run.id]), run.id


def test_the_data_are_on_a_device_once_and_outliers_are_a_seed_s_own(stores) -> None:
    store = stores["digits"]
    one, two = Batches(store, 16, 0, CPU), Batches(store, 8, 1, CPU, flip=True)
    assert one.samples is two.samples and one.labels is two.labels
    assert batches.nbytes() >= one.samples.nbytes
    corrupted = [Batches(store, 16, seed, CPU, corrupted=0.5) for seed in (0, 0, 1)]
    assert torch.equal(corrupted[0].samples, corrupted[1].samples)
    assert not torch.equal(corrupted[0].samples, corrupted[2].samples)
    assert torch.equal(one.samples, torch.from_numpy(store.samples("train").copy()))
    assert Batches(stores["ring"], 16, 0, CPU).samples is not one.samples


def test_data_that_no_run_uses_are_kept_by_who_asks_for_it_alone(stores, tmp_path) -> None:
    # copies, which no other test of this process still holds
    own = {
        name: Store.open(shutil.copytree(stores[name].folder, tmp_path / name)) for name in PLACES
    }
    gc.collect()
    before = batches.nbytes()
    sizes = {}
    for name in PLACES:
        data = batches.held(own[name], CPU)
        sizes[name] = data.samples.nbytes + data.labels.nbytes
        assert batches.nbytes() == before + sizes[name]
        del data
        assert batches.nbytes() == before
    batches.keep(1)
    try:
        for name in PLACES:  # each takes the place of the one before
            Batches(own[name], 16, 0, CPU)
            assert batches.nbytes() == before + sizes[name]
    finally:
        batches.keep(0)
    assert batches.nbytes() == before


# -- how many: a made-up device, whose every number can be worked out by hand ---------------------


class MadeUp(Device):
    """A device that does the steps of different runs at the same time, beside the processor.

    Args:
        host: seconds of the processor in a step.
        device: seconds of the device in a step.
        each: bytes of a run.
        total: bytes of the device.
    """

    def __init__(self, host: float, device: float, each: int = 1, total: int = 10**9) -> None:
        super().__init__(CPU)
        self.host, self.device, self.each, self.total = host, device, each, total
        self.now = 0.0
        self.until: dict[int, float] = {}
        self.begun: set[int] = set()
        self.most = 0

    def run(self, name: int, steps: int) -> Iterator[int]:
        self.begun.add(name)
        for number in range(steps):
            self.most = max(self.most, len(self.begun))
            self.now += self.host
            self.until[name] = max(self.until.get(name, 0.0), self.now) + self.device
            yield number
        self.begun.remove(name)

    def wait(self) -> None:
        self.now = max(self.now, *self.until.values())

    def memory(self) -> int:
        return self.total

    def used(self, peak: bool = False) -> tuple[int, int]:
        return len(self.begun) * self.each, 0


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Together]:
    """Train runs in turn on a made-up device."""

    def go(device: MadeUp, most: int, count: int = 12, steps: int = 2_000) -> Together:
        monkeypatch.setattr(together.time, "perf_counter", lambda: device.now)
        runs = Together(device, most)
        runs.waiting += [Member(device.run(name, steps), "all") for name in range(count)]
        assert len(all_ended(runs)) == count
        return runs

    return go


def test_runs_are_added_until_the_processor_is_busy(shared) -> None:
    """1 ms to launch a step that takes 4 ms: four runs take 4 ms a round, five take 5."""
    device = MadeUp(0.001, 0.004)
    runs = shared(device, 8)
    expected = {1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0, 5: 4.0}
    assert runs.speedups == pytest.approx(expected, rel=0.05)
    assert runs.wanted == (4, True)


def test_a_run_bound_by_launches_has_its_gpu_alone(shared) -> None:
    device = MadeUp(0.004, 0.001)
    runs = shared(device, 8)
    assert runs.wanted == (1, True) and runs.speedups[2] == pytest.approx(1.0, rel=0.05)
    assert device.most == 2  # while it was measured


def test_no_more_run_than_may_and_than_memory_holds(shared) -> None:
    device = MadeUp(0.001, 0.1)
    assert shared(device, 3).wanted == (3, True) and device.most == 3
    small = MadeUp(0.001, 0.1, each=10, total=46)  # 1.5 x 10 each: three
    shared(small, 8)
    assert small.most == 3


def test_a_run_without_memory_beside_others_is_trained_alone(shared) -> None:
    device = MadeUp(0.001, 0.1)
    runs = Together(device, 8, fixed=4)
    beside: list[int] = []

    def watched() -> Iterator[int]:
        for number in range(5):
            beside.append(len(device.begun))
            yield number

    runs.waiting += [Member(device.run(name, 10), "all") for name in range(3)]
    runs.waiting.append(Member(watched(), together.ALONE))
    runs.waiting += [Member(device.run(name, 10), "all") for name in range(3, 6)]
    all_ended(runs)
    assert beside == [0] * 5 and device.most >= 3


def test_an_error_lets_go_of_the_run_that_it_ended() -> None:
    """Its frames hold the run's tensors, and a worker keeps the error until another run ends."""

    class Held:
        pass

    def fail() -> Iterator[int]:
        held = Held()
        holders.append(weakref.ref(held))
        try:
            raise ValueError("of a kernel")
        except ValueError as cause:
            raise GanloreError("explained") from cause
        yield 0

    holders: list[weakref.ref[Held]] = []
    runs = Together(Device(CPU), 1, fixed=1)
    runs.waiting.append(Member(fail(), "any"))
    (ended,) = runs.round()
    assert isinstance(ended.error, GanloreError) and holders[0]() is not None
    together.let_go(ended.error)
    gc.collect()
    assert holders[0]() is None


def test_a_gpu_that_has_failed_gives_back_what_it_can(monkeypatch) -> None:
    """The run's own error is told, not that of giving its memory back."""

    def broken() -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    device = Device(CPU)
    device.cuda = True
    monkeypatch.setattr(torch.cuda, "empty_cache", broken)
    runs = Together(device, 1, fixed=1)
    member = Member(iter(()), "any")
    runs.active.append(member)
    (ended,) = runs.round()
    assert ended.status == "None" and not runs.active
