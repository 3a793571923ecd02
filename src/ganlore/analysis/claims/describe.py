"""Claims in words: what a test measures, and numbers as a reader takes them. No pandas here."""

from __future__ import annotations

import functools
import math
import textwrap
from collections.abc import Iterator, Mapping

from ganlore import formatting
from ganlore.study import asking, claim_cells
from ganlore.study.claims import Cells, Test
from ganlore.study.run import Plan

_WORDS = {
    "step_ms": "time of a step",
    "step_gflop": "arithmetic of a step",
    "step_memory_mb": "memory of a step",
    "d_loss": "the discriminator's loss",
    "g_loss": "the generator's loss",
    "real_logit": "the logit of real samples",
    "fake_logit": "the logit of generated samples",
    "real_probability": "the probability given to real samples",
    "fake_probability": "the probability given to generated samples",
    "d_gradient_norm": "the norm of the discriminator's gradient",
    "g_gradient_norm": "the norm of the generator's gradient",
    "d_gradient_slope": "the slope of the discriminator's gradient over layers, in powers of ten",
}
"""What a step costs, and what a run's history has of each step, in words."""

WIDTH = 110

SHORT = 3
"""So many losses are listed by name."""

_TAKEN = {
    "end": "{of}",
    "best": "{of} at the best snapshot",
    "average": "{of}, mean over the second half",
    "unsteadiness": "movement of {of} over the last third",
    "decline": "{of} at its {worse} over its {better}",
    "far-from-best": "share of runs whose {of} is {factor:g} times the best {among} or worse",
    "failed": "share of runs that diverged or collapsed",
    "tracking": "rank correlation of {of} and {along}",
    "stopping": "{along} where {of} is lowest, over its best",
    "time-to": "share of the {axis}'s steps until {of} is {target}",
    "late": "{of} over the last third",
    "at-best": "{of} at the best snapshot",
    "cost": "{of}",
    "real-data": "{of} of real data, {input}",
    "hopping": "movement of modes while collapsed",
}


def describe(test: Test, sets: Mapping[str, list[str]] | None = None) -> str:
    """A test in words: what is measured, of which cells, against which.

    Args:
        test: the test.
        sets: named lists of losses; where a side has just those, the name is used.
    """
    what = _TAKEN[test.take].format(
        of=_label(test.of),
        along=_label(test.along),
        factor=test.factor,
        among="of its loss" if test.among == "loss" else "of all",
        axis=test.axis,
        input=test.input,
        worse="best" if _higher(test.of) else "end",
        better="end" if _higher(test.of) else "best",
        target="as good as the control's median end" if test.target is None else f"{test.target:g}",
    )
    if test.relative_to_floor:
        what = f"{what}, as a multiple of its floor"
    if test.distance_from is not None:
        what = f"distance from {test.distance_from:g} of {what}"
    if test.absolute:
        what = f"size of {what}"
    if test.combine == "spread":
        what = f"spread of {what}"
    if test.combine == "agreement":
        what = f"agreement of the losses' ranking by {what}"
    if test.relative_to:
        what = f"{what}, relative to {', '.join(test.relative_to.values())}"
    ours = _phrases(test.treatment, sets or {})
    if test.control is None:
        against = "" if test.constant is None else f" against {test.constant:g}"
        return f"{what}: {_joined(ours)}{against}"
    theirs = _phrases(test.control, sets or {})
    both = {axis: text for axis, text in ours.items() if theirs[axis] == text and text}
    left, right = (
        _joined({axis: text for axis, text in side.items() if axis not in both}) or "plain"
        for side in (ours, theirs)
    )
    word = left.split(" ", 1)[0]
    if word in {"with", "as", "in", "on"}:
        right = right.removeprefix(f"{word} ")
    common = f" ({_joined(both)})" if both else ""
    return f"{what}: {left} against {right}{common}"


def subject(measure: str) -> str:
    """What is measured as the beginning of a line; a colon follows where that is several words."""
    measure = measure.removeprefix("the ")
    measure = measure[0].upper() + measure[1:]
    return f"{measure}:" if " " in measure else measure


def directed(effect: tuple[float, float, float], log: bool) -> str:
    """An effect with its interval in words that say its direction.

    12 % lower, 8 to 15 %; and where it may be either, 2 % lower, from 5 % lower to 1 % higher.

    Args:
        effect: treatment less control, and the ends of the interval, the lower one first.
        log: whether they are differences of logarithms.
    """
    value, low, high = effect
    if math.isnan(low) or math.isnan(high):
        return _toward(value, log)
    if low * high < 0:
        return f"{_toward(value, log)}, from {_toward(low, log)} to {_toward(high, log)}"
    times = _in_times(value, log)
    first, second = (_amount(end, log, times) for end in sorted((low, high), key=abs))
    unit = first.rsplit(" ", 1)[-1] if log else ""
    return f"{_toward(value, log)}, {first.removesuffix(f' {unit}')} to {second}"


def which(verdict: str, tests: int) -> str:
    """Which of a claim's tests its verdict depends on; empty where it has one."""
    word = "strongest against it" if verdict == "contradicted" else "weakest"
    return f"{word} of {tests} tests" if tests > 1 else ""


def held_against(effect: tuple[float, float, float], bar: float, log: bool) -> str:
    """A value with its interval beside what it is held against: 0.04 (0.03 to 0.05), ... 0.25.

    Args:
        effect: the value and the ends of its interval, the lower one first.
        bar: what it had to pass.
        log: whether they are logarithms, which are told as factors.
    """
    if log:
        value, low, high, least = (formatting.factor(math.exp(x)) for x in (*effect, bar))
        return f"{value} times ({low} to {high}), held against {least}"
    value, low, high = (formatting.difference(end, sign=False) for end in effect)
    return f"{value} ({low} to {high}), held against {formatting.signed(f'{bar:g}')}"


