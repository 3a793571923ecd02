"""Captured steps: what a replay makes is what the step itself makes, bit for bit."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
import torch

from ganlore import arrays
from ganlore.errors import GanloreError
from ganlore.losses import nonsaturating
from ganlore.settings import Optimizer
from ganlore.steps import Moment, Schedule, Step
from ganlore.steps.draws import Draws, Tape
from ganlore.study import registry
from ganlore.study.expand import expand
from ganlore.study.run import Run
from ganlore.training import build, checkpoint, graphs, precision, replay, session
from ganlore.training.captured import CapturedTrainer
from ganlore.training.history import History
from ganlore.training.scheduled import Values, set_rates
from ganlore.training.trainer import Trainer, minimise
from tiny import PLACES, equal, every_combination, tiny, tiny_run

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """As in a training, which sets it."""
    torch.set_num_threads(1)


def off(run: Run) -> Run:
    """A run whose steps are made without a graph."""
    training = run.training.model_copy(update={"capture": "off"})
    return run.model_copy(update={"training": training})


def whole_state(made: Trainer, updates: Any) -> dict[str, Any]:
    """Everything that the next step depends on, and the gradients of the last one."""
    state = made.state
    used = state.optimizers[updates[1] is None :]  # else the discriminator's alone
    updated = [p for optimizer in used for group in optimizer.param_groups for p in group["params"]]
    return {
        "networks": [dict(part.state_dict()) for part in state.networks],
        "modules": dict(state.modules.state_dict()),
        "optimizers": [optimizer.state_dict()["state"] for optimizer in state.optimizers],
        "gradients": [p.grad for p in updated if p.grad is not None],
    }


TIMES = {"seconds", "images_per_second", "peak_memory_mb", "step_memory_mb"}


def row(made: Trainer, updates: Any) -> dict[str, str]:
    """A step's row of the history but for times, in full precision."""
    numbers = History().add(*updates, made.state.optimizers, 1.0, None)
    return {name: repr(value) for name, value in numbers.items() if name not in TIMES}


STEPS = 60
"""The steps of a run; its window lies where growing networks fade and every schedule moves."""


def both(
    run, store, fitted, monkeypatch, numbers: range | None = None, warm_up: int = 1
) -> CapturedTrainer:
    """Make the same steps with and without graphs, compare all bits, and give the former.

    Args:
        run: the run.
        store: its data.
        fitted: the fixture.
        monkeypatch: the fixture.
        numbers: the steps; by default those of four of the generator in the window (and more with
            more of warm-up): one without a graph, one that is recorded, one that is compared, and
            one that is replayed.
        warm_up: steps of a kind without a graph. In the second of them attributes are compared.
    """
    monkeypatch.setattr(graphs, "WARM_UP", warm_up)
    captured = session.build_trainer(run, store, CPU, fitted(run))
    plain = session.build_trainer(off(run), store, CPU, fitted(run))
    assert isinstance(captured, CapturedTrainer) and not isinstance(plain, CapturedTrainer)
    n = captured.state.n_critic
    begin = run.training.steps * 2 // 5 // n * n
    for number in numbers or range(begin, begin + (3 + warm_up) * n):
        one, other = captured.step(number), plain.step(number)
        if one[1] is not None:
            assert row(captured, one) == row(plain, other), number
    assert equal(whole_state(captured, one), whole_state(plain, other))
    return captured


PLAN = every_combination(STEPS, policy="published")


@pytest.mark.parametrize("run", PLAN.runs, ids=lambda run: run.id)
def test_a_replayed_step_is_the_step(run, stores, fitted, monkeypatch) -> None:
    """Every loss with every trick: weights, optimisers, gradients and history have equal bits."""
    made = both(run, stores[run.dataset.name], fitted, monkeypatch)
    assert made.graphs.refusal is None
    n, kinds = made.state.n_critic, 1 if made.state.n_critic == 1 else 2
    assert made.graphs.replayed == 4 * n - 2 * kinds  # two steps of each kind are made without


