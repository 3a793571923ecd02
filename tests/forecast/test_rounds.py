"""What steps cost, in rounds: with a clock that only steps move, and as training counts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from ganlore.errors import GanloreError
from ganlore.execution import records
from ganlore.forecast import rounds
from ganlore.study.expand import expand
from ganlore.study.run import TIMED, Cell, Plan
from ganlore.training.captured import CapturedTrainer
from ganlore.training.trainer import Trainer
from tiny import tiny


def timed(losses: list[str], tricks: list[str], **changes: Any) -> Plan:
    """A tiny study with a claim about the costs of cells."""
    cells = {"datasets": ["ring"], "losses": losses}
    test = {"take": "cost", "of": "step_ms", "claimed": "lower", "margin": 0.0,
            "treatment": {**cells, "tricks": tricks[:1]}, "control": {**cells, "tricks": tricks[1:]}}  # fmt: skip
    claim = {"statement": "It costs less.", "articles": ["000"], "tests": [test]}
    articles = {"000": {"language": "Arabic", "about": "losses"}}
    grid = {"datasets": ["ring"], "networks": ["mlp"], "losses": ["lsgan"], "tricks": ["none"]}
    claims = {"articles": articles, "claims": {"C15": claim}}
    return expand(tiny(grids=[grid], claims=claims, **changes))


class Made:
    """A clock that only steps move, by `cost(loss, trick, step)` seconds each; and all steps."""

    def __init__(self, cost: Callable[[str, str, int], float]) -> None:
        self.now, self.cost = 0.0, cost
        self.steps: list[tuple[str, str, int]] = []
        self.progress: list[float] = []

    def step(self, trainer: Trainer, number: int, alone: bool = False) -> None:
        trick = trainer.state.tricks[0].name if trainer.state.tricks else "none"
        key = trainer.state.loss.name, trick, number
        self.now += self.cost(*key)
        if not alone:
            self.steps.append(key)
            self.progress.append(number / trainer.training.steps)


def as_method(clock: Made) -> Callable[..., None]:
    def step(trainer: Trainer, number: int, alone: bool = False) -> None:
        clock.step(trainer, number, alone)

    return step


@pytest.fixture
def made(monkeypatch) -> Callable[..., Made]:
    def go(cost: Callable[[str, str, int], float]) -> Made:
        clock = Made(cost)
        for kind in (Trainer, CapturedTrainer):
            monkeypatch.setattr(kind, "step", as_method(clock))
        monkeypatch.setattr(rounds.time, "perf_counter", lambda: clock.now)
        return clock

    return go


def test_a_step_has_its_share_of_the_generators_update(made, tmp_path) -> None:
    """wgan's period: four steps of 3 ms, and one of 8 ms with the generator: 4 ms a step."""
    clock = made(
        lambda loss, _, step: (0.008 if step % 5 == 4 else 0.003) if loss == "wgan" else 0.002
    )
    plan = timed(["lsgan", "wgan"], ["ema", "none"])
    table = pd.DataFrame(rounds.measure(plan, tmp_path))
    assert list(table) == [*Cell._fields, "round", *TIMED]
    assert len(table) == 4 * 12 and table.groupby("round").size().eq(4).all()
    means = table.groupby("loss")["step_ms"].agg(["min", "max"])
    assert means.loc["lsgan"].tolist() == pytest.approx([2, 2])
    assert means.loc["wgan"].tolist() == pytest.approx([4, 4])
    assert 0.99 < max(clock.progress) < 1


def test_the_cells_take_turns_in_another_order_each_round(made, tmp_path) -> None:
    clock = made(lambda *_: 0.0625)
    plan = timed(["nonsaturating", "lsgan", "minimax"], ["ema", "none"])
    rounds.measure(plan, tmp_path, rounds=6)
    cells = [(run.loss.name, run.trick) for run in plan.costs]
    order = [(*cells[first:], *cells[:first]) for first in range(6)]
    assert [cell for one in order for cell in one] == _every(clock, cells)


def _every(clock: Made, cells: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The cell of each share of the rounds: five steps of 1/16 s, one of them not timed."""
    built = len(cells) * (rounds.UNTIMED + rounds.TRIED)
    assert (len(clock.steps) - built) % 5 == 0
    shares = [clock.steps[at : at + 5] for at in range(built, len(clock.steps), 5)]
    assert all(len({step[:2] for step in share}) == 1 for share in shares)
    return [share[0][:2] for share in shares]


def test_what_takes_long_makes_one_period_a_round(made, tmp_path) -> None:
    clock = made(lambda *_: 7.0)
    plan = timed(["wgan"], ["ema", "none"])
    table = pd.DataFrame(rounds.measure(plan, tmp_path, rounds=2))
    assert table["step_ms"].tolist() == pytest.approx([7000] * 4)
    assert len(clock.steps) == 2 * 5 * (rounds.UNTIMED + rounds.TRIED) + 2 * 2 * 5 * 2


def test_memory_is_that_of_a_training_and_a_penalty_counts_more(
    trained, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(rounds, "SHARE", 0.001)
    plan = timed(["lsgan"], ["spectral-norm", "gradient-penalty"])
    table = pd.DataFrame(rounds.measure(plan, tmp_path, rounds=2)).set_index("trick")
    for run in plan.costs:
        history = trained(run)[1]["history"]
        own = table.loc[run.trick, "step_memory_mb"].unique()
        assert own.tolist() == pytest.approx([max(row["step_memory_mb"] for row in history)])
    work = table.groupby("trick")["step_gflop"].first()
    assert work["gradient-penalty"] > 1.2 * work["spectral-norm"] > 0
    assert (table["step_ms"] > 0).all()


def test_a_record_of_other_cells_or_code_is_refused(tmp_path, monkeypatch) -> None:
    plan = timed(["lsgan"], ["ema", "none"], results=str(tmp_path))
    with pytest.raises(GanloreError, match=r"record\.json: missing(.|\n)*ganlore costs"):
        records.costs(plan)
    row = {**plan.costs[0].cell._asdict(), "round": 0, "step_ms": 1.5, "step_gflop": 0.25,
           "step_memory_mb": 0.125}  # fmt: skip
    rounds.write(plan, [row])
    assert records.costs(plan) == [row]
    assert records.costs(timed(["lsgan"], ["ema", "none"], results=str(tmp_path), seeds=[0, 1]))
    other = timed(["hinge"], ["ema", "none"], results=str(tmp_path))
    with pytest.raises(GanloreError, match=r"record\.json: missing"):
        records.costs(other)
    path = plan.costs_folder / "rows.json"
    path.write_text(path.read_text(encoding="utf-8").replace("1.5", "0.5"), encoding="utf-8")
    with pytest.raises(GanloreError, match=r"rows\.json: truncated or altered"):
        records.costs(plan)


def test_a_study_without_claims_about_cost_needs_no_record() -> None:
    assert records.costs(expand(tiny())) == []
