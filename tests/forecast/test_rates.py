"""`ganlore plan` without a GPU: hours of a card that was measured, or that none was."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from ganlore.cli.main import app
from ganlore.docgen import performance
from ganlore.errors import GanloreError
from ganlore.forecast import rates, summary
from ganlore.forecast.costs import Costs
from ganlore.study.expand import expand
from ganlore.study.run import Cell, Plan
from tiny import REPOSITORY, tiny, tiny_run

STEPS, BATCH = 1_000_000, 16
"""Of each run here; at a batch of 16."""

MADE = {
    "git": {"commit": "abcdef0" + "1" * 33, "dirty": False}, "processor": "AMD EPYC", "cores": 16,
    "memory_gb": 128.0, "python": "3.12", "device": "NVIDIA X1", "versions": {"torch": "2.15.0"},
}  # fmt: skip
CARD: dict[str, Any] = {
    "measured": MADE,
    "date": "2026-11-20",
    "batch": 64,
    "settings": {"plain": {"precision": "fp32"}, "fast": {"precision": "bf16"}},
    "rows": [
        # 64 images a step: 100 and 200 steps a second with mlp, 10 and 20 with dcgan
        {"network": "mlp", "loss": "hinge", "flops": 1e9, "textbook": {"images": 1.0},
         "plain": {"images": 6_400.0}, "fast": {"images": 12_800.0}},
        {"network": "dcgan", "loss": "wgan-gp", "flops": 1e12, "textbook": {"images": 1.0},
         "plain": {"images": 640.0}, "fast": {"images": 1_280.0}},
    ],
}  # fmt: skip


def measured(monkeypatch: pytest.MonkeyPatch, folder: Path, sections: dict[str, Any]) -> None:
    """A repository's measurements."""
    path = folder / "performance.json"
    path.write_text(json.dumps(sections), encoding="utf-8")
    monkeypatch.setattr(rates, "FILE", path)


def plan_of(losses: list[str], network: str = "mlp", **training: Any) -> Plan:
    dataset = {"mlp": "ring", "dcgan": "digits"}[network]
    grids = [{"datasets": [dataset], "networks": [network], "losses": losses, "tricks": ["none"]}]
    return expand(tiny(grids=grids, training={"budget": STEPS * BATCH, **training}))


def said(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, flops: float, tflops: float | None = None
) -> str:
    """What is forecast, with so many operations a step and a second for each run here."""
    work = {run.cell: flops * STEPS for run in plan.runs}
    monkeypatch.setattr(Costs, "work", work)
    monkeypatch.setattr(summary, "WORTH", 0.0)
    monkeypatch.setattr(Costs, "measure", lambda self, run: 1.0)
    return "\n".join(summary.forecast(plan, cores=1, tflops=tflops, patience=60))


def test_hours_are_those_of_the_nearest_measured_case(tmp_path, monkeypatch) -> None:
    measured(monkeypatch, tmp_path, {"training-speed: NVIDIA X1": CARD})
    # a million steps: 10^4 s in fp32, half in bf16; twice the arithmetic, twice the time
    cases = (("fp32", 1e9, "2.8 hours"), ("bf16", 1e9, "83 minutes"), ("fp32", 2e9, "5.6 hours"))
    for precision, flops, time in cases:
        plan = plan_of(["hinge"], precision=precision)
        text = said(monkeypatch, plan, flops)
        assert f"about {time} of one NVIDIA X1, one run at a time" in text, (
            precision,
            flops,
        )
    assert "2026-11-20" in text and "commit abcdef0" in text and "2 measured cases" in text
    assert "was not measured" not in text and "TFLOP/s" not in text


def test_less_arithmetic_is_not_taken_to_be_quicker(tmp_path, monkeypatch) -> None:
    """A small step is bound by its launches."""
    measured(monkeypatch, tmp_path, {"training-speed: NVIDIA X1": CARD})
    assert "about 2.8 hours of one" in said(monkeypatch, plan_of(["hinge"]), 1e8)
    plan = plan_of(["nonsaturating"], "dcgan")  # another loss of the network: 10 steps a second
    assert "about 28 hours of one" in said(monkeypatch, plan, 5e11)


