"""From the tests of all claims to a verdict on each test, on each setting, and on each claim."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ganlore.analysis import random_effects
from ganlore.analysis.claims import verdicts
from ganlore.analysis.claims.describe import directed, subject
from ganlore.analysis.claims.results import ClaimResult, Overall, SettingResult, TestResult
from ganlore.analysis.claims.settings import Setting
from ganlore.analysis.claims.verdicts import GATED, VERDICTS, Decision, Verdict
from ganlore.study.claims import Claim, Control


def decided(
    claims: Mapping[str, Claim], tests: Mapping[str, Sequence[TestResult]], alpha: float
) -> list[ClaimResult]:
    """The results of claims.

    Three questions of the same runs, each with its own two families of Holm's correction: on each
    test, on each setting by its tests, and on each claim by the tests of all settings whose gates
    are open. What holds for a claim holds for the tests that it is by.

    Args:
        claims: by name.
        tests: of each claim, with their settings and gates.
        alpha: the level of each family.
    """
    named = {(name, index): one for name, made in tests.items() for index, one in enumerate(made)}
    alone = verdicts.decide({key: [one.outcome] for key, one in named.items()}, alpha)
    places = _places(tests)
    there = verdicts.decide(
        {key: [one.outcome for one in made] for key, made in places.items()}, alpha
    )
    judged = {name: _judged(name, places, there) for name in claims}
    whole = verdicts.decide(
        {name: [one.outcome for one in made] for name, made in judged.items()}, alpha
    )
    for name, claim in claims.items():
        unanswered = _questions(tests[name]) - _questions(judged[name])
        if unanswered and not isinstance(claim, Control):
            whole[name] = _in_part(whole[name], _state(name, unanswered, places, there))
    made = []
    for name, claim in claims.items():
        own = {
            id(one): replace(one, verdict=_own(alone[name, index], whole[name], one, judged[name]))
            for index, one in enumerate(tests[name])
        }
        settings = tuple(
            SettingResult(setting, there[other, setting], tuple(own[id(one)] for one in parts))
            for (other, setting), parts in places.items()
            if other == name and setting is not None
        )
        result = ClaimResult(name, claim, whole[name], tuple(own.values()), settings)
        made.append(replace(result, overall=tuple(_overall(result))))
    return made


def _in_part(decision: Decision, state: Verdict) -> Decision:
    """The verdict on a claim, a question of which has none in any setting, but this state."""
    if decision.verdict == "contradicted":  # it might hold
        return replace(decision, verdict="does not hold")
    if decision.verdict == "holds":  # it might not
        return Decision(state)
    return decision


Question = tuple[str, str, str, float | None]


def _question(one: TestResult) -> Question:
    """What a test asks, which is the same in all settings."""
    test = one.definition
    return one.measure, test.claimed, test.scale, test.constant


def _questions(tests: Sequence[TestResult]) -> set[Question]:
    return {_question(one) for one in tests}


Key = tuple[str, Setting | None]


def _places(tests: Mapping[str, Sequence[TestResult]]) -> dict[Key, list[TestResult]]:
    """The tests of each claim in each setting."""
    places: dict[Key, list[TestResult]] = {}
    for name, made in tests.items():
        for one in made:
            places.setdefault((name, one.setting), []).append(one)
    return places


def _judged(
    name: str, places: Mapping[Key, Sequence[TestResult]], there: Mapping[Key, Decision]
) -> list[TestResult]:
    """The tests of a claim's settings whose gates are open, or of those least shut."""
    own = {key: there[key].verdict for key in places if key[0] == name}
    shut = [GATED.index(verdict) for verdict in own.values() if verdict in GATED]
    least = [GATED[min(shut)]] if len(shut) == len(own) else VERDICTS.keys() - set(GATED)
    wanted = [key for key, word in own.items() if word in least]
    return [one for key in wanted for one in places[key]]


def _state(
    name: str,
    unanswered: Iterable[Question],
    places: Mapping[Key, Sequence[TestResult]],
    there: Mapping[Key, Decision],
) -> Verdict:
    """The gate before these questions: of each the least shut of its settings', of all the most."""
    shut = [
        min(
            GATED.index(there[key].verdict)
            for key, made in places.items()
            if key[0] == name and question in _questions(made)
        )
        for question in unanswered
    ]
    return GATED[max(shut)]


def _own(
    alone: Decision, whole: Decision, one: TestResult, judged: Sequence[TestResult]
) -> Verdict:
    """The verdict on one test: its own, and that of a claim that holds by all of its tests."""
    by_claim = whole.verdict == "holds" and any(other is one for other in judged)
    return "holds" if by_claim else alone.verdict


def _overall(result: ClaimResult) -> list[Overall]:
    """Each measure that has a verdict in two settings or more, over these."""
    groups: dict[Question, list[TestResult]] = {}
    for one in result.judged:
        if result.verdict not in GATED:
            groups.setdefault(_question(one), []).append(one)
    return [
        _over(measure, made)
        for (measure, *_), made in groups.items()
        if len({one.setting for one in made}) > 1
    ]


def _over(measure: str, made: Sequence[TestResult]) -> Overall:
    errors = [0.0 if math.isnan(one.outcome.error) else one.outcome.error for one in made]
    mean = random_effects.combine(
        [one.effect[0] for one in made], [error * error for error in errors]
    )
    effect = (mean.effect, *mean.interval())
    log = made[0].definition.ratios
    holds = sum(one.verdict == "holds" for one in made)
    words = f"{subject(measure)} {directed(effect, log)} over {len(made)} settings"
    return Overall(measure, len(made), holds, effect, words)
