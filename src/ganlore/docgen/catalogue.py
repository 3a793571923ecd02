"""Losses, tricks and studies as the pages describe them, from what they declare.

Only the package's own plug-ins are described: a user's own plug-ins do not belong to these pages.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

from ganlore import formatting
from ganlore.study import declarations, registry
from ganlore.study.compatibility import why_not
from ganlore.study.registry import Declaration
from ganlore.tricks import HOOKS, Trick


def own(kind: str) -> list[str]:
    """The names of the package's own plug-ins of a kind."""
    plugins = registry.find(kind).items()
    return [name for name, path in plugins if path.is_relative_to(declarations.PACKAGE)]


def prose(text: str) -> str:
    """Text with the signs of Markdown in it (`f*`, `a < b`) escaped."""
    return re.sub(r"([*<\[\]])", r"\\\1", text)


def codes(names: Iterable[str]) -> str:
    """Names as code in a phrase: `a`, `b` and `c`."""
    return formatting.listed(f"`{name}`" for name in names)


# -- losses, tricks and networks -------------------------------------------------------------------


@dataclass(frozen=True)
class Plugin:
    """A loss, a trick or a network."""

    declared: Declaration

    @property
    def name(self) -> str:
        """Its name in studies."""
        return self.declared.name

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return prose(self.declared.summary)

    @property
    def formula(self) -> tuple[str, str]:
        """What the discriminator and the generator minimise."""
        discriminator, generator = self.declared.fact("formula", ("-", "-"))
        return discriminator, generator

    @property
    def optimizer(self) -> str:
        """The published optimiser."""
        return formatting.optimizer(self.declared.settings({})["optimizer"])

    @property
    def n_critic(self) -> int:
        """Discriminator steps for each generator step."""
        return int(self.declared.settings({})["n_critic"])

    @property
    def tip(self) -> str:
        """What a trick promises."""
        return prose(self.declared.fact("tip", "-"))

    @property
    def paper(self) -> str:
        """Its source, with links."""
        return formatting.links(self.declared.fact("paper"))

    @property
    def settings(self) -> str:
        """Its settings with their defaults; those of its parts for a combination."""
        if parts := self.declared.fact("combines"):
            return f"those of {codes(parts)}"
        settings = self.declared.settings({})
        rest = {k: v for k, v in settings.items() if k not in ("optimizer", "n_critic")}
        return ", ".join(f"`{k}` {formatting.setting(v)}" for k, v in rest.items()) or "none"

    @property
    def deviations(self) -> list[str]:
        """Where it differs from its paper, with what it has under the policy `published`."""
        declared: dict[str, Any] = self.declared.fact("published", {})
        values = [f"`{name}` {formatting.setting(value)}" for name, value in declared.items()]
        own = [f"The policy `published` has {formatting.listed(values)}."] if values else []
        return [*map(prose, self.declared.fact("deviations", ())), *own]

    @property
    def not_applicable(self) -> list[str]:
        """What it cannot be combined with, one text for each reason."""
        every, grouped = places(), dict[tuple[str, tuple[Place, ...]], list[str]]()
        for gap in gaps():
            names = gap.losses if self.declared.kind == "loss" else gap.tricks
            if self.name in names:
                others = [name for name in gap.losses + gap.tricks if name != self.name]
                grouped.setdefault((gap.text, gap.places), []).extend(others)
        texts = []
        for (text, where), others in grouped.items():
            parts = [f"with {codes(others)}"] if others else []
            parts += [f"on {_where(where, every)}"] if len(where) < len(every) else []
            texts.append(f"{' '.join(parts)}: {prose(text)}")
        return texts


def losses() -> list[Plugin]:
    """All losses, by name."""
    return [Plugin(registry.declaration("loss", name)) for name in own("loss")]


def tricks() -> list[Plugin]:
    """All tricks, by name."""
    return [Plugin(registry.declaration("trick", name)) for name in own("trick")]


def networks() -> list[Plugin]:
    """All networks, by name."""
    return [Plugin(registry.declaration("network", name)) for name in own("network")]


def note(root: Path, folder: str, name: str) -> str:
    """What was written by hand on a plug-in, `docs/notes/<folder>/<name>.md`; empty if nothing."""
    path = root / "docs" / "notes" / folder / f"{name}.md"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def n_critic_phrase() -> str:
    """Which losses make more than one discriminator step for each of the generator."""
    by_number: dict[int, list[str]] = {}
    for loss in losses():
        by_number.setdefault(loss.n_critic, []).append(loss.name)
    return "; ".join(
        f"{n} for {formatting.listed(by_number[n])}" for n in sorted(by_number) if n > 1
    )


def hooks() -> dict[str, dict[str, str]]:
    """The hooks of a trick: {group: {hook: the first line of its docstring}}."""
    return {
        group: {name: _first_line(getattr(Trick, name)) for name in names}
        for group, names in HOOKS.items()
    }


def _first_line(method: object) -> str:
    return (inspect.getdoc(method) or "-").split("\n")[0]


