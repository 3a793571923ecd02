"""The trials of a search: each rung is an ordinary study, whose variants are draws.

So a trial is trained, recorded, measured and resumed as any other run. A rung's trials begin anew:
what is scheduled over the budget (rates, noise, growing) then means what it says on each rung.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganlore.errors import GanloreError
from ganlore.study import registry, search
from ganlore.study.expand import expand
from ganlore.study.run import Cell, Plan
from ganlore.study.schema import Grid, Study, Training, Variant, merge, parse

Document = dict[str, Any]

Kept = Mapping[str, Sequence[int]]
"""The draws of each cell, by `search.key`."""


def name(draw: int) -> str:
    """The variant of a draw."""
    return f"draw{draw:04}"


def number(variant: str) -> int:
    """The draw of a variant."""
    return int(variant.removeprefix("draw"))


def cell_key(cell: Cell) -> str:
    """The name of a trial's cell in what a search writes: without its draw."""
    return search.key(*cell[:4])


def before(study: Study, rung: int) -> Kept:
    """The draws that a rung begins with.

    Raises:
        GanloreError: if the rung before has not kept any yet.
    """
    assert study.search is not None
    if rung == 1:
        return _all(study, study.search.draws)
    written = search.read(study, rung - 1)
    if written is None:
        raise GanloreError(
            f"{search.record(study, rung - 1)}: not there: rung {rung - 1} of the search is not "
            "done\n  run snakemake"
        )
    kept: Kept = written["kept"]
    return kept


def of_rung(study: Study, rung: int) -> Plan:
    """The trials of a rung, counted from 1; of those after the first once the one before is done.

    Raises:
        GanloreError: as `before`.
    """
    return expand(as_study(study, rung, before(study, rung)))


def forecast(study: Study) -> list[Plan]:
    """Trials of all rungs as they will be in number; the first draws stand for those kept.

    None of a study that searches nothing.
    """
    if study.search is None:
        return []
    plans, n = [], study.search.draws
    for rung in range(1, len(study.search.rungs) + 1):
        plans.append(expand(as_study(study, rung, _all(study, n))))
        n = study.search.kept(n, rung)
    return plans


@registry.unchanging()
def as_study(study: Study, rung: int, kept: Kept) -> Study:
    """A rung as a study of its own, in a folder below the study's results."""
    own = study.search
    assert own is not None
    drawn, share = search.draws(own), own.rungs[rung - 1]
    used = sorted({draw for draws in kept.values() for draw in draws})
    cells = [key.split("/") for key in kept]
    losses, networks = {cell[2] for cell in cells}, {cell[1] for cell in cells}
    search.check_space(own.space, f"study {study.name}: search.space", losses, networks)
    variants = {name(draw): _variant(study, drawn[draw], losses, networks) for draw in used}
    document = study.model_dump(mode="json") | {
        "name": f"{study.name}-rung{rung}",
        "results": f"{study.results}/search/rung{rung}",
        "reports": f"{study.reports}/search/rung{rung}",
        "seeds": own.seeds,
        "search": None,
        "exclude": [],
        "training": _training(study.training, {}, share),
        "variants": variants,
        "grids": [_grid(study, cell, kept["/".join(cell)], share) for cell in cells],
    }
    return parse(document, f"study {study.name}: rung {rung}")


def _variant(study: Study, draw: Document, losses: set[str], networks: set[str]) -> Document:
    """What a draw sets of every loss and network of the study."""
    some = next(iter(networks))
    of_losses = {loss: search.settings(study, draw, loss, some)["loss"] for loss in losses}
    some_loss = next(iter(losses))
    of_networks = {
        network: search.settings(study, draw, some_loss, network)["network"] for network in networks
    }
    return Variant(losses=of_losses, networks=of_networks).model_dump(mode="json")


def _training(training: Training, change: Document, share: float) -> Document:
    """A grid's training on a rung: a share of its budget, and one snapshot at its end."""
    budget = merge(training.model_dump(mode="json"), change)["budget"]
    return merge(training.model_dump(mode="json"), change) | {
        "policy": "shared",
        "snapshots": 1,
        "budget": round(share * budget),
    }


def _grid(study: Study, cell: Sequence[str], draws: Sequence[int], share: float) -> Document:
    """A grid of one cell's trials, with what the study's own grid changes."""
    dataset, network, loss, trick = cell
    own = next(grid for grid in study.grids if _has(grid, dataset, network, loss, trick))
    assert study.search is not None
    return Grid(
        datasets=[dataset],
        networks=[network],
        losses=[loss],
        tricks=[trick.split("+")],
        variants=[name(draw) for draw in draws],
        training=_training(study.training.of_runs, own.training, share),
        protocol=own.protocol | study.search.protocol,
    ).model_dump(mode="json")


def _has(grid: Grid, dataset: str, network: str, loss: str, trick: str) -> bool:
    """Whether a grid has a cell."""
    tricks = grid.tricks
    named = tricks == "all" or trick.split("+") in [
        [t] if isinstance(t, str) else t for t in tricks
    ]
    return (
        dataset in grid.datasets
        and network in grid.networks
        and (grid.losses == "all" or loss in grid.losses)
        and named
    )


def _all(study: Study, n: int) -> Kept:
    """The first n draws of every cell of the study that runs."""
    cells = dict.fromkeys(cell_key(run.cell) for run in expand(study).runs)
    return {cell: range(n) for cell in cells}
