"""Settings: where a test's verdict is about, and a test over several as one part for each.

A setting is a data set, a network, the policy of optimisers and the budget. What holds in one need
not hold in another, so each has a verdict of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ganlore import formatting
from ganlore.study.claim_cells import firsts, named
from ganlore.study.claims import Cells, Test, Unit
from ganlore.study.run import Cell, Plan, Run

POLICIES = {
    "shared": "one optimiser for all",
    "published": "each loss's published settings",
    "searched": "each loss's settings by a search",
}

Place = tuple[str, str, str, int]
"""Data set, network, policy and steps of a run; no policy and 0 steps where there is none."""


class Setting(NamedTuple):
    """A setting, or several that a test joins.

    Attributes:
        datasets: the data sets.
        networks: the networks; none where real data are measured.
        policies: of optimisers.
        steps: of the discriminator, the budgets.
    """

    datasets: tuple[str, ...]
    networks: tuple[str, ...]
    policies: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()

    @property
    def words(self) -> str:
        """Its scope for a reader: digits, mlp, one optimiser for all, 4,000 steps."""
        parts = [formatting.listed(names) for names in self[:2] if names]
        if self.policies:
            parts.append(formatting.listed(POLICIES.get(name, name) for name in self.policies))
        if self.steps:
            parts.append(f"{formatting.listed(map(formatting.count, self.steps))} steps")
        return ", ".join(parts)


def split(plan: Plan, test: Test, unit: Unit = "seed") -> list[tuple[Setting, Test]]:
    """A test as its parts, one for each setting, each with the cells of that setting alone.

    A test stays whole whose question joins settings: whose unit is the data set, that measures a
    spread or an agreement over cells, or whose control is on other data or networks.
    """
    if test.take == "real-data":
        return [
            (Setting((name,), ()), test.model_copy(update={"treatment": Cells(datasets=[name])}))
            for name in test.treatment.datasets
        ]
    runs = firsts(plan, test)
    ours = _places(runs, test.treatment, test.trains)
    theirs = _places(runs, test.control, test.trains) if test.control else {}
    whole = [(_joined(ours.values()), test)]
    if unit == "dataset" or test.combine != "mean" or len(set(ours.values())) == 1:
        return whole
    if test.control and not {p[:2] for p in ours.values()} <= {p[:2] for p in theirs.values()}:
        return whole
    budgets = {place for place in ours.values() if place[2]}
    places = dict.fromkeys(
        place
        for place in ours.values()
        if place in budgets or place[:2] not in {there[:2] for there in budgets}
    )
    return [
        (
            _joined([place]),
            test.model_copy(
                update={
                    "treatment": _narrowed(test.treatment, ours, place),
                    "control": test.control and _narrowed(test.control, theirs, place),
                }
            ),
        )
        for place in places
    ]


def _places(runs: dict[Cell, Run], cells: Cells, trained: bool) -> dict[Cell, Place]:
    """The place of each cell; of one that has no run its data set and network alone.

    Cells that are not trained have no steps.
    """
    places = {}
    for cell in named(cells):
        training = runs[cell].training if cell in runs else None
        budget = (str(training.policy), trained * training.steps) if training else ("", 0)
        places[cell] = (cell.dataset, cell.network, *budget)
    return places


def _narrowed(cells: Cells, places: dict[Cell, Place], place: Place) -> Cells:
    """The cells at a place; where none has its budget, those of its data set and network."""
    same = {cell.variant for cell, there in places.items() if there == place}
    variants = [name for name in cells.variants if name in same] or cells.variants
    dataset, network, *_ = place
    return cells.model_copy(
        update={"datasets": [dataset], "networks": [network], "variants": variants}
    )


def _joined(places: Iterable[Place]) -> Setting:
    datasets, networks, policies, steps = (
        tuple(dict.fromkeys(column)) for column in zip(*places, strict=True)
    )
    return Setting(
        datasets, networks, tuple(filter(None, policies)), tuple(sorted(filter(None, steps)))
    )
