"""What `ganlore plan` says: a study's runs, gaps, hours and disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ganlore.execution.status import BESIDE
from ganlore.forecast import rates
from ganlore.formatting import duration, listed, size
from ganlore.study import effects, trials
from ganlore.study.expand import expand
from ganlore.study.run import Cell, Plan

if TYPE_CHECKING:
    from ganlore.forecast.costs import Costs

WORTH = 1e15
"""Multiplications and additions beyond which a GPU is worth a word: ten minutes of a processor."""

TOO_LITTLE_DISK_SPACE = 3
"""The exit status of `ganlore disk-space` where the disk has too little of it."""

UNMET_NEEDS = 4
"""The exit status of `ganlore needs` where a study would fail for something that is not here."""

TABLES = ("collect", "report", "summary")
"""The jobs after all runs."""

PART = 24.0
"""Hours beyond which a plan says how to run a part of a study first."""


def outline(plan: Plan) -> Iterator[str]:
    """Runs, jobs and gaps: what is known without importing torch."""
    cells = {run.cell for run in plan.runs}
    fits = sum(map(len, plan.extractors.values()))
    jobs = 2 * len(plan.runs) + len(plan.datasets) + fits + len(plan.references)
    jobs += len(plan.controls) + 2 * bool(plan.costs) + len(TABLES)
    yield f"study {plan.study.name}: {plan.study.title}"
    yield f"  {len(plan.runs)} runs = {len(cells)} cells x {len(plan.study.seeds)} seeds"
    yield f"  {jobs} jobs: data, extractors, training, evaluation, tables, report"
    if own := claims_own(plan):
        n = len(own) * len(plan.study.seeds)
        yield f"  {n} of the runs, {len(own)} cells, are in no grid: the claims need them"
    yield from _searched(plan)
    for line in effects.warnings(plan):
        yield f"  warning: {line}"
    for gap in plan.missing:
        yield f"  n/a  {gap.dataset} {gap.network} {gap.loss} {gap.trick}: {gap.reason}"


def _searched(plan: Plan) -> Iterator[str]:
    """The trials of a search; the study's own runs come after them."""
    if plan.study.search is None:
        return
    rungs = trials.forecast(plan.study)
    counts = " + ".join(str(len(rung.runs)) for rung in rungs)
    budgets = listed(f"{rung.runs[0].training.steps:,}" for rung in rungs)
    yield f"  before them a search: {counts} trials of {budgets} steps, each trained and measured"


def search_costs(plan: Plan, cores: int, patience: float) -> Iterator[str]:
    """Time on this machine of a search's trials, which the study's own runs wait for.

    Args:
        plan: the study.
        cores: trials that train side by side.
        patience: seconds to spend on timing, for all rungs together.
    """
    from ganlore.forecast.costs import Costs

    if plan.study.search is None:
        return
    rungs = trials.forecast(plan.study)
    total = 0.0
    for rung in rungs:
        with tempfile.TemporaryDirectory() as folder:
            costs = Costs(rung, Path(folder))
            seconds, _ = costs.timed(patience / len(rungs))
            total += sum(seconds[run.cell] + BESIDE for run in rung.runs)
    yield f"  the search before them: about {duration(total / cores)} on {cores} cores"


def forecast(plan: Plan, cores: int, tflops: float | None, patience: float) -> Iterator[str]:
    """Arithmetic, hours and disk.

    Args:
        plan: the study.
        cores: runs that train side by side.
        tflops: a rate to assume of a GPU that is not here, in 10^12 multiplications and additions a
            second; none means what was measured on named cards.
        patience: seconds to spend on timing.
    """
    from ganlore.forecast import disk
    from ganlore.forecast.costs import Costs
    from ganlore.training import build

    with tempfile.TemporaryDirectory() as folder:
        costs = Costs(plan, Path(folder))
        work = sum(costs.work[run.cell] for run in plan.runs)
        amount = f"{work / 1e15:,.0f}" if work > 1e16 else f"{work / 1e15:.2g}"
        yield f"  {amount} PFLOP of products and convolutions in training, counted"
        gpu = build.device("auto").type == "cuda"
        wanted = {run.training.device for run in plan.runs} != {"cpu"}
        if wanted and not gpu and work > WORTH:
            yield from _assumed(plan, work, tflops) if tflops else _measured(costs)
        space = disk.disk_space(costs, cores)
        yield f"  disk: up to {size(space.peak)}, of {size(space.free)} free: {space}"
        yield from _here(costs, cores, patience, gpu and wanted)


