"""Precision, layout, mirrored images, determinism; no step waits for the device."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.parametrize import ParametrizationList
from torch.utils._python_dispatch import TorchDispatchMode
from typer.testing import CliRunner

from ganlore import storage
from ganlore.cli.main import app
from ganlore.console import Forecast
from ganlore.errors import GanloreError
from ganlore.execution import gpu
from ganlore.study import registry, schema
from ganlore.study.compatibility import why_not
from ganlore.study.expand import expand
from ganlore.study.run import Run
from ganlore.training import precision, session
from ganlore.training.batches import Batches
from ganlore.training.history import gradient_slope
from ganlore.training.trainer import Trainer
from tiny import equal, tiny, tiny_run

CPU = torch.device("cpu")
LOSSES = tuple(registry.find("loss"))
TRICKS = tuple(registry.find("trick"))
FAST = {"precision": "bf16", "channels_last": True}


def place_of(loss: str, trick: str) -> str:
    """The images of `digits`, or the points of `ring` for what has no meaning on images."""
    return "ring" if why_not("digits", "dcgan", loss, [trick]) else "digits"


def loss_for(trick: str) -> str:
    """A loss that a trick goes with."""
    fits = (loss for loss in ("nonsaturating", *LOSSES) if not no_meaning(loss, trick))
    return next(fits)


def no_meaning(loss: str, trick: str) -> Any:
    return why_not("digits", "dcgan", loss, [trick]) and why_not("ring", "mlp", loss, [trick])


CELLS = [(loss, "none") for loss in LOSSES] + [(loss_for(t), t) for t in TRICKS if t != "none"]


def cell(loss: str, trick: str, **training: Any) -> Run:
    return tiny_run(place_of(loss, trick), loss, trick, training=training)


@pytest.fixture
def stepper(stores, fitted) -> Callable[[Run], Trainer]:
    """What makes a run's steps."""

    return lambda run: session.build_trainer(run, stores[run.dataset.name], CPU, fitted(run))


# -- no step waits for the device ------------------------------------------------------------------

READS = {"_local_scalar_dense", "is_nonzero", "nonzero", "equal", "masked_select", "_unique2"} | {
    "lift_fresh"
}
"""Operations whose result, or its size, the host must wait for; and numbers of the host's, as
`torch.tensor` gives them, which wait on their way to a GPU."""


class Unsynchronised(TorchDispatchMode):
    """Refuses what would make the host wait for a GPU: values read, and sizes that depend on them.

    Without a GPU, torch still dispatches these operations as it would with one.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        masks = name in ("index", "index_put_", "index_put") and any(
            i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1]
        )
        assert name not in READS and not masks, f"{name} makes the host wait for the device"
        return func(*args, **(kwargs or {}))


@pytest.fixture
def one_hot_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU alone, `one_hot` looks at the labels' range; on a GPU the kernel does."""

    def one_hot(labels: Tensor, classes: int) -> Tensor:
        out = labels.new_zeros(*labels.shape, classes)
        return out.scatter_(-1, labels[..., None], 1)

    monkeypatch.setattr(torch.nn.functional, "one_hot", one_hot)


@pytest.mark.parametrize("loss, trick", CELLS)
def test_no_step_reads_a_tensor(stepper, one_hot_of_a_gpu, loss: str, trick: str) -> None:
    """The first step, one of the generator's too (n_critic is 5 at most), one of a new epoch."""
    made = stepper(cell(loss, trick, budget=16 * 200))
    with Unsynchronised():
        for step in (0, 4, made.batches.per_epoch):
            made.step(step)


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: x.sum().item(),
        lambda x: float(x[0]),
        lambda x: 1 if x.sum() > 0 else 0,
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: torch.equal(x, x),
        lambda x: x + torch.tensor([1.0, 2.0, 3.0]),
    ],
)
def test_what_waits_for_the_device_is_seen(wait: Callable[[Tensor], Any]) -> None:
    with Unsynchronised(), pytest.raises(AssertionError, match="makes the host wait"):
        wait(torch.ones(3))