def properties() -> dict[str, tuple[list[str], list[str]]]:
    """Properties of data, networks and losses: {name: (who provides it, who requires it)}."""
    plugins = [registry.declaration(kind, name) for kind in registry.KINDS for name in own(kind)]
    provided = {one.name: {*one.fact("provides", ()), *one.fact("provides_if", {})}
                for one in plugins}  # fmt: skip
    required = {one.name: set(one.fact("requires", {})) for one in plugins}
    return {
        thing: ([n for n in provided if thing in provided[n]],
                [n for n in required if thing in required[n]])
        for thing in sorted(set().union(*provided.values(), *required.values()))
    }  # fmt: skip


# -- what has no meaning together ------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """A data set and a network that go together."""

    dataset: str
    network: str


@dataclass(frozen=True)
class Gap:
    """Plug-ins that have no meaning together, and where.

    Attributes:
        losses: the loss; none where a trick, or two, are the reason alone.
        tricks: no trick, one, or two that cannot be combined.
        text: the reason.
        places: the data sets and networks on which it holds.
    """

    losses: tuple[str, ...]
    tricks: tuple[str, ...]
    text: str
    places: tuple[Place, ...]


def places() -> list[Place]:
    """All data sets with the networks that they can have."""
    return [
        Place(dataset, network)
        for dataset in own("dataset")
        for network in own("network")
        if not why_not(dataset, network)
    ]


def gaps() -> list[Gap]:
    """What has no meaning together (`compatibility.why_not`), each reason at its smallest cause.

    A loss that needs labels is listed once for all tricks, on the data sets that have none.
    """
    where = tuple(places())
    facts = [registry.declaration(k, n).facts for k in ("loss", "trick") for n in own(k)]
    return list(_gaps(where, repr(facts)))


@cache
@registry.unchanging()
def _gaps(where: tuple[Place, ...], _declared: str) -> tuple[Gap, ...]:
    alone = [((name,), ()) for name in own("loss")] + [((), (name,)) for name in own("trick")]
    pairs = [((one,), (other,)) for one in own("loss") for other in own("trick")]
    twice = [((), both) for both in combinations(own("trick"), 2)]
    held_at: dict[tuple[tuple[str, ...], tuple[str, ...], str], list[Place]] = {}
    explained: set[tuple[Place, str]] = set()
    for losses, tricks in (*alone, *pairs, *twice):
        for place in where:
            if any((place, name) in explained for name in losses + tricks):
                continue
            loss = losses[0] if losses else None
            reason = why_not(place.dataset, place.network, loss, tricks)
            if reason:
                held_at.setdefault((losses, tricks, reason.text), []).append(place)
                if len(losses + tricks) == 1:
                    explained.add((place, *losses, *tricks))
    return tuple(Gap(*key, tuple(held)) for key, held in held_at.items())


def _where(some: tuple[Place, ...], every: list[Place]) -> str:
    """Places in words: data sets, where the network does not matter, or networks, or both."""
    for field in ("dataset", "network"):
        names = dict.fromkeys(getattr(place, field) for place in some)
        if {p for p in every if getattr(p, field) in names} == set(some):
            return codes(names)
    return formatting.listed(f"`{p.dataset}` with `{p.network}`" for p in some)


@dataclass(frozen=True)
class Matrix:
    """What cannot be combined on one kind of data.

    Attributes:
        provided: what these data sets provide.
        places: the data sets with their networks.
        alone: {loss or trick that does not apply: mark, for example `(3) on `ring``}.
        pairs: {(loss, trick): marks}.
    """

    provided: tuple[str, ...]
    places: tuple[Place, ...]
    alone: list[tuple[str, str]]
    pairs: dict[tuple[str, str], list[str]]


@dataclass(frozen=True)
class Compatibility:
    """All that cannot be combined: a matrix for each kind of data, pairs of tricks, reasons."""

    matrices: list[Matrix]
    trick_pairs: Sequence[tuple[tuple[str, ...], int]]
    reasons: list[str]


def compatibility() -> Compatibility:
    """What cannot be combined, with reasons numbered from 1."""
    every = gaps()
    reasons = list(dict.fromkeys(gap.text for gap in every))
    kinds: dict[tuple[str, ...], list[Place]] = {}
    for place in places():
        provided = registry.declaration("dataset", place.dataset).provided()
        kinds.setdefault(tuple(sorted(provided)), []).append(place)
    matrices = [_matrix(kind, tuple(where), every, reasons) for kind, where in kinds.items()]
    twice = [(gap.tricks, reasons.index(gap.text) + 1) for gap in every if len(gap.tricks) == 2]
    return Compatibility(matrices, twice, reasons)


def _matrix(
    provided: tuple[str, ...], where: tuple[Place, ...], every: list[Gap], reasons: list[str]
) -> Matrix:
    alone, pairs = list[tuple[str, str]](), dict[tuple[str, str], list[str]]()
    for gap in every:
        here = tuple(place for place in where if place in gap.places)
        if not here or len(gap.tricks) == 2:
            continue
        mark = f"({reasons.index(gap.text) + 1})"
        if len(here) < len(where):
            mark += f" on {_where(here, list(where))}"
        if gap.losses and gap.tricks:
            pairs.setdefault((gap.losses[0], gap.tricks[0]), []).append(mark)
        else:
            alone.append(((gap.losses + gap.tricks)[0], mark))
    return Matrix(provided, where, alone, pairs)
