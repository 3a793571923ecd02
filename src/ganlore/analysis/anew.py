"""Claims judged on runs that are there, whose study may have had others: nothing is trained."""

from __future__ import annotations

import functools
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from ganlore import formatting
from ganlore.analysis.claims.describe import WIDTH
from ganlore.analysis.claims.results import ClaimResult
from ganlore.analysis.claims.verdicts import VERDICTS, counted
from ganlore.analysis.results import Results
from ganlore.analysis.tables import CELL, Tables
from ganlore.study.claims import Claims
from ganlore.study.expand import expand
from ganlore.study.run import Plan


def judge(claims: Claims, plan: Plan, tidy: Tables) -> list[ClaimResult]:
    """The results of some claims on a study's runs; what lacks a run is not tested, and says so.

    Args:
        claims: the definitions.
        plan: of the study whose runs they are.
        tidy: the tables of its runs.
    """
    asked = expand(plan.study.model_copy(update={"claims": claims}))
    there = set(tidy.runs[[*CELL, "train_seed"]].itertuples(index=False, name=None))
    runs = tuple(run for run in asked.runs if (*run.cell, run.seed) in there)
    return Results(replace(asked, runs=runs), tidy).claims


def lines(claims: Claims, plan: Plan, tidy: Tables) -> Iterator[str]:
    """What `ganlore claims STUDY --results` prints: each claim's verdict, effect, scope and note.

    First stands which definitions are not those that the runs' own study has, last the tally.
    """
    before = plan.study.claims.everything if plan.study.claims else {}
    other = [name for name, claim in claims.everything.items() if claim != before.get(name)]
    told = f"defined otherwise than there: {formatting.listed(other)}" if other else "as there"
    yield f"judged on the {len(tidy.runs):,} runs of {plan.study.name}, {told}"
    wrap = functools.partial(
        textwrap.wrap, width=WIDTH, initial_indent="     ", subsequent_indent="       "
    )
    results = judge(claims, plan, tidy)
    for one in results:
        state = f" ({'as' if one.passed else 'not as'} it must be)" if one.is_control else ""
        yield f"{one.id}  {one.verdict}{state}: {one.definition.statement}"
        scope = "; ".join(filter(None, [one.scope, one.summary]))
        for text in (one.deciding.in_words, scope, one.note):
            if text:
                yield from wrap(text)
    controls = [one for one in results if one.is_control]
    counts = Counter(one.verdict for one in results if not one.is_control)
    yield ", ".join(
        [counted(word, counts[word]) for word in VERDICTS if counts[word]]
        + [f"{sum(one.passed for one in controls)} of {len(controls)} controls are as they must be"]
        * bool(controls)
    )