def timed(
    effect: tuple[float, float, float], log: bool, arrived: Mapping[str, tuple[int, int]]
) -> str:
    """An effect in words; one on a time with how many runs came to the target.

    The others count with the budget: where none of the slower side's runs came there, its time and
    so the effect are bounds.

    Args:
        effect: as in `directed`.
        log: likewise.
        arrived: by side, how many runs of how many came there; empty for what is no time.
    """
    if all(came == n for came, n in arrived.values()):
        return directed(effect, log)
    slower = "treatment" if effect[0] > 0 else "control"
    never = slower in arrived and arrived[slower][0] == 0
    words = f"at least {_toward(effect[0], log)}" if never else directed(effect, log)
    counts = ", ".join(f"{came} of {n} runs of {side}" for side, (came, n) in arrived.items())
    return f"{words} ({counts} get there)"


def _toward(value: float, log: bool) -> str:
    """A difference as an amount and its direction: 12 % lower; 23 times as high."""
    times = _in_times(value, log)
    direction = "as high" if times else "lower" if value < 0 else "higher"
    return f"{_amount(value, log, times)} {direction}"


def _in_times(value: float, log: bool) -> bool:
    """Whether a difference is told as a multiple, from a doubling on."""
    return log and value >= math.log(2)


def _amount(value: float, log: bool, times: bool) -> str:
    """A difference's size: in its unit, as a multiple, or in per cent."""
    if times:
        return f"{formatting.factor(math.exp(value))} times"
    if not log:
        return formatting.difference(abs(value), sign=False)
    percent = 100 * abs(math.expm1(value))
    whole = formatting.less(percent) if value < 0 else f"{percent:,.0f}"
    return f"{whole if percent >= 10 else format(percent, '.2g')} %"


def _phrases(cells: Cells, sets: Mapping[str, list[str]]) -> dict[str, str]:
    """Losses, tricks, variants, networks and data sets in words; empty where they are ordinary."""
    tricks = cells.tricks if isinstance(cells.tricks, list) else [cells.tricks]
    names = ["+".join([trick] if isinstance(trick, str) else trick) for trick in tricks]
    variants = cells.variants
    return {
        "losses": _losses(cells, sets),
        "tricks": "" if names == ["none"] else f"with {formatting.listed(names)}",
        "variants": "" if variants == ["base"] else f"as {formatting.listed(variants)}",
        "networks": "" if cells.networks == ["mlp"] else f"in {formatting.listed(cells.networks)}",
        "datasets": f"on {formatting.listed(cells.datasets)}",
    }


def _losses(cells: Cells, sets: Mapping[str, list[str]]) -> str:
    if not cells.losses:
        return ""
    if cells.losses == "all":
        return "all losses"
    if len(cells.losses) > SHORT:
        names = [name for name, losses in sets.items() if losses == cells.losses]
        if names:
            return f"the {len(cells.losses)} {names[0]} losses"
    return formatting.listed(cells.losses)


def _joined(phrases: Mapping[str, str]) -> str:
    return " ".join(text for text in phrases.values() if text)


def _higher(name: str) -> bool:
    from ganlore.metrics import metrics

    return name in metrics() and metrics()[name].higher_is_better


def _label(name: str) -> str:
    from ganlore.metrics import metrics

    by_name = metrics()
    if name in by_name:
        return by_name[name].label
    return _WORDS.get(name, name.replace("_", " "))


def lines(plan: Plan) -> Iterator[str]:
    """What `ganlore claims` prints: each claim, its tests, and the cells that it needs."""
    claims = plan.study.claims
    assert claims is not None
    needed = {name: claim_cells.needed(plan, claim) for name, claim in claims.everything.items()}
    seeds = len(plan.study.seeds)
    wrap = functools.partial(textwrap.wrap, width=WIDTH, subsequent_indent="       ")
    asked = asking.names(plan.study)
    everything = {cell for name, cells in needed.items() if name in asked for cell in cells}
    several = f"{len(claims.claims)} claims"
    if not_asked := claims.claims.keys() - asked:
        several = f"{len(claims.claims) - len(not_asked)} of {several}"
    yield (
        f"study {plan.study.name}: {several}, {len(claims.controls)} controls, "
        f"{sum(len(c.tests) for name, c in claims.everything.items() if name in asked)} tests; "
        f"they need {len(everything)} cells x {seeds} seeds"
    )
    for name, claim in claims.everything.items():
        others = set().union(*(cells for other, cells in needed.items() if other != name))
        own = len(needed[name] - others)
        yield f"{name}  {claim.statement}  [{', '.join(claim.articles) or 'control'}]"
        for test in claim.tests:
            sign = "<" if test.claimed == "lower" else ">"
            ratio = " (log)" if test.scale == "log" else ""
            text = f"{describe(test, claims.sets)}; claimed {sign}, margin {test.margin:g}{ratio}"
            yield from wrap(text, initial_indent="     - ")
            if test.margin_reason:
                yield from wrap(f"margin: {test.margin_reason}", initial_indent="       ")
        for title, words in (("why", claim.why), ("literature", claim.literature)):
            if words:
                yield from wrap(f"{title}: {words}", initial_indent="     ")
        if name in asked:
            yield f"     needs {len(needed[name])} cells, {own} of them for itself alone"
        else:
            yield "     not asked by this study: its cells are not trained for it"
        if claim.elsewhere:
            yield from wrap(f"better tested by {claim.elsewhere}", initial_indent="     ")
