"""How many cells have converged, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ganlore.analysis.matrices import UNCONVERGED

if TYPE_CHECKING:
    from collections.abc import Collection

    from ganlore.analysis.claims.gates import Convergence
    from ganlore.analysis.results import Results

FAR = 100
"""A cell that is at more times than this what held-out real data have may not have begun."""


def sentence(results: Results) -> str:
    """The share of cells that have converged, with the threshold."""
    every = list(results.convergence.values())
    if not every:
        return "No cell is asked to have converged."
    passed = sum(one.passed for one in every)
    does = "changes by less than" if passed or len(every) > 1 else "still changes by more than"
    rule = (
        f"the best FID so far, or what is asked in its place, {does} "
        f"{100 * results.gates.change:g} % over the last doubling of the budget."
        f"{_arrived(every)}{_far(every)}"
    )
    if len(every) == 1:
        return f"The one cell has {'' if passed else 'not '}converged: {rule}"
    if passed == len(every):
        return f"All {passed:,} cells have converged: {rule}"
    percent = f"{100 * passed / len(every):.0f} %"
    return (
        f"{passed:,} of {len(every):,} cells ({percent}) have converged: {rule} The others, "
        f"marked {UNCONVERGED} wherever they are ranked, may still change places."
    )


def _arrived(every: Collection[Convergence]) -> str:
    """How many count for another reason than that they changed little."""
    arrived = sum(one.arrived for one in every)
    if not arrived:
        return ""
    which = "It" if len(every) == 1 else f"{arrived} of them"
    counts = "counts as well, since it has" if arrived == 1 else "count as well, since they have"
    return (
        f" {which} changed more and {counts} come to what held-out real data have: nothing "
        "better is counted, and more steps cannot change it."
    )


def _far(every: Collection[Convergence]) -> str:
    """How many have converged far from real data: a plateau before a fall is flat as well."""
    far = sum(one.passed and FAR < one.above < math.inf for one in every)
    if not far:
        return ""
    which = "It" if len(every) == 1 else f"{far} of them"
    return (
        f" {which} never came within {FAR} times what held-out real data have: what has not begun "
        "to learn does not change either."
    )
