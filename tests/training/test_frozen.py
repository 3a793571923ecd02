"""A generator that is frozen from a share of the budget on, while the discriminator goes on."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from ganlore import data as datasets
from ganlore.errors import GanloreError
from ganlore.study import registry
from ganlore.study.expand import expand
from ganlore.study.run import Run
from ganlore.training import build, graphs, session
from ganlore.training.batches import Batches
from ganlore.training.captured import CapturedTrainer
from ganlore.training.history import gradient_norm
from tiny import equal, tiny, tiny_run

CPU = torch.device("cpu")
STEPS = 40


def frozen_run(loss: str = "nonsaturating", trick: str = "none", **changes: Any) -> Run:
    """A run whose generator is frozen after half of its steps."""
    settings = {"losses": {loss: {"n_critic": 2}}}
    training = {"budget": 16 * STEPS, "freeze_generator": 0.5, "history": 20, **changes}
    return tiny_run("ring", loss, trick, training=training, settings=settings)


def weights(network: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


@pytest.mark.parametrize(
    "loss", [name for name in registry.find("loss") if name not in ("began", "infogan", "vaegan")]
)
def test_the_generator_stays_bit_for_bit_and_the_discriminator_does_not(loss, stores) -> None:
    trainer = session.build_trainer(frozen_run(loss), stores["ring"], CPU)
    state = trainer.state
    begin = weights(state.generator)
    for number in range(STEPS // 2):
        trainer.step(number)
    half = weights(state.generator), weights(state.discriminator)
    assert not equal(begin, half[0])
    for number in range(STEPS // 2, STEPS):
        trainer.step(number)
    assert equal(weights(state.generator), half[0])
    assert not equal(weights(state.discriminator), half[1])


@pytest.mark.parametrize("loss", ["began", "infogan", "vaegan"])
def test_modules_that_the_generators_optimiser_alone_trains_stay_too(loss, stores) -> None:
    trainer = session.build_trainer(frozen_run(loss), stores["ring"], CPU)
    state = trainer.state
    shared = {p for name in state.loss.shared_modules for p in state.modules[name].parameters()}
    group = state.optimizers[0].param_groups[0]["params"]
    own = [parameter for parameter in group if parameter not in shared]
    for number in range(STEPS // 2):
        trainer.step(number)
    half = [parameter.detach().clone() for parameter in own]
    for number in range(STEPS // 2, STEPS):
        trainer.step(number)
    assert equal([parameter.detach() for parameter in own], half)


@pytest.mark.parametrize("kind", ["adam", "rmsprop", "sgd"])
def test_until_then_the_run_is_the_same_and_its_gradient_goes_on(kind, trained) -> None:
    optimizer = {"kind": kind, "lr": 0.01}
    frozen, free = (
        trained(frozen_run(optimizer=optimizer, freeze_generator=share))[1] for share in (0.5, None)
    )
    rows, others = frozen["history"], free["history"]
    column = "g_gradient_norm"
    norms = [[row[column] for row in table] for table in (rows, others)]
    assert norms[0][:10] == norms[1][:10] and norms[0][11:] != norms[1][11:]
    assert all(norm > 0 and math.isfinite(norm) for norm in norms[0])
    assert equal(frozen["snapshots"][0], free["snapshots"][0])
    parameters = dict(build.train_state(frozen_run(), (2,), 8, CPU).generator.named_parameters())
    first, last = (snapshot["weights"] for snapshot in frozen["snapshots"])
    assert all(torch.equal(first[name], last[name]) for name in parameters)


@pytest.mark.parametrize("share", [0.0, 0.75])
def test_the_share_is_of_the_budget(share, stores) -> None:
    trainer = session.build_trainer(frozen_run(freeze_generator=share), stores["ring"], CPU)
    expected = [number >= share * STEPS for number in range(STEPS)]
    assert [trainer.schedule_of(number).frozen for number in range(STEPS)] == expected


@pytest.mark.parametrize("kind", ["adam", "rmsprop", "sgd"])
def test_captured_steps_freeze_it_too(kind, stores, monkeypatch) -> None:
    """The same graph before and after: only the rate that it reads changes."""
    monkeypatch.setattr(graphs, "WARM_UP", 1)
    run = frozen_run(optimizer={"kind": kind, "lr": 0.01})
    state = build.train_state(run, (2,), 8, CPU)
    batches = Batches(stores["ring"], 16, run.seed, CPU)
    optimizer = build.optimizer_settings(run, state.tricks)
    made = CapturedTrainer(state, batches, run.training, optimizer, run.seed, CPU)
    for number in range(STEPS // 2):
        made.step(number)
    half = weights(state.generator), weights(state.discriminator)
    for number in range(STEPS // 2, STEPS):
        made.step(number)
    assert made.graphs.refusal is None and made.graphs.replayed > STEPS // 2
    assert equal(weights(state.generator), half[0])
    assert not equal(weights(state.discriminator), half[1])


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("loss, sign", [("minimax", 1), ("nonsaturating", -1)])
def test_the_recorded_gradient_is_the_frozen_dirac_gans(loss, sign, tmp_path) -> None:
    """With theta fixed, psi <- psi - h theta s(psi theta); the generator's gradient is |psi| s(t).

    t = psi theta for minimax, whose gradient vanishes as the discriminator becomes optimal
    (1701.04862, theorem 2.4), and -psi theta for the other form, whose gradient grows.
    """
    settings = registry.declaration("dataset", "dirac").settings({})
    store = datasets.prepare(
        "dirac", registry.create("dataset", "dirac", settings), settings, tmp_path / "dirac"
    )
    training = {
        "optimizer": {"kind": "sgd", "lr": 0.5},
        "budget": 16 * 400,
        "history": 400,
        "freeze_generator": 0.0,
    }
    grid = {"datasets": ["dirac"], "networks": ["dirac"], "losses": [loss], "tricks": ["none"]}
    run = expand(tiny(grids=[grid], training=training)).runs[0]
    trainer = session.build_trainer(run, store, CPU)
    with torch.no_grad():
        trainer.state.generator.body.theta.fill_(2.0)
        trainer.state.discriminator.head.weight.fill_(0.25)
    psi, actual, expected = 0.25, [], []
    for number in range(400):
        trainer.step(number)
        psi -= 0.5 * 2.0 * sigmoid(2.0 * psi)
        actual.append(gradient_norm(trainer.state.optimizers[0]))
        expected.append(abs(psi) * sigmoid(sign * 2.0 * psi))
    assert actual == pytest.approx(expected, rel=1e-4)
    assert trainer.state.generator.body.theta.item() == 2.0
    if loss == "minimax":
        assert actual[-1] < actual[0] / 20
    else:
        assert actual[-1] > 2


def test_a_share_of_one_or_more_is_refused() -> None:
    with pytest.raises(GanloreError, match="freeze_generator"):
        frozen_run(freeze_generator=1.0)