def networks() -> tuple[Run, ...]:
    """A run of each other network, with a loss of each kind: plain, by labels, twice derived."""
    losses = ["nonsaturating", "cgan", "wgan-gp"]
    names = sorted(set(registry.find("network")) - set(PLACES.values()))
    settings = {
        name: {"width": 8}
        for name in names
        if "width" in registry.declaration("network", name).settings({})
    }
    grids = [
        {"datasets": [dataset], "networks": [name], "losses": losses, "tricks": ["none", "ema"]}
        for name in names
        for dataset in ("digits", "ring")
    ]
    training = {"budget": 16 * STEPS * 5, "snapshots": 1, "history": 3}
    plain = expand(tiny(grids=grids, training=training, settings={"networks": settings})).runs
    return (*plain, *_with_batch_norm(settings, training))


def _with_batch_norm(settings: dict[str, Any], training: dict[str, Any]) -> tuple[Run, ...]:
    """A run of each network whose discriminator can have batch norm, and packs, as in papers."""
    normed = {
        name: {**own, "critic_norm": True}
        for name, own in settings.items()
        if "critic_norm" in registry.declaration("network", name).settings({})
    }
    axes = {"networks": list(normed), "losses": ["nonsaturating"], "tricks": ["packing"]}
    grids = [{"datasets": ["digits"], **axes, "variants": ["normed"]}]
    variants = {"normed": {"networks": normed}}
    return expand(tiny(grids=grids, training=training, variants=variants)).runs


@pytest.mark.parametrize("run", networks(), ids=lambda run: run.id)
def test_a_replayed_step_of_any_network_is_the_step(run, stores, fitted, monkeypatch) -> None:
    made = both(run, stores[run.dataset.name], fitted, monkeypatch)
    assert made.graphs.refusal is None


@pytest.mark.parametrize("order", ["discriminator-first", "generator-first"])
@pytest.mark.parametrize("loss", ["nonsaturating", "wgan-gp"])
def test_networks_that_grow_are_captured_again(loss, order, stores, fitted, monkeypatch) -> None:
    """A whole run over all stages of growing, in both orders of the updates."""
    training = {"budget": 16 * 60, "order": order}
    run = tiny_run("digits", loss, "progressive+diffaugment", training=training)
    recorded, record = [], replay.capture

    def capture(*arguments: Any) -> Any:
        recorded.append(1)
        return record(*arguments)

    monkeypatch.setattr(replay, "capture", capture)
    both(run, stores["digits"], fitted, monkeypatch, range(60))
    n_critic = registry.declaration("loss", loss).settings({})["n_critic"]
    stages = 3  # 4x4, the fade, 8x8
    assert len(recorded) == stages * (2 if n_critic > 1 else 1)


class Counts(nonsaturating.Nonsaturating):
    """A loss that counts its steps in Python."""

    count = 0

    def generator(self, step: Step) -> torch.Tensor:
        """A multiple of the loss that grows from step to step."""
        self.count += 1
        return self.count * super().generator(step)


COUNTS: Counter[int] = Counter()


class CountsElsewhere(nonsaturating.Nonsaturating):
    """A loss that counts its steps where nothing looks."""

    def generator(self, step: Step) -> torch.Tensor:
        """A multiple of the loss that grows from step to step."""
        COUNTS[id(self)] += 1
        return COUNTS[id(self)] * super().generator(step)


class ActsSeldom(nonsaturating.Nonsaturating):
    """A loss with another in every thousandth step."""

    def generator(self, step: Step) -> torch.Tensor:
        """The loss, by the step's number."""
        return (1 + (step.schedule.moment.step % 1000 == 999)) * super().generator(step)