@pytest.mark.gpu
@pytest.mark.parametrize("loss", LOSSES)
def test_no_step_waits_for_a_gpu(stores, loss: str) -> None:
    run = cell(loss, "none", budget=960)
    store, device = stores[run.dataset.name], torch.device("cuda")
    made = session.build_trainer(run, store, device)
    made.step(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        made.step(1)
    finally:
        torch.cuda.set_sync_debug_mode("default")


# -- precision and layout --------------------------------------------------------------------------


def first_losses(made: Trainer) -> dict[str, tuple[Tensor, Tensor]]:
    """Each phase's loss in step 0, and its gradient by all weights of the phase's network."""
    actual = {}
    schedule = made.begin(0)
    for phase in ("discriminator", "generator"):
        network = getattr(made.state, phase)
        loss = getattr(made.see(phase, schedule), f"{phase}_loss")()
        weights = [p for p in network.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        actual[phase] = loss.detach(), torch.cat([g.flatten() for g in gradients if g is not None])
    return actual


@pytest.mark.parametrize("loss", LOSSES)
def test_bf16_is_near_fp32(stepper, loss: str) -> None:
    """bf16 has 8 bits of mantissa, 0.4 %: losses and gradients agree to a few of these."""
    exact, rough = (
        first_losses(stepper(cell(loss, "none", precision=p))) for p in ("fp32", "bf16")
    )
    for phase_name, (value, gradient) in exact.items():
        other, near = rough[phase_name]
        assert other.dtype == near.dtype == torch.float32
        assert torch.isfinite(near).all() and not torch.equal(gradient, near)
        assert float(other) == pytest.approx(float(value), rel=0.02, abs=1e-3)
        assert torch.cosine_similarity(gradient, near, dim=0) > 0.99
        assert float(near.norm() / gradient.norm()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    "trick", ["self-attention", "spectral-norm-both", "packing", "progressive", "unrolled", "ema"]
)
def test_tricks_train_in_bf16(trained, trick: str) -> None:
    status, saved = trained(cell("nonsaturating", trick, budget=480, **FAST))
    assert status == "done"
    assert all(
        weight.dtype != torch.bfloat16 and torch.isfinite(weight).all()
        for part in saved["networks"].values()
        for weight in part.values()
    )


@contextmanager
def watched(network: torch.nn.Module) -> Iterator[list[tuple[bool, torch.dtype]]]:
    """Of each call of a convolution: whether its input carries a gradient, and the result's type."""
    seen: list[tuple[bool, torch.dtype]] = []

    def hook(module: torch.nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        seen.append((inputs[0].requires_grad, out.dtype))

    first = next(m for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    handle = first.register_forward_hook(hook)
    yield seen
    handle.remove()


@pytest.mark.parametrize(
    "loss, trick, critic, actor",
    [
        ("nonsaturating", "none", {(False, "bfloat16")}, {(True, "bfloat16")}),
        # logits of the step itself in bf16, those that a penalty differentiates in fp32
        ("wgan-gp", "none", {(False, "bfloat16"), (True, "float32")}, {(True, "bfloat16")}),
        ("nonsaturating", "r1", {(True, "float32"), (False, "bfloat16")}, {(True, "bfloat16")}),
        # whoever looks ahead is differentiated by its weights
        ("nonsaturating", "unrolled", {(False, "bfloat16")}, {(True, "float32")}),
    ],
)  # fmt: skip
def test_what_is_differentiated_twice_is_exact(stepper, loss, trick, critic, actor) -> None:
    made = stepper(cell(loss, trick, precision="bf16"))
    schedule = made.begin(0)
    names = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
    for phase_name, expected in ((made.discriminator, critic), (made.generator, actor)):
        with watched(made.state.discriminator) as seen:
            phase_name(schedule)
        assert {(carries, names[dtype]) for carries, dtype in seen} == expected


def test_logits_are_exact_in_bf16(stepper) -> None:
    made = stepper(cell("hinge", "none", precision="bf16"))
    training_step = made.see("discriminator", made.begin(0))
    assert training_step.real_logits.dtype == training_step.real_features.dtype == torch.float32
    assert training_step.generated.dtype == torch.float32


def test_computed_weights_are_exact_in_bf16(stepper) -> None:
    """On a GPU, autocast would make a power iteration one of 8 bits; on a CPU it lets it be."""
    made = stepper(cell("hinge", "spectral-norm", precision="bf16"))
    seen = {"weight": [], "layer": []}

    def hook(kind: str) -> Callable[..., None]:
        return lambda *_: seen[kind].append(torch.is_autocast_enabled("cpu"))

    trunk = made.state.discriminator.trunk
    for part in list(trunk.modules()):
        if isinstance(part, ParametrizationList):
            part[0].register_forward_hook(hook("weight"))
        elif isinstance(part, torch.nn.Conv2d):
            part.register_forward_hook(hook("layer"))
    made.step(0)
    assert seen["weight"] and not any(seen["weight"])
    assert seen["layer"] and all(seen["layer"])


@pytest.mark.parametrize("used", ["fp32", "tf32", "bf16"])
def test_what_is_logged_changes_no_weight(stepper, used: str) -> None:
    """A copy of the critic in evaluation mode makes no power iteration of the critic's own."""
    made = stepper(cell("hinge", "spectral-norm", precision=used))
    (step, _), _ = made.step(0)
    critic = made.state.discriminator
    before = {name: tensor.clone() for name, tensor in critic.state_dict().items()}
    gradient_slope(critic, step.images, None)
    assert all(torch.equal(tensor, before[name]) for name, tensor in critic.state_dict().items())


@pytest.mark.parametrize("loss, trick", CELLS)
def test_the_layout_changes_no_number(stepper, loss: str, trick: str) -> None:
    """Three steps, the optimisers' included: their fused forms want one layout of all they see."""
    runs = [cell(loss, trick, channels_last=last) for last in (False, True)]
    ends = []
    for run in runs:
        made = stepper(run)
        for step in range(3):
            (_, critic), acted = made.step(step)
        ends.append([float(critic.detach()), *([float(acted[1].detach())] if acted else [])])
    assert ends[0] == pytest.approx(ends[1], rel=1e-5, abs=1e-6)


def test_images_and_weights_are_channels_last(stepper) -> None:
    """The optimisers' fused forms want a weight, its gradient and its averages in one layout."""
    made = stepper(cell("nonsaturating", "none", channels_last=True))
    made.step(0)
    # of one channel, both layouts are the same
    kernels = [p for p in made.state.discriminator.parameters() if p.dim() == 4 and p.shape[1] > 1]
    assert kernels and not any(kernel.is_contiguous() for kernel in kernels)
    states = made.state.optimizers[1].state
    assert all(states[k]["exp_avg"].stride() == k.stride() == k.grad.stride() for k in kernels)
    made.batches.samples = torch.randint(0, 256, (1500, 3, 8, 8), dtype=torch.uint8)
    images = made.batches[0][0]
    assert images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()


# -- mirrored images -------------------------------------------------------------------------------


def test_half_of_the_images_are_mirrored_by_seed_and_step(stores) -> None:
    store = stores["digits"]
    plain, one, again, other = (
        Batches(store, 64, seed, CPU, flip) for seed, flip in ((3, 0), (3, 1), (3, 1), (4, 1))
    )
    held = one.samples.clone()
    steps = [30, 0, 7, 21, 50]  # over epochs, in any order
    mirrored = []
    for step in steps:
        (images, labels), (mixed, same) = plain[step], one[step]
        assert torch.equal(labels, same)  # the same images in the same order
        whole = (mixed == images).flatten(1).all(1)
        turned = (mixed == images.flip(3)).flatten(1).all(1)
        assert (whole | turned).all()
        mirrored.append(~whole)
    assert equal([one[s] for s in reversed(steps)], [again[s] for s in reversed(steps)])
    share = float(torch.cat(mirrored).float().mean())
    assert 0.4 < share < 0.6  # 320 draws: 3.5 standard deviations
    assert not torch.equal(mirrored[0], mirrored[1])
    assert not torch.equal(one[0][0], other[0][0])
    assert torch.equal(one.samples, held)  # what is stored is not


def test_an_image_is_mirrored_in_one_epoch_and_not_in_another(stores) -> None:
    batches = Batches(stores["digits"], 64, 0, CPU, flip=True)
    drawn = []
    for epoch in range(2):
        batches[epoch * batches.per_epoch]
        place = batches._order.argsort()
        drawn.append(batches._flipped.flatten()[place])
    assert 0.4 < float((drawn[0] != drawn[1]).float().mean()) < 0.6


@pytest.mark.parametrize("dataset", ["digits", "ring"])
def test_what_may_not_be_mirrored_is_refused_before_the_first_job(dataset: str) -> None:
    with pytest.raises(GanloreError) as caught:
        tiny_run(dataset, training={"flip": True})
    assert f"a sample of {dataset} mirrored" in str(caught.value)
    assert "training.flip" in str(caught.value)


def test_a_data_set_says_that_it_may_be_mirrored(tmp_path, monkeypatch) -> None:
    (tmp_path / "data").mkdir()
    text = "from ganlore.data.digits import Digits\n\n\nclass Faces(Digits):\n"
    text += '    """Faces."""\n\n    mirrored = True\n\n\nDATASET = Faces\n'
    (tmp_path / "data" / "faces.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("GANLORE_PLUGINS", str(tmp_path))
    grids = [
        {"datasets": ["faces"], "networks": ["dcgan"], "losses": ["hinge"], "tricks": ["none"]}
    ]
    study = tiny(grids=grids, training={"flip": True})
    (run,) = expand(study).runs
    assert run.training.flip and '"flip":true' in run.training_settings()


# -- to the same bits ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss, trick", [("nonsaturating", "none"), ("hinge", "spectral-norm"), ("wgan-gp", "ema")]
)
def test_a_killed_run_goes_on_to_the_same_bits_at_speed(trained, interrupted, loss, trick) -> None:
    run = cell(loss, trick, budget=16 * 120, history=24, deterministic=True, **FAST)
    run = run.model_copy(update={"training": run.training.model_copy(update={"flip": True})})
    _, whole = trained(run)
    resumed = interrupted(run, killed=100)  # in the second epoch
    for part in ("networks", "optimizers", "snapshots"):
        assert equal(whole[part], resumed[part]), part
    plain = trained(cell(loss, trick, budget=16 * 120, history=24))[1]
    assert not equal(whole["networks"], plain["networks"])


def flags() -> list[Any]:
    backends = torch.backends
    return [
        backends.cuda.matmul.fp32_precision,
        backends.cudnn.conv.fp32_precision,
        backends.cudnn.rnn.fp32_precision,
        backends.cudnn.benchmark,
        backends.cudnn.deterministic,
        torch.are_deterministic_algorithms_enabled(),
        os.environ.get(precision.WORKSPACE),
    ]


@pytest.mark.parametrize(
    "inputs, expected",
    [
        ({}, ["ieee"] * 3 + [True, False, False, None]),
        ({"precision": "bf16"}, ["ieee"] * 3 + [True, False, False, None]),
        ({"precision": "tf32"}, ["tf32"] * 3 + [True, False, False, None]),
        ({"deterministic": True}, ["ieee"] * 3 + [False, True, True, ":4096:8"]),
    ],
)
def test_kernels_are_chosen_for_a_run_alone(monkeypatch, inputs, expected) -> None:
    monkeypatch.delenv(precision.WORKSPACE, raising=False)
    before = flags()
    with precision.kernels(schema.Training(**inputs)):
        assert flags() == expected
    assert flags() == before
    with pytest.raises(KeyError), precision.kernels(schema.Training(**inputs)):
        raise KeyError
    assert flags() == before


def test_every_cell_has_deterministic_kernels_where_it_is_asked(trained) -> None:
    """On a CPU this changes nothing (on a GPU torch would name an operation that has none)."""
    runs = (cell("hinge", "diffaugment", deterministic=sure) for sure in (True, False))
    assert equal(*(trained(run)[1]["networks"] for run in runs))


# -- a GPU that is too small, and none at all ------------------------------------------------------

TOLD = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 7.79 GiB of which "
    "1.21 GiB is free. If reserved but unallocated memory is large try setting a variable."
)


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError(TOLD), RuntimeError("CUDNN_STATUS_ALLOC_FAILED in forward")]
)
def test_too_little_memory_is_told_with_what_may_be_lowered(trained, monkeypatch, error) -> None:
    def fail(*_: Any) -> None:
        raise error

    run = cell("nonsaturating", "none")
    monkeypatch.setattr(torch.nn.LeakyReLU, "forward", fail)
    with pytest.raises(GanloreError) as caught:
        trained(run)
    text = str(caught.value)
    expected = (run.id, "training.batch = 16", "dcgan's width (now 4)", "GANLORE_RUNS_PER_GPU")
    for words in expected:
        assert words in text
    assert ("allocate 2.50 GiB" in text and "7.79 GiB" in text) or "ALLOC_FAILED" in text
    assert "try setting" not in text


def test_a_run_without_memory_is_marked_failed_and_others_go_on(stores, tmp_path) -> None:
    def ask(run: Run) -> Any:
        words = ["train", "--settings", run.training_settings(), "--results", str(tmp_path)]
        return CliRunner().invoke(app, [*words, "--data", str(stores["digits"].folder.parents[1])])

    def fail(*_: Any) -> None:
        raise torch.OutOfMemoryError(TOLD)

    run, other = (cell(loss, "none", device="cpu") for loss in ("nonsaturating", "hinge"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.LeakyReLU, "forward", fail)
        assert isinstance(ask(run).exception, GanloreError)
    failed = storage.read_json(tmp_path / "state" / run.id / "failed.json", "")
    assert "training.batch = 16" in failed["error"] and "allocate 2.50 GiB" in failed["error"]
    for job in (other, run):  # the failed one too, once there is memory
        assert ask(job).exit_code == 0
        record = storage.read_json(tmp_path / "runs" / job.id / "run.json", "")
        assert (record["status"], record["device"]) == ("done", "cpu")
        assert record["settings"]["training"]["precision"] == "fp32"


def test_other_errors_are_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="a bug"), gpu.failure_explained("run", tiny_run()):
        raise RuntimeError("a bug")


def test_a_slow_run_on_the_cpu_says_once_how_long_it_will_take(monkeypatch, capsys) -> None:
    """2 s for the first step and 0.5 s for each other: 9,993 steps are 83 minutes."""
    clock = iter([100.0 + 0.5 * step for step in range(100)])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    forecast = Forecast(10_000)
    assert [forecast.finished(done) for done in range(1, 8)] == [False] * 6 + [True]
    (line,) = capsys.readouterr().err.splitlines()
    assert "no GPU" in line and "500 ms a step" in line and "83 minutes for the 9993 steps" in line


def test_a_quick_run_on_the_cpu_says_nothing(monkeypatch, capsys) -> None:
    clock = iter([100.0 + 0.5 * step for step in range(100)])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    forecast = Forecast(1000)
    assert [forecast.finished(done) for done in range(1, 8)][-1]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("device, says", [("auto", 1), ("cpu", 0)])
def test_only_who_would_take_a_gpu_is_told(trained, monkeypatch, capsys, device, says) -> None:
    """Every run is long here, and measured at once."""
    monkeypatch.setattr("ganlore.console.MEASURED", 0.0)
    monkeypatch.setattr("ganlore.console.LONG", 0.0)
    trained(cell("nonsaturating", "none", budget=480, device=device))
    assert capsys.readouterr().err.count("torch finds no GPU") == says