def test_runs_at_a_time_and_networks_that_were_not_measured_are_said(tmp_path, monkeypatch) -> None:
    card = CARD | {"rows": CARD["rows"][:1], "together": {"runs": 8, "gain": 4.0}}
    measured(monkeypatch, tmp_path, {"training-speed: NVIDIA X1": card})
    text = said(monkeypatch, plan_of(["hinge"], "dcgan"), 1e10)  # ten times the mlp's arithmetic
    assert "about 28 hours of one NVIDIA X1" in text
    assert "with 8 runs at a time (GANLORE_RUNS_PER_GPU=8): about 6.9 hours" in text
    assert "dcgan was not measured on it: taken from mlp" in text
    assert "a part first" in text  # more than a day


def test_each_card_has_its_line_the_latest_first(tmp_path, monkeypatch) -> None:
    later = copy.deepcopy(CARD) | {"date": "2026-11-28"}
    sections = {"training-speed: NVIDIA X1": CARD, "training-speed: NVIDIA X2": later}
    measured(monkeypatch, tmp_path, sections)
    text = said(monkeypatch, plan_of(["hinge"]), 1e9)
    assert 0 < text.index("NVIDIA X2") < text.index("NVIDIA X1")
    assert "2026-11-28" in text


@pytest.mark.parametrize(
    "sections", [{}, {"training-speed": CARD}, {"training-speed: X": CARD | {"rows": []}}]
)
def test_where_no_gpu_was_measured_no_time_is_said(tmp_path, monkeypatch, sections) -> None:
    """The section without a card's name is the processor's."""
    measured(monkeypatch, tmp_path, sections)
    text = said(monkeypatch, plan_of(["hinge"]), 1e10)
    assert "no GPU has been measured" in text and "benchmarks/gpu.sh" in text
    assert "of one" not in text
    assert "2.8 hours of one, if it sustains 1 TFLOP/s" in said(
        monkeypatch, plan_of(["hinge"]), 1e10, 1.0
    )


def test_an_installed_wheel_has_no_measurements(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(rates, "FILE", tmp_path / "docs/performance.json")
    assert "no GPU has been measured" in said(monkeypatch, plan_of(["hinge"]), 1e10)


def test_a_gpu_that_is_here_is_timed_and_no_other_is_named(tmp_path, monkeypatch) -> None:
    measured(monkeypatch, tmp_path, {"training-speed: NVIDIA X1": CARD})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    text = said(monkeypatch, plan_of(["hinge"]), 1e10)
    assert (
        "on this GPU, one run at a time, timed on a few steps" in text and "NVIDIA X1" not in text
    )


@pytest.mark.parametrize(
    "broken, key",
    [
        ({"date": 5}, "date"), ({"rows": [{"network": "mlp", "loss": "hinge"}]}, "flops"),
        ({"rows": [CARD["rows"][0] | {"fast": {}}]}, "fast.images"),
        ({"together": {"runs": 8, "gain": 0}}, "gain"),
    ],
)  # fmt: skip
def test_damaged_measurements_are_named(tmp_path, monkeypatch, broken, key) -> None:
    measured(monkeypatch, tmp_path, {"training-speed: NVIDIA X1": CARD | broken})
    with pytest.raises(
        GanloreError, match=r"performance\.json: training-speed: NVIDIA X1"
    ) as caught:
        rates.cards()
    assert key in str(caught.value)


def test_what_the_command_says(tmp_path, monkeypatch) -> None:
    """Of a study large enough for a GPU, by the counted arithmetic."""
    measured(monkeypatch, tmp_path, {"training-speed: NVIDIA X1": CARD})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(summary, "WORTH", 0.0)
    study = plan_of(["hinge"]).study.model_dump_json(exclude_defaults=True)
    output = CliRunner().invoke(app, ["plan", study, "--seconds", "0"]).output
    assert "about 2.8 hours of one NVIDIA X1" in output  # its step is below 10^9


def test_the_measurements_of_this_repository_can_be_read() -> None:
    assert rates.FILE == REPOSITORY / performance.FILE and rates.FILE.is_file()
    for card in rates.cards():
        run = tiny_run()
        assert run.cell == Cell("ring", "mlp", "nonsaturating", "none", "base")
        assert card.step(run, 1e9)[0] > 0
