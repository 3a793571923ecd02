"""What `ganlore list` prints of a plug-in."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from ganlore import formatting
from ganlore.study.registry import Declaration

INDENT = 20
LABEL = 25
WIDTH = 110


def lines(declared: Declaration) -> Iterator[str]:
    """A plug-in's name and summary, then a line for each thing that it declares."""
    yield f"  {declared.name:<{INDENT - 3}} {declared.summary}"
    for label, text in _entries(declared):
        head = f"{'':{INDENT}}{label:<{LABEL}}"
        # a formula is copied: it stays on its line, however long
        broken = [text] if label.endswith("minimises") else textwrap.wrap(text, WIDTH - len(head))
        yield head + broken[0]
        yield from (f"{'':{len(head)}}{more}" for more in broken[1:])


def _entries(declared: Declaration) -> Iterator[tuple[str, str]]:
    if formula := declared.fact("formula"):
        yield "discriminator minimises", formula[0]
        yield "generator minimises", formula[1]
    if parts := declared.fact("combines"):
        yield "combines", formatting.listed(parts)
    settings = declared.settings({})
    if optimizer := settings.pop("optimizer", None):
        yield "published optimiser", formatting.optimizer(optimizer)
    if "n_critic" in settings:
        yield "n_critic", str(settings.pop("n_critic"))
    if settings:
        yield "settings", formatting.settings(settings)
    for fact in ("tip", "paper", "origin", "licence"):
        if declared.fact(fact, "-") != "-":
            yield fact, declared.fact(fact)
    for need, reason in declared.fact("requires", {}).items():
        yield "n/a without", f"{need}: {reason}"
    for name, reason in declared.fact("incompatible", {}).items():
        yield "n/a with", f"{name}: {reason}"
