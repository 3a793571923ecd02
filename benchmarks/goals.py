"""Which goals hold on the cards that were measured, by docs/performance.json.

    python benchmarks/goals.py

Each goal is a ratio to the same work done the usual way, on the same card and host.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ganlore.forecast import rates

EVALUATION = "evaluation-gpu"
"""The section that `benchmarks/evaluation.py` writes on a machine with a GPU."""

CHEAP = 0.1
"""A share of the speed that determinism may cost and be the default all the same."""

Sections = dict[str, Any]


def one_run(network: str, loss: str) -> Callable[[Sections, Sections], float | None]:
    """The fastest of the project's loops on a case, in textbook loops."""

    def find(card: Sections, _: Sections) -> float | None:
        for row in card["rows"]:
            if (row["network"], row["loss"]) == (network, loss):
                return max(row[loop]["ratio"] for loop in card["settings"] if loop in row)
        return None

    return find


def at_once(card: Sections, _: Sections) -> float | None:
    """Runs side by side, in textbook loops one after another."""
    return card["together"]["ratio"] if card.get("together") else None


def evaluation(card: Sections, sections: Sections) -> float | None:
    """Evaluations, in those of clean-fid and prdc, where they were measured on this card."""
    measured = sections.get(EVALUATION)
    if not measured or measured["measured"]["device"] != card["measured"]["device"]:
        return None
    return measured["times_faster"]


def by_precision(sections: Sections) -> Iterator[str]:
    """FID of each loss by precision, which says what the studies for a GPU should have."""
    for row in sections.get("precision-gpu", {"rows": ()})["rows"]:
        found = f"{row['fid']:.2f} ± {row['deviation']:.2f}"
        yield f"  FID of {row['loss']} in {row['precision']}: {found} ({row['seeds']} seeds)"


GOALS: list[tuple[str, float, Callable[[Sections, Sections], float | None]]] = [
    ("dcgan 32x32, batch 64, one run", 10, one_run("dcgan", "nonsaturating")),
    ("sndcgan, one run", 8, one_run("sndcgan", "nonsaturating")),
    ("wgan-gp on dcgan, one run", 5, one_run("dcgan", "wgan-gp")),
    ("runs an hour on one card (dcgan)", 20, at_once),
    ("evaluation of 10,000 samples", 5, evaluation),
]
"""What, how many times as fast at least, and what was measured."""


def lines(sections: Sections) -> Iterator[str]:
    """A table of each card's goals, what determinism costs there, and FID by precision."""
    cards = {name: part for name, part in sections.items() if name.startswith(rates.SECTION)}
    if not cards:
        yield "no GPU has been measured: benchmarks/gpu.sh does it"
    for name, card in cards.items():
        yield f"{name.removeprefix(rates.SECTION)}, {card['date']}"
        for what, goal, find in GOALS:
            ratio = find(card, sections)
            said = "not measured" if ratio is None else f"{ratio:.1f}x"
            verdict = "" if ratio is None else "   holds" if ratio >= goal else "   MISSED"
            yield f"  {what:<36} >= {goal:>2}x   {said}{verdict}"
        for row in card["rows"]:
            if "fast" in row and "deterministic" in row:
                cost = 1 - row["deterministic"]["images"] / row["fast"]["images"]
                default = "it can be the default" if cost < CHEAP else "it is not to be the default"
                case = f"{row['network']} {row['loss']}"
                yield f"  determinism costs {100 * cost:.0f} % on {case}: {default}"
    yield from by_precision(sections)


def main() -> None:
    """Print what holds; the status is 0 also where a goal is missed."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else rates.FILE
    print("\n".join(lines(json.loads(path.read_text(encoding="utf-8")))))


if __name__ == "__main__":
    main()
