"""Which of its claims a study asks (`ask`): those alone have their cells trained.

Others are judged by the runs that are there, and are not tested where one is lacking.
"""

from __future__ import annotations

from collections.abc import Iterator

from ganlore.errors import GanloreError, unknown
from ganlore.study.claims import Claim, Claims, Test
from ganlore.study.schema import Study


def in_part(study: Study) -> Study:
    """The study with those tests alone that it asks, of claims that it asks in part (C14/1).

    Raises:
        GanloreError: for an unknown claim or test, with the nearest name.
    """
    if study.ask == "all":
        return study
    if study.claims is None:
        raise GanloreError(f"study {study.name}: ask names claims, and the study has none")
    wanted: dict[str, set[int]] = {}
    for entry in study.ask:
        name, _, number = entry.partition("/")
        claim = _claim(study, study.claims, name)
        every = range(1, len(claim.tests) + 1)
        if number and int(number) not in every:
            raise GanloreError(
                f"study {study.name}: ask: {entry}: {name} has the tests 1 to {len(claim.tests)}"
            )
        wanted.setdefault(name, set()).update([int(number)] if number else every)
    claims = {
        name: _some(claim, wanted[name]) if name in wanted else claim
        for name, claim in study.claims.claims.items()
    }
    trimmed = study.claims.model_copy(update={"claims": claims})
    return study.model_copy(update={"claims": trimmed, "ask": sorted(wanted)})


def names(study: Study) -> set[str]:
    """The claims that a study asks, and all of its controls."""
    if study.claims is None:
        return set()
    everything = set(study.claims.everything)
    return everything if study.ask == "all" else {*study.claims.controls, *study.ask}


def tests(study: Study) -> Iterator[tuple[str, Test]]:
    """The tests that a study asks, each with its place in the file of claims."""
    asked = names(study)
    for where, test in study.claims.tests if study.claims else ():
        if where.split(".")[1] in asked:
            yield where, test


def _claim(study: Study, claims: Claims, name: str) -> Claim:
    if name not in claims.claims:
        raise unknown("claim", name, sorted(claims.claims), f"study {study.name}: ask")
    return claims.claims[name]


def _some(claim: Claim, numbers: set[int]) -> Claim:
    """A claim with some of its tests, which says so."""
    count = len(claim.tests)
    if len(numbers) == count:
        return claim
    kept = [test for number, test in enumerate(claim.tests, start=1) if number in numbers]
    note = f"{claim.note} Asked here by {len(kept)} of its {count} tests.".strip()
    return claim.model_copy(update={"tests": kept, "note": note, "of": count})
