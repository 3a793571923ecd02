"""What changes from step to step is in the step's schedule, and nowhere else."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from ganlore.steps import Moment
from ganlore.study import registry
from ganlore.study.compatibility import why_not
from ganlore.study.run import Run
from ganlore.training import session
from ganlore.training.trainer import Trainer
from tiny import PLACES, tiny_run

CPU = torch.device("cpu")
STEPS = 30


def run_of(loss: str, trick: str) -> Run | None:
    """A run of a combination where it has a meaning; None where it has none."""
    for dataset, network in PLACES.items():
        if why_not(dataset, network, loss, [trick]) is None:
            return tiny_run(dataset, loss, trick, training={"budget": 16 * STEPS})
    return None


RUNS = [
    run
    for loss, trick in [
        *((loss, "none") for loss in registry.find("loss")),
        *(("nonsaturating", trick) for trick in registry.find("trick")),
        ("wgan-gp", "instance-noise"),
        ("cgan", "progressive"),
    ]
    if (run := run_of(loss, trick))
]


def losses_at(trainer: Trainer, number: int, moment: Moment) -> list[torch.Tensor]:
    """Both losses of a step with the numbers of one step and the moment of another."""
    schedule = dataclasses.replace(trainer.begin(number), moment=moment)
    steps = []
    for phase in ("discriminator", "generator"):
        step = trainer.see(phase, dataclasses.replace(schedule, moment=trainer_moment(number)))
        step.schedule = schedule
        steps.append(step)
    return [steps[0].discriminator_loss().detach(), steps[1].generator_loss().detach()]


def trainer_moment(number: int) -> Moment:
    """The moment that batch and random numbers are drawn for."""
    return Moment(number, number, number / STEPS)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.id)
def test_a_step_reads_no_number_but_its_schedule_s(run, stores, fitted) -> None:
    """Equal weights, batch, random numbers and scheduled numbers: equal bits at any progress."""
    actual = []
    for moment in (Moment(13, 13, 13 / STEPS), Moment(29, 29, 29 / STEPS)):
        trainer = session.build_trainer(run, stores[run.dataset.name], CPU, fitted(run))
        actual.append(losses_at(trainer, 13, moment))
    for one, other in zip(*actual, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.id)
def test_scheduled_numbers_are_numbers(run, stores, fitted) -> None:
    trainer = session.build_trainer(run, stores[run.dataset.name], CPU, fitted(run))
    for number in (0, STEPS // 2, STEPS - 1):
        for name, value in trainer.schedule_of(number).numbers.items():
            assert isinstance(value, int | float), name


def test_the_tricks_that_change_with_time_schedule_it(stores) -> None:
    for loss, trick, name in (
        ("nonsaturating", "instance-noise", "instance-noise.strength"),
        ("nonsaturating", "ema", "ema.share"),
        ("r3gan", "none", "r3gan.gamma"),
        ("nonsaturating", "progressive", "progressive.share"),
    ):
        run = run_of(loss, trick)
        assert run is not None
        trainer = session.build_trainer(run, stores[run.dataset.name], CPU)
        values = {trainer.schedule_of(number).numbers[name] for number in range(STEPS)}
        assert len(values) > 1, name
