"""What losses, tricks and studies say of themselves, as blocks of Markdown.

Only the package's own plug-ins are told: the pages are the project's, whoever has a plug-in of
their own beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

from ganlore import formatting
from ganlore.study import declarations, registry, schema
from ganlore.study.compatibility import why_not
from ganlore.study.expand import expand
from ganlore.study.registry import Declaration


def own(kind: str) -> list[str]:
    """The names of the package's own plug-ins of a kind."""
    found = registry.find(kind).items()
    return [name for name, path in found if path.is_relative_to(declarations.PACKAGE)]


def code(text: str) -> str:
    """A span of code."""
    return f"`{text}`"


def prose(text: str) -> str:
    """A plug-in's own words: signs of Markdown in them (`f*`, `a < b`) are escaped."""
    return re.sub(r"([*<\[\]])", r"\\\1", text)


def table(header: list[str], rows: list[list[str]], numbers: int = 0) -> str:
    """A table in Markdown; the last `numbers` columns are aligned to the right.

    A pipe in a cell (`|grad D|`) is escaped: it would begin a column, in a span of code too.
    """

    def line(cells: list[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    rule = ["---"] * (len(header) - numbers) + ["--:"] * numbers
    return "\n".join([line(header), f"|{'|'.join(rule)}|", *map(line, rows)])


# -- losses and tricks -----------------------------------------------------------------------------


def losses() -> str:
    """A table of all losses."""
    header = ["loss", "discriminator minimises", "generator minimises", "published optimiser"]
    rows = []
    for name in own("loss"):
        declared = registry.declaration("loss", name)
        settings = declared.settings({})
        rows.append(
            [
                f"[{name}](docs/losses.md#{name})",
                *map(code, declared.fact("formula", ("-", "-"))),
                formatting.optimizer(settings["optimizer"]),
                str(settings["n_critic"]),
                formatting.links(declared.fact("paper")),
            ]
        )
    return table([*header, "n_critic", "paper"], rows)


def tricks() -> str:
    """A table of all tricks."""
    rows = []
    for name in own("trick"):
        declared = registry.declaration("trick", name)
        tip, paper = prose(declared.fact("tip", "-")), formatting.links(declared.fact("paper"))
        rows.append([f"[{name}](docs/tricks.md#{name})", tip, _settings(declared), paper])
    return table(["trick", "what it is", "settings", "paper"], rows)


def loss(name: str) -> str:
    """All that a loss declares, as a list."""
    declared = _declared("loss", name)
    formula, settings = declared.fact("formula", ("-", "-")), declared.settings({})
    items = [
        f"Discriminator minimises {code(formula[0])}",
        f"Generator minimises {code(formula[1])}",
        f"Published optimiser: {formatting.optimizer(settings['optimizer'])}",
        f"Discriminator steps for each generator step: {code('n_critic')} {settings['n_critic']}",
        f"Settings: {_settings(declared)}",
        f"Paper: {formatting.links(declared.fact('paper'))}",
        *(f"n/a {text}" for text in _gaps_of(declared)),
    ]
    return _described(declared, items)


def trick(name: str) -> str:
    """All that a trick declares, as a list."""
    declared = _declared("trick", name)
    items = [
        f"The tip: {prose(declared.fact('tip', '-'))}",
        f"Settings: {_settings(declared)}",
        f"Paper: {formatting.links(declared.fact('paper'))}",
        *(f"n/a {text}" for text in _gaps_of(declared)),
    ]
    return _described(declared, items)


def critic_steps() -> str:
    """Which losses make more than one discriminator step for each of the generator."""
    found: dict[int, list[str]] = {}
    for name in own("loss"):
        n = registry.declaration("loss", name).settings({})["n_critic"]
        if n > 1:
            found.setdefault(n, []).append(name)
    return "; ".join(f"{n} for {formatting.listed(names)}" for n, names in sorted(found.items()))


def _declared(kind: str, name: str) -> Declaration:
    registry.path_of(kind, name)
    return registry.declaration(kind, name)


def _described(declared: Declaration, items: list[str]) -> str:
    return "\n".join([prose(declared.summary), "", *(f"- {item}" for item in items)])


def _settings(declared: Declaration) -> str:
    """A plug-in's settings and their defaults, but for those that have a place of their own.

    A combination has those of its parts.
    """
    given = declared.settings({})
    told = {k: v for k, v in given.items() if k not in ("optimizer", "n_critic")}
    if parts := declared.fact("combines"):
        return f"those of {formatting.listed(map(code, parts))}"
    return ", ".join(f"{code(k)} {formatting.setting(v)}" for k, v in told.items()) or "none"


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
    """What has no meaning together, by `grid.why_not`; each reason once, at its smallest cause.

    A loss that needs labels is told once for all tricks, on the data sets that have none.
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
    found: dict[tuple[tuple[str, ...], tuple[str, ...], str], list[Place]] = {}
    known: set[tuple[Place, str]] = set()
    for losses, tricks in (*alone, *pairs, *twice):
        for place in where:
            if any((place, name) in known for name in losses + tricks):
                continue
            loss = losses[0] if losses else None
            reason = why_not(place.dataset, place.network, loss, tricks)
            if reason:
                found.setdefault((losses, tricks, reason.text), []).append(place)
                if len(losses + tricks) == 1:
                    known.add((place, *losses, *tricks))
    return tuple(Gap(*key, tuple(held)) for key, held in found.items())


def _gaps_of(declared: Declaration) -> Iterator[str]:
    """What a plug-in has no meaning with, one text for each reason."""
    every = places()
    found: dict[tuple[str, tuple[Place, ...]], list[str]] = {}
    for gap in gaps():
        names = gap.losses if declared.kind == "loss" else gap.tricks
        if declared.name in names:
            others = [name for name in gap.losses + gap.tricks if name != declared.name]
            found.setdefault((gap.text, gap.places), []).extend(others)
    for (text, where), others in found.items():
        told = [f"with {formatting.listed(map(code, others))}"] if others else []
        told += [f"on {_where(where, every)}"] if len(where) < len(every) else []
        yield f"{' '.join(told)}: {prose(text)}"


def _where(some: tuple[Place, ...], every: list[Place]) -> str:
    """Places in words: data sets, where the network does not matter, or networks, or both."""
    for field in ("dataset", "network"):
        names = dict.fromkeys(getattr(place, field) for place in some)
        if {p for p in every if getattr(p, field) in names} == set(some):
            return formatting.listed(map(code, names))
    return formatting.listed(f"{code(p.dataset)} with {code(p.network)}" for p in some)


def not_applicable() -> str:
    """For each kind of data a matrix of losses and tricks, with numbers in place of reasons."""
    every = places()
    kinds: dict[tuple[str, ...], list[Place]] = {}
    for place in every:
        provided = registry.declaration("dataset", place.dataset).provided()
        kinds.setdefault(tuple(sorted(provided)), []).append(place)
    found = gaps()
    numbered = {text: n for n, text in enumerate(dict.fromkeys(gap.text for gap in found), 1)}
    parts = [_matrix(provided, where, found, numbered) for provided, where in kinds.items()]
    return "\n\n".join([*parts, _pairs(found, numbered), _reasons(numbered)])


def _matrix(
    provided: tuple[str, ...], where: list[Place], found: list[Gap], numbered: dict[str, int]
) -> str:
    """One kind of data: what has no meaning at all, then a table of pairs that have none.

    The table has the losses and the tricks that miss something, not all of them.
    """

    def mark(gap: Gap) -> str | None:
        here = tuple(place for place in where if place in gap.places)
        note = f"({numbered[gap.text]})"
        if not here:
            return None
        return note if len(here) == len(where) else f"{note} on {_where(here, where)}"

    marked = [(gap, text) for gap in found if (text := mark(gap))]
    alone = [(gap, text) for gap, text in marked if len(gap.losses + gap.tricks) == 1]
    pairs = [(gap, text) for gap, text in marked if gap.losses and gap.tricks]

    def cell(loss: str, trick: str) -> str:
        marks = [text for gap, text in pairs if (gap.losses, gap.tricks) == ((loss,), (trick,))]
        return f"n/a {', '.join(marks)}" if marks else "runs"

    datasets = formatting.listed(dict.fromkeys(code(place.dataset) for place in where))
    networks = formatting.listed(dict.fromkeys(code(place.network) for place in where))
    parts = [
        f"## Data with {formatting.listed(provided)}",
        f"Data: {datasets}. Networks: {networks}. What is not named here runs.",
    ]
    if alone:
        names = (f"- {code(*gap.losses, *gap.tricks)}: n/a {text}" for gap, text in alone)
        parts.append("\n".join(names))
    if pairs:
        rows = sorted({gap.losses[0] for gap, _ in pairs})
        columns = sorted({gap.tricks[0] for gap, _ in pairs})
        body = [[f"**{row}**", *(cell(row, column) for column in columns)] for row in rows]
        parts.append(table(["", *columns], body))
    return "\n\n".join(parts)


def _pairs(found: list[Gap], numbered: dict[str, int]) -> str:
    """Tricks that cannot be combined with each other."""
    lines = [
        f"- {code(gap.tricks[0])} and {code(gap.tricks[1])} ({numbered[gap.text]})"
        for gap in found
        if len(gap.tricks) == 2
    ]
    title = "## Tricks that do not combine\n\n"
    return title + ("\n".join(lines) or "None: any tricks may be combined.")


def _reasons(numbered: dict[str, int]) -> str:
    return "## Reasons\n\n" + "\n".join(f"{n}. {prose(text)}" for text, n in numbered.items())


# -- studies ---------------------------------------------------------------------------------------


def runs(root: Path, study: str) -> str:
    """The number of runs of a study of `configs/`."""
    return f"{len(_runs(root, study)):,}"


def more_runs(root: Path, study: str, other: str) -> str:
    """The number of runs that a study has beyond those of another one."""
    return f"{len(_runs(root, study) - _runs(root, other)):,}"


def _runs(root: Path, study: str) -> set[str]:
    plan = expand(schema.load(root / "configs" / f"{study}.yaml"))
    mine = {kind: set(own(kind)) for kind in ("loss", "trick")}
    return {
        run.id
        for run in plan.runs
        if run.loss.name in mine["loss"] and {t.name for t in run.tricks} <= mine["trick"]
    }