class CountsSeldom(nonsaturating.Nonsaturating):
    """The same by a count of its own, which stands in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.counts = [0]

    def generator(self, step: Step) -> torch.Tensor:
        """The loss, by its own count."""
        self.counts[0] += 1
        seldom = self.counts[0] % 1000 == 999
        return (1 + seldom) * super().generator(step)


class DrawsFromItsOwn(nonsaturating.Nonsaturating):
    """A loss with a generator that no seed of the step reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.own = torch.Generator().manual_seed(0)

    def generator(self, step: Step) -> torch.Tensor:
        """The loss and a noise without a gradient."""
        return super().generator(step) + torch.randn((), generator=self.own)


class KeepsTheLast(nonsaturating.Nonsaturating):
    """A loss that keeps a tensor of the step before."""

    last: torch.Tensor | None = None

    def generator(self, step: Step) -> torch.Tensor:
        """The loss, from its second step on with the one before."""
        made = super().generator(step)
        before, self.last = self.last, made.detach()
        return made if before is None else made + before


class ReadsAList(nonsaturating.Nonsaturating):
    """A loss that reads numbers back without an operation."""

    def generator(self, step: Step) -> torch.Tensor:
        """The loss, with a weight from the device."""
        return (1 + (step.fake_logits.detach().tolist()[0] > 9e9)) * super().generator(step)


class ReadsBack(nonsaturating.Nonsaturating):
    """A loss that reads a number back."""

    def generator(self, step: Step) -> torch.Tensor:
        """The loss, with a weight from the device."""
        return float(step.fake_logits.mean().sign()) * super().generator(step)


class DrawsOtherwise(nonsaturating.Nonsaturating):
    """A loss that draws others where it should draw the same again."""

    def generator(self, step: Step) -> torch.Tensor:
        """The loss, with two noises of different shapes."""
        before = step.draws.position()
        noise = torch.randn(3, generator=step.rng)
        with step.draws.again(before):
            other = torch.randn(4, generator=step.rng)
        return super().generator(step) + noise.sum() + other.sum()


def test_a_number_that_a_trace_bakes_in_is_seen(stores, fitted, monkeypatch) -> None:
    """The comparison above fails for a loss that keeps a number in Python, if nothing looks."""
    monkeypatch.setattr(registry, "create", _creating(CountsElsewhere))
    monkeypatch.setattr(graphs.Graphs, "_compare", lambda _: None)
    with pytest.raises(AssertionError):
        both(tiny_run("ring", training={"budget": 16 * STEPS}), stores["ring"], fitted, monkeypatch)


def _creating(loss: Any) -> Any:
    """`registry.create` with another loss."""
    create = registry.create

    def made(kind: str, name: str, settings: Any) -> Any:
        return loss() if kind == "loss" else create(kind, name, settings)

    return made


@pytest.mark.parametrize(
    "loss, reason",
    [
        (Counts, "a step changes Counts.count in Python"),
        (CountsElsewhere, "a replay gives other numbers than the step"),
        (ActsSeldom, "a step reads `step.schedule.moment`"),
        (CountsSeldom, "a step changes CountsSeldom.counts in Python"),
        (DrawsFromItsOwn, "a step changes DrawsFromItsOwn.own in Python"),
        (KeepsTheLast, "a step changes KeepsTheLast.last in Python"),
        (ReadsAList, "a step reads numbers of a tensor by `tolist`"),
        (ReadsBack, "a number is read back from the device"),
        (DrawsOtherwise, "draws randn where it drew randn of another shape or bounds"),
    ],
)
def test_what_cannot_be_captured_says_why_and_is_trained_as_ever(
    loss, reason, stores, fitted, monkeypatch, capfd
) -> None:
    monkeypatch.setattr(registry, "create", _creating(loss))
    run = tiny_run("ring", training={"budget": 16 * STEPS})
    made = both(run, stores["ring"], fitted, monkeypatch, warm_up=2)
    # the only one of that loss was recorded, as a real step
    assert made.graphs.replayed == (loss is CountsElsewhere)
    assert reason in made.graphs.refusal
    said = [line for line in capfd.readouterr().err.splitlines() if "not captured" in line]
    assert len(said) == 1 and reason in said[0]
    assert made.captured == f"no: {made.graphs.refusal}"