def _assumed(plan: Plan, work: float, tflops: float) -> Iterator[str]:
    """Time on a GPU that is not here, at a rate that the user states."""
    hours = work / (tflops * 1e12) / 3600
    yield (
        f"  on a GPU: about {duration(3600 * hours)} of one, if it sustains {tflops:g} "
        "TFLOP/s (--tflops): an estimate, nothing of it was timed"
    )
    if hours > PART:
        yield _part(plan, hours)


def _measured(costs: Costs) -> Iterator[str]:
    """Time on each card that was measured, or that none was."""
    cards = rates.cards()
    if not cards:
        yield (
            "  on a GPU: no GPU has been measured, so that no time can be said; "
            "`benchmarks/gpu.sh` measures one\n    where it is, --tflops gives an estimate from "
            "the arithmetic alone"
        )
    for card in cards:
        yield from _on_card(costs, card)


def _on_card(costs: Costs, card: rates.Card) -> Iterator[str]:
    """Time on a card, each cell by its nearest measured case."""
    seconds = 0.0
    others: dict[str, set[str]] = {}
    for run in costs.plan.runs:
        steps = run.training.steps
        step, near = card.step(run, costs.work[run.cell] / steps)
        seconds += steps * step
        if near.network != run.network.name:
            others.setdefault(run.network.name, set()).add(near.network)
    cases = len({(rate.network, rate.loss) for rate in card.rates})
    yield (
        f"  on a GPU: about {duration(seconds)} of one {card.name}, one run at a time: each cell "
        f"by the nearest\n    of {cases} measured cases ({card.when}), "
        "times its arithmetic where that is more"
    )
    if card.at_once > 1:
        runs, less = card.at_once, duration(seconds / card.gain)
        yield f"    with {runs} runs at a time (GANLORE_RUNS_PER_GPU={runs}): about {less}"
    for network, measured in others.items():
        yield f"    {network} was not measured on it: taken from {listed(sorted(measured))}"
    if seconds / 3600 > PART:
        yield _part(costs.plan, seconds / 3600)


def _here(costs: Costs, cores: int, patience: float, gpu: bool) -> Iterator[str]:
    """Time on this machine, from a few steps of the cells."""
    plan, runs = costs.plan, costs.plan.runs
    seconds, timed = costs.timed(patience)
    total = sum(seconds[run.cell] + BESIDE for run in runs)
    slowest = max(seconds, key=lambda cell: seconds[cell])
    how = f"timed on a few steps of {'each cell' if timed == len(seconds) else f'{timed} cells'}"
    if timed < len(seconds):
        how += f", the other {len(seconds) - timed} by their arithmetic (--seconds)"
    place = "this GPU, one run at a time" if gpu else f"{cores} cores"
    hours = total / 3600 / (1 if gpu else cores)
    yield f"  here: about {duration(3600 * hours)} on {place}, {how}"
    if own := claims_own(plan):
        share = sum(seconds[run.cell] + BESIDE for run in runs if run.cell in own) / total
        yield f"  the claims' own cells: about {duration(3600 * share * hours)} of that"
    yield f"  the slowest cell: {' '.join(slowest)}, {duration(seconds[slowest])} a run"
    if gpu and hours > PART:
        yield _part(plan, hours)


def claims_own(plan: Plan) -> set[Cell]:
    """The cells that only the claims ask for."""
    if plan.study.claims is None:
        return set()
    without = expand(plan.study.model_copy(update={"claims": None, "ask": "all"}))
    return {run.cell for run in plan.runs} - {run.cell for run in without.runs}


def _part(plan: Plan, hours: float) -> str:
    """How to run a part of a long study first."""
    seeds = plan.study.seeds
    share = duration(3600 * hours / len(seeds))
    return (
        f"  a part first: --config 'seeds=[{seeds[0]}]' is {share}; the other seeds then add to it"
    )
