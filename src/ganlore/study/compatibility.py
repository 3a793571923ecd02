"""Which plug-ins have a meaning together, and why others have none. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from ganlore.study import registry


class Reason(NamedTuple):
    """Why plug-ins have no meaning together.

    Attributes:
        plugin: the one that declares it.
        other: the plug-in that it does not go with, None where the data lack something.
        text: the reason.
    """

    plugin: str
    other: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.plugin}{f' with {self.other}' if self.other else ''}: {self.text}"


def why_not(
    dataset: str,
    network: str,
    loss: str | None = None,
    tricks: Sequence[str] = (),
    settings: dict[str, Any] | None = None,
    extractors: Sequence[str] | None = None,
) -> Reason | None:
    """Why plug-ins have no meaning together, None where they have one.

    Any plug-in may declare `incompatible = {name of another plug-in: reason}`, and
    `requires = {something that another one provides: reason}`. What training takes features from
    (a trick's `extractors`) may not be what the data set is evaluated with.

    Args:
        dataset: a name, as the following ones.
        network: to be trained on it.
        loss: to be trained with.
        tricks: on top of the loss.
        settings: all of the data set's; its defaults where they are left out.
        extractors: of the evaluation; the data set's own where they are left out.
    """
    if twice := _twice(tricks):
        return twice
    tricks = tuple(dict.fromkeys((*applied(tricks), *tricks)))  # a combination declares too
    named = [("network", network), *([("loss", loss)] if loss else [])]
    parts = [registry.declaration(*name) for name in (*named, *(("trick", t) for t in tricks))]
    data = registry.declaration("dataset", dataset)
    provided = data.provided(settings)
    provided |= {thing for part in parts for thing in part.fact("provides", ())}
    evaluated = data.fact("extractors", ()) if extractors is None else extractors
    for part in parts:
        for need, text in part.fact("requires", {}).items():
            if need not in provided:
                asked = _losses_provide(need)
                if loss or not asked:
                    return Reason(part.name, loss if asked else None, text)
        for name in part.fact("extractors", ()):
            if name in evaluated:
                return Reason(
                    part.name,
                    dataset,
                    f"evaluation must use other features than training, and both would use {name}",
                )
        for name, text in part.fact("incompatible", {}).items():
            if name in (dataset, network, loss, *tricks):
                return Reason(part.name, name, text)
    return None


def instead_of(
    extractor: str,
    dataset: str,
    settings: dict[str, Any],
    used: Collection[str] = (),
    offline: bool = False,
) -> str:
    """Which extractors a data set can be evaluated with in place of one, as the line of an advice.

    Args:
        extractor: the one that cannot be used.
        dataset: the data set.
        settings: all of its settings.
        used: extractors that the study trains with, which may not evaluate.
        offline: leave out those whose weights are fetched.
    """
    if dataset not in registry.find("dataset"):  # prepared by a plug-in that is gone
        return "  `ganlore list extractors` says what each of the others needs of the data"
    provided = registry.declaration("dataset", dataset).provided(settings)
    options, refused = [], []
    for name in registry.find("extractor"):
        declared = registry.declaration("extractor", name)
        lacking = [
            why for need, why in declared.fact("requires", {}).items() if need not in provided
        ]
        if name == extractor or name in used or (offline and declared.fact("weights")):
            continue
        if lacking:
            refused.append(f"{name} ({lacking[0]})")
        else:
            options.append(f"`protocol: {{extractors: [{name}]}}`")
    if options:
        return f"  on the data set {dataset}, in place of {extractor}: {' or '.join(options)}"
    return (
        f"  on the data set {dataset} no other extractor can take the place of {extractor}: "
        f"{', '.join(refused)}"
    )


def _losses_provide(need: str) -> bool:
    """Whether it is for the loss to have a thing, rather than for the data or the network."""
    losses = (registry.declaration("loss", name) for name in registry.find("loss"))
    return any(need in loss.fact("provides", ()) for loss in losses)


def _twice(tricks: Sequence[str]) -> Reason | None:
    """Two tricks of which one is a part of the other, or that have a part in common."""
    seen: dict[str, str] = {}
    for trick in tricks:
        for part in applied([trick]):
            if part in seen:
                text = f"{part} would be applied twice: it is in both, or one of them is it"
                return Reason(trick, seen[part], text)
            seen[part] = trick
    return None


def applied(tricks: Sequence[str]) -> list[str]:
    """The tricks that are applied, in order: a combination's parts in its place."""
    parts_of_all: list[str] = []
    for trick in tricks:
        parts = registry.declaration("trick", trick).fact("combines", ())
        parts_of_all += applied(parts) if parts else [trick]
    return parts_of_all
