"""The paper: two pages, typeset by typst from `templates/paper.typ`.

The template gets one JSON value, all of whose numbers are the tables' or `numbers`'; figures are
those of the report. The file depends on nothing else: it has no date, and no font but typst's own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlore import formatting, storage
from ganlore.analysis.claims import verdicts
from ganlore.analysis.claims.results import ClaimResult
from ganlore.analysis.matrices import Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.errors import GanloreError
from ganlore.report import leaderboard, values
from ganlore.report.figures import dots
from ganlore.report.figures._drawing import describe
from ganlore.study import declarations, registry

if TYPE_CHECKING:
    from ganlore.analysis.results import Results

TEMPLATE = declarations.PACKAGE / "report" / "templates" / "paper.typ"
REFERENCES = TEMPLATE.with_name("references.txt")
"""Of FID, precision and recall, the statistics, and the studies before this one."""

RANKS = 5
"""Ranks of each data set in its table."""

FIGURES = {
    "aggregates": (
        7.5,
        "Dot plot of the gain in FID by each trick over losses",
        "What tricks do to FID on {title}, over all losses that they go with (their number behind "
        "the name). Left: log of plain FID over FID with the trick, as an interquartile mean and "
        "in a mixed model; right: the probability that a run with it is better than one of the "
        "same loss without it. Bars: {percent} % over {seeds} seeds.",
    ),
    "heat-fid": (
        9.8,
        "Heat map of fid",
        "FID of every loss and trick on {title}: geometric mean and the factor to the ends of its "
        "{percent} % interval over {seeds} seeds, ordered by the median, best first.",
    ),
    "dots": (
        5.0,
        dots.ALT,
        "Every seed on {title}; the tick is the mean, the bar its {percent} % t interval over "
        "{seeds} seeds.",
    ),
}
"""The report's figures, how high in cm, what they are, and their captions: the first that there is,
is in the paper."""


def write(folder: Path, results: Results) -> Path:
    """Write `paper.pdf` into the report's folder, where its figures are.

    Raises:
        GanloreError: if typst cannot make it.
    """
    path = folder / "paper.pdf"
    storage.write_bytes(path, typeset(folder, data(folder, results)))
    return path


def typeset(folder: Path, content: dict[str, Any], **kinds: Any) -> bytes:
    """The paper as bytes.

    Args:
        folder: of the report.
        content: `data`.
        kinds: other formats, as typst names them.
    """
    import typst

    try:
        made = typst.compile(
            TEMPLATE.read_bytes(),
            root=str(folder),
            sys_inputs={"data": json.dumps(content)},
            ignore_system_fonts=True,
            **kinds,
        )
    except typst.TypstError as error:
        raise GanloreError(
            f"{TEMPLATE}: typst cannot make {folder}/paper.pdf: {error}\n"
            "  run `ganlore report` for this study again; if it fails again, the template is wrong"
        ) from None
    return bytes(made)


def data(folder: Path, results: Results) -> dict[str, Any]:
    """What the template shows."""
    plan = results.plan
    return {
        "title": plan.study.title or plan.study.name,
        "study": plan.study.name,
        "numbers": values.of(results),
        "losses": sorted({run.loss.name for run in plan.runs}),
        "tricks": sorted({run.trick for run in plan.runs} - {PLAIN}),
        "datasets": [_dataset(results, name) for name in plan.datasets],
        "policy": _policy(results),
        "rule": list(verdicts.RULE) if results.claims else [],
        "kinds": list(verdicts.VERDICTS),
        "decided": [word for word, meaning in verdicts.VERDICTS.items() if meaning.decided],
        "tally": _tally(results.claims),
        "verdicts": [_claim(claim) for claim in results.claims],
        "matrices": [{"key": values.prefix(m), "title": m.title} for m in _ordinary(results)],
        "board": [_ranks(group) for group in leaderboard.groups(leaderboard.of(results), RANKS)],
        "figures": _figures(folder, _ordinary(results)[0]),
        "machines": sorted(set(results.tidy.runs["processor"])),
        "references": REFERENCES.read_text(encoding="utf-8").splitlines(),
    }  # fmt: skip


def _ordinary(results: Results) -> list[Matrix]:
    """The matrices of the ordinary variant; the others are there for the claims."""
    return [m for m in results.matrices if m.variant == "base"] or results.matrices


def _dataset(results: Results, name: str) -> dict[str, Any]:
    runs = [run for run in results.plan.runs if run.dataset.name == name]
    return {
        "name": name,
        "summary": registry.declaration("dataset", name).summary,
        "networks": list(dict.fromkeys(run.network.name for run in runs)),
        "extractor": runs[0].extractors[0],
    }


def _tally(results: list[ClaimResult]) -> list[str]:
    """How many claims have which verdict, in words; verdicts that none has are left out."""
    words = verdicts.VERDICTS.items()
    claims = [one for one in results if not one.is_control]
    counts = {meaning: sum(one.verdict == word for one in claims) for word, meaning in words}
    return [f"{count} {meaning.sentence}" for meaning, count in counts.items() if count]


def _claim(claim: ClaimResult) -> dict[str, str]:
    test, n = claim.deciding, claim.deciding.outcome.n
    return {
        "id": claim.id,
        "statement": claim.definition.statement.removesuffix("."),
        "verdict": claim.verdict,
        "measure": test.measure if n else "",
        "effect": test.rendered,
        "n": str(n) if n else "",
        "tests": str(len(claim.tests)),
    }


def _policy(results: Results) -> str:
    training = results.plan.study.training
    if training.policy == "published":
        return "Every loss has its own published optimiser settings."
    used = {
        run.dataset.name: formatting.optimizer(run.training.optimizer) for run in results.plan.runs
    }
    used_by = "; ".join(f"{name}: {optimizer}" for name, optimizer in used.items())
    return (
        f"Optimiser and learning rate are the same for all losses ({used_by}); what belongs to a "
        "loss's definition, such as its critic steps, is its own."
    )


def _ranks(group: dict[str, Any]) -> dict[str, Any]:
    """A data set's part of the leaderboard, as rows of text."""
    rows = []
    for row in group["rows"]:
        name, rank = leaderboard.name(row), ""
        if row["rank"]:
            rank = str(row["rank"])
            # beside the row of real data, which has no counts, they are floats
            failed = formatting.diverged({n: int(row[n]) for n in ("n_seeds", "n_diverged")})
            name += f" ({failed})" if failed else ""
        mean, reach = formatting.interval(row, "fid")
        shares = [formatting.number(row[share]) for share in leaderboard.SHARES]
        rows.append([rank, name, f"{mean} {reach}" if reach else mean, *shares])
    return {"title": group["dataset"], "protocol": group["protocol"], "rows": rows}


def _figures(folder: Path, matrix: Matrix) -> list[dict[str, Any]]:
    """The figure of a matrix, if the report has one that it may have."""
    for kind, (height, what, caption) in FIGURES.items():
        file = f"{kind}-{matrix.slug}.pdf"
        if (folder / "figures" / file).exists():
            percent = formatting.percent(values.LEVEL)
            text = caption.format(title=matrix.title, percent=percent, seeds=matrix.n_seeds)
            words = {
                "alt": describe(matrix, what),
                "caption": f"{text} Protocol: {matrix.protocol}.",
            }
            return [{"file": file, "height": height, **words}]
    return []
