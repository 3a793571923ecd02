"""A published study as blocks of Markdown: its verdicts, its numbers, and a figure.

Each number is one of `numbers.json` or of `verdicts.csv`, as the study's own paper has it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganlore import storage
from ganlore.analysis.claims import results
from ganlore.analysis.claims.verdicts import VERDICTS
from ganlore.docgen.catalogue import code, table
from ganlore.errors import GanloreError, unknown
from ganlore.publishing.publication import REMEDY, Publication, opened

KINDS = {
    "heat-fid": "FID of every loss and trick on {data}: mean over {seeds} seeds and half of its "
    "{level} % t interval; lower is better",
    "aggregates": "What tricks do to FID on {data} over all losses that they go with (their number "
    "behind the name), {seeds} seeds. Left: log of plain FID over FID with the trick, to the right "
    "is better; right: the probability that a run with it is better than one without",
    "curves": "FID on {data} over the images shown to the discriminator, mean over {seeds} seeds",
    "cost": "Time of a step against FID on {data}, and what each trick adds to it; means over "
    "{seeds} seeds",
    "precision-recall": "Precision against recall on {data}, means over {seeds} seeds",
}  # fmt: skip
"""What a figure shows, by the beginning of its file's name."""


def _numbers(found: Publication) -> dict[str, str]:
    told: dict[str, str] = storage.read_json(found.reports / "numbers.json", REMEDY)
    return told


def number(root: Path, study: str, name: str) -> str:
    """One number of a published study by its name in `numbers.json`."""
    told = _numbers(opened(root / "results" / study))
    if name not in told:
        raise unknown("number", name, told, f"reports/{study}/numbers.json")
    return told[name]


def verdicts(root: Path, study: str) -> str:
    """The verdict on each claim, with the effect of the test that it hangs on."""
    path = opened(root / "results" / study).reports / "tables" / "verdicts.csv"
    rows = [
        [
            claim.id,
            claim.statement.removesuffix("."),
            f"**{claim.verdict}**" if VERDICTS[claim.verdict].decided else claim.verdict,
            f"{claim.deciding.measure} {claim.deciding.shown}" if claim.deciding else "",
            str(claim.deciding.n) if claim.deciding else "",
        ]
        for claim in results.read(path)
    ]
    return table(["claim", "what articles say", "verdict", "effect", "n"], rows, 0)


def counts(root: Path, study: str) -> str:
    """How many claims got which verdict, as a phrase."""
    told = _numbers(opened(root / "results" / study))
    names = {verdict: f"claims-{verdict.replace(' ', '-')}" for verdict in VERDICTS}
    parts = [f"{told[name]} {verdict}" for verdict, name in names.items()]
    return f"of {told['claims']} claims: {', '.join(parts)}"


def setting(root: Path, study: str) -> str:
    """What a study was made with, as a phrase."""
    told = _numbers(opened(root / "results" / study))
    plural = "" if told["seeds"] == "1" else "s"
    return (
        f"{told['runs']} runs: {told['seeds']} seed{plural} for each of {told['cells']} cells, "
        f"{told['losses']} losses and {told['tricks']} tricks, {told['hours']} core hours; "
        f"{told['diverged']} of the runs diverged"
    )


def figure(root: Path, study: str, name: str) -> str:
    """A figure of a published study with its caption; `name` is its file's, without the ending."""
    found = opened(root / "results" / study)
    names = sorted(path.stem for path in (found.reports / "figures").glob("*.svg"))
    if name not in names:
        raise unknown("figure", name, names, f"reports/{study}/figures")
    kind = next((kind for kind in KINDS if name.startswith(f"{kind}-")), None)
    if kind is None:
        raise GanloreError(
            f"figure {name!r}: no words for it\n  give it a caption in KINDS of shown_study.py"
        )
    told: dict[str, Any] = _numbers(found)
    place = name.removeprefix(f"{kind}-").removesuffix("-base")
    words = KINDS[kind].format(data=code(place), seeds=told["seeds"], level=told["level"])
    alt = words.replace("`", "")
    return f"![{alt}](reports/{study}/figures/{name}.svg)\n\n*{words}.*"


BLOCKS: dict[str, Callable[..., str]] = {
    "study-number": number,
    "verdicts": verdicts,
    "verdict-counts": counts,
    "study-setting": setting,
    "study-figure": figure,
}
