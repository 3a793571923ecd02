"""Claims judged on runs that are there, whose study may have had others: nothing is trained."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterator
from dataclasses import replace

from ganlore import formatting
from ganlore.analysis.claims.describe import WIDTH
from ganlore.analysis.claims.results import ClaimResult
from ganlore.analysis.claims.verdicts import counted, tally
from ganlore.analysis.results import Results
from ganlore.analysis.tables import CELL, Tables
from ganlore.errors import GanloreError
from ganlore.study import asking
from ganlore.study.claims import Claims
from ganlore.study.expand import expand
from ganlore.study.run import Plan
from ganlore.study.schema import Study


def judge(asked: Study, plan: Plan, tidy: Tables) -> list[ClaimResult]:
    """The results of a study's claims on another's runs; what lacks a run is not tested.

    Args:
        asked: has the claims, and variants that they name.
        plan: of the study whose runs they are.
        tidy: the tables of its runs.

    Raises:
        GanloreError: if they cannot be asked of that study, which may be a search.
    """
    changes = {
        "claims": asking.in_part(asked).claims,
        "ask": "all",  # nothing is trained
        "variants": {**asked.variants, **plan.study.variants},
    }
    try:
        judged = expand(plan.study.model_copy(update=changes))
    except GanloreError as error:
        raise GanloreError(
            f"the claims of {asked.name} cannot be asked of the runs of {plan.study.name}: {error}"
        ) from None
    there = set(tidy.runs[[*CELL, "train_seed"]].itertuples(index=False, name=None))
    runs = tuple(run for run in judged.runs if (*run.cell, run.seed) in there)
    study = judged.study
    if plan.study.ask != "all" and study.claims:
        names = [name for name in plan.study.ask if name in study.claims.claims]
        study = study.model_copy(update={"ask": names})
    return Results(replace(judged, study=study, runs=runs), tidy).claims


def differences(asked: Claims, there: Claims | None) -> list[str]:
    """What is defined otherwise in one file of claims than in another, in words."""
    if there is None:
        return ["all of it, since that study has no claims"]
    one, other = asked.everything, there.everything
    changed = [name for name, claim in one.items() if name in other and claim != other[name]]
    named = {
        "": changed,
        " (not there)": [name for name in one if name not in other],
        " (there alone)": [name for name in other if name not in one],
    }
    settings = [name for name in ("alpha", "gates") if getattr(asked, name) != getattr(there, name)]
    return settings + [name + where for where, names in named.items() for name in names]


def lines(asked: Study, plan: Plan, tidy: Tables) -> Iterator[str]:
    """What `ganlore claims STUDY --results` prints: each claim's verdict, effect, scope and note.

    First stands what is defined otherwise than in the runs' own study, last the tally.
    """
    asked = asking.in_part(asked)
    assert asked.claims is not None
    results = judge(asked, plan, tidy)
    other = differences(asked.claims, plan.study.claims)
    told = f"defined otherwise than there: {formatting.listed(other)}" if other else "as there"
    yield f"judged on the {len(tidy.runs):,} runs of {plan.study.name}, {told}"
    wrap = functools.partial(
        textwrap.wrap, width=WIDTH, initial_indent="     ", subsequent_indent="       "
    )
    for one in results:
        state = f" ({'as' if one.passed else 'not as'} it must be)" if one.is_control else ""
        yield f"{one.id}  {one.verdict}{state}: {one.definition.statement}"
        scope = "; ".join(filter(None, [one.scope, one.summary]))
        for text in (one.deciding.in_words, scope, one.note):
            yield from wrap(text)
    counts = tally(one.verdict for one in results if not one.is_control)
    controls = [one for one in results if one.is_control]
    yield ", ".join(counted(*item) for item in counts.items())
    if controls:
        passed = sum(one.passed for one in controls)
        yield f"{passed} of {len(controls)} controls as they must be"