class Clips(nonsaturating.Nonsaturating):
    """A loss that clips a gradient, whose norm torch takes of a list with one tensor."""

    def after_discriminator(self, step: Step) -> None:
        """Clip one parameter's gradient."""
        torch.nn.utils.clip_grad_norm_([next(step.state.discriminator.parameters())], 1.0)


def test_one_result_in_a_list_is_replayed(stores, fitted, monkeypatch) -> None:
    monkeypatch.setattr(registry, "create", _creating(Clips))
    run = tiny_run("ring", training={"budget": 16 * STEPS})
    assert both(run, stores["ring"], fitted, monkeypatch).captured == "yes"


def test_a_replay_that_fails_is_a_refusal(stores, fitted, monkeypatch, capfd) -> None:
    record = replay.capture

    def capture(*arguments: Any) -> Any:
        result, _, used = record(*arguments)

        def fails() -> None:
            used[0].zero_()  # halfway
            raise RuntimeError("no such kernel")

        return result, fails, used

    monkeypatch.setattr(replay, "capture", capture)
    run = tiny_run("ring", training={"budget": 16 * STEPS})
    made = both(run, stores["ring"], fitted, monkeypatch)
    assert made.captured == "no: no such kernel" and made.graphs.replayed == 1
    assert "not captured: no such kernel" in capfd.readouterr().err


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9])
def test_too_much_memory_is_a_refusal(stores, fitted, monkeypatch, share) -> None:
    """Wherever in a step it is noticed: also with the discriminator's update made."""
    run, taken = tiny_run("ring", training={"budget": 16 * STEPS}), []
    recorder = replay.Recorder.__exit__

    def noted(self, *rest: Any) -> Any:
        taken.append(self._bytes)
        return recorder(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(replay.Recorder, "__exit__", noted)
        both(run, stores["ring"], fitted, monkeypatch)
    monkeypatch.setattr(replay, "LIMIT", int(share * taken[0]))
    made = both(run, stores["ring"], fitted, monkeypatch)
    assert made.graphs.replayed == 0 and "take more than" in made.captured


def test_plug_ins_of_others_are_captured_if_it_is_asked_for(stores, tmp_path, monkeypatch) -> None:
    """What they keep in Python was right in a step without a graph."""
    (tmp_path / "losses").mkdir()
    text = "from ganlore.losses.hinge import Hinge\n\n\nclass Mine(Hinge):\n    pass\n\n\nLOSS = Mine\n"
    (tmp_path / "losses/mine.py").write_text(f'"""Mine."""\n\n{text}', encoding="utf-8")
    monkeypatch.setenv("GANLORE_PLUGINS", str(tmp_path))
    captured = {}
    for capture in ("auto", "on", "off"):
        run = tiny_run("ring", "mine", training={"capture": capture})
        captured[capture] = session.build_trainer(run, stores["ring"], CPU).captured
    assert captured == {
        "auto": "no: mine of another package (training.capture: on)",
        "on": "yes",
        "off": "no",
    }


def test_too_little_memory_is_no_reason_to_go_on_without_a_graph(
    stores, fitted, monkeypatch
) -> None:
    """Whoever trains the run has an answer to it: fewer runs at a time."""

    def record(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB")

    monkeypatch.setattr(graphs.Graphs, "_record", record)
    run = tiny_run("ring", training={"budget": 16 * STEPS})
    with pytest.raises(torch.OutOfMemoryError):
        both(run, stores["ring"], fitted, monkeypatch)


def test_the_error_of_a_capture_is_told_and_not_that_of_its_end(monkeypatch) -> None:
    """Ending a CUDA capture that an error has broken raises another one."""

    class Graph:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: Any) -> None:
            raise RuntimeError("operation failed due to a previous error during capture")

    def step() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", Graph)
    with pytest.raises(torch.OutOfMemoryError):
        graphs.cuda_graph(step, (), None)
    with pytest.raises(RuntimeError, match="previous error"):
        graphs.cuda_graph(lambda: None, (), None)


def test_no_generator_of_a_gpu_is_made_while_a_step_is_captured(monkeypatch) -> None:
    """torch refuses to: unrolled steps fork their draws there."""
    tape = Tape(torch.Generator())
    make = torch.Generator

    def guarded(device: Any = None) -> torch.Generator:
        assert device is None or torch.device(device).type != "cpu", "of the run's device"
        return make()

    monkeypatch.setattr(torch, "Generator", guarded)
    tape.fork()


def test_a_run_in_turn_with_others_is_captured_on_its_own_stream(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "default_stream", lambda _: "default")
    monkeypatch.setattr(torch.cuda, "Stream", lambda _: "new")
    for current, expected in (("default", "new"), ("lane", "lane")):
        monkeypatch.setattr(torch.cuda, "current_stream", lambda _, name=current: name)
        assert graphs.side_stream(torch.device("cuda")) == expected


def test_capture_on_makes_it_an_error(stores, fitted, monkeypatch) -> None:
    monkeypatch.setattr(registry, "create", _creating(ReadsBack))
    run = tiny_run("ring", training={"budget": 16 * STEPS, "capture": "on"})
    with pytest.raises(GanloreError, match=r"capture = 'on'.*read back(.|\n)*use 'auto'"):
        both(run, stores["ring"], fitted, monkeypatch)


def test_a_whole_training_from_graphs(trained) -> None:
    """History, snapshots and weights of `ganlore train`, with the memory meter between replays."""
    run = tiny_run(
        "ring", "hinge", "ema", training={"budget": 16 * 100, "snapshots": 4, "history": 20}
    )

    saved = {}
    for name, actual in (("captured", run), ("plain", off(run))):
        status, saved[name] = trained(actual)
        assert status == "done"
        for line in saved[name]["history"]:
            for column in TIMES:
                line.pop(column)
    assert saved["captured"]["captured"] == "yes" and saved["plain"]["captured"] == "no"
    for part in ("networks", "snapshots", "history"):
        assert equal(saved["captured"][part], saved["plain"][part]), part
    assert len(saved["plain"]["history"]) == 20


def test_a_run_that_only_has_to_be_finished_is_still_said_to_be_captured(stores, tmp_path) -> None:
    """As if it was killed after its last step, before its record was written."""
    run, store = tiny_run("ring", training={"budget": 16 * STEPS}), stores["ring"]
    for _ in range(2):
        state = checkpoint.Checkpoints(tmp_path, checkpoint.identity(run, store))
        assert session.train(run, store, state, CPU) == "done"
        assert arrays.read_sealed(state.path)["captured"] == "yes"


@pytest.mark.parametrize(
    "settings",
    [
        Optimizer(kind="adam", lr=1e-2, betas=(0.5, 0.9), beta2_end=0.99),
        Optimizer(kind="rmsprop", lr=1e-2),
        Optimizer(kind="sgd", lr=1e-2),
        Optimizer(kind="adam", lr=1e-2, betas=(0.0, 0.9)),
    ],
    ids=["scheduled adam", "rmsprop", "sgd", "adam"],
)
def test_optimisers_with_tensors_are_those_with_numbers(settings: Optimizer) -> None:
    """The updates of torch's own, with a rate and a beta2 that change in every step."""
    layers = [torch.nn.Linear(3, 2) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    kinds = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop, "sgd": torch.optim.SGD}
    keywords = {"betas": settings.betas} if settings.kind == "adam" else {}
    torchs = kinds[settings.kind](layers[0].parameters(), lr=settings.lr, **keywords)
    made = build.optimizer(settings, settings.lr, [layers[1]])
    values = Values(CPU)
    inputs = torch.randn(20, 5, 3, generator=torch.Generator().manual_seed(0))
    for index, batch in enumerate(inputs):
        rate = 1 - index / 40
        schedule = Schedule(Moment(index, index, 0.0), rate, 0.9 + index / 250)
        set_rates((made,), schedule, values)
        minimise(made, layers[1](batch).square().sum())
        for group in torchs.param_groups:
            group["lr"] = settings.lr * rate
            if settings.kind == "adam":
                group["betas"] = (settings.betas[0], schedule.beta2)
        minimise(torchs, layers[0](batch).square().sum())
    for one, other in zip(layers[0].parameters(), layers[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
    assert isinstance(made.param_groups[0]["lr"], torch.Tensor)
    _goes_on_from_a_saved_state(settings, layers[1], made)
    own = type(made).__module__.startswith("ganlore")
    # else torch's own check refuses to capture its step on a GPU
    assert own or settings.kind == "sgd" or made.param_groups[0]["capturable"]


def _goes_on_from_a_saved_state(settings, layer, optimizer) -> None:
    """A state that is saved and loaded gives the next step's bits, of what it counts too."""
    other = torch.nn.Linear(3, 2)
    other.load_state_dict(layer.state_dict())
    again = build.optimizer(settings, settings.lr, [other])
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    for one, of in ((layer, optimizer), (other, again)):
        set_rates((of,), Schedule(Moment(20, 20, 0.0), 0.5, 0.98), Values(CPU))
        minimise(of, one(inputs).square().sum())
    assert equal(layer.state_dict(), other.state_dict())
    assert equal(optimizer.state_dict()["state"], again.state_dict()["state"])
    dtypes = [[v.dtype for v in state.values()] for state in optimizer.state.values()]
    assert dtypes == [[v.dtype for v in state.values()] for state in again.state.values()]


def test_a_tape_gives_the_numbers_of_a_generator_that_is_rewound() -> None:
    """The same calls on both: draws, draws again, a fork that goes on, and draws after it."""

    def use(draws: Draws) -> list[torch.Tensor]:
        with draws.active():
            first = torch.rand(3, generator=draws.rng)
            place = draws.position()
            one = torch.randn(2, 2, generator=draws.rng)
            with draws.again(place):
                same = torch.empty(2, 2).copy_(torch.randn(2, 2, generator=draws.rng))
            forks = [draws.fork() for _ in range(2)]
            ahead = [torch.rand(4, generator=fork.rng).mul_(2) for fork in forks]
            after = torch.rand(4, generator=draws.rng)
            later = torch.empty(5).normal_(generator=draws.rng)
            return [first, one, same, *ahead, after, later]

    drawn = use(Draws(torch.Generator().manual_seed(3)))
    taped = use(Tape(torch.Generator().manual_seed(3)))
    assert all(torch.equal(one, other) for one, other in zip(drawn, taped, strict=True))
    assert torch.equal(taped[1], taped[2]) and torch.equal(taped[3], taped[4])


@pytest.mark.gpu
@pytest.mark.parametrize("run", PLAN.runs[::14] + networks(), ids=lambda run: run.id)
def test_on_a_gpu_a_replayed_step_is_the_step(run, stores, fitted) -> None:
    """As above with real graphs, deterministic kernels, and enough steps without one before."""
    device = torch.device("cuda")
    store = stores[run.dataset.name]
    settings = run.training.model_copy(update={"deterministic": True})
    run = run.model_copy(update={"training": settings})
    off = run.model_copy(update={"training": settings.model_copy(update={"capture": "off"})})
    with precision.kernels(settings):
        captured = session.build_trainer(run, store, device, fitted(run))
        plain = session.build_trainer(off, store, device, fitted(run))
        n = captured.state.n_critic
        begin = run.training.steps * 2 // 5 // n * n
        for number in range(begin, begin + (graphs.WARM_UP + 2) * n):
            one, other = captured.step(number), plain.step(number)
    assert captured.captured == "yes" and plain.captured == "no"
    assert row(captured, one) == row(plain, other)
    assert equal(whole_state(captured, one), whole_state(plain, other))
