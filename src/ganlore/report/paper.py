"""The paper: two or three pages, typeset by typst from `templates/paper.typ`.

The template gets one JSON value, all of whose numbers are the tables' or `numbers`'; figures are
those of the report. The file depends on nothing else: it has no date, and no font but typst's own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlore import formatting, storage
from ganlore.analysis.claims import rule, verdicts
from ganlore.analysis.claims.results import ClaimResult
from ganlore.analysis.matrices import MARKS, Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.errors import GanloreError
from ganlore.report import convergence, first_screen, leaderboard, study, values
from ganlore.report.figures import dots, forest
from ganlore.report.figures._drawing import describe
from ganlore.report.figures.forest import short_scope
from ganlore.study import declarations, registry
from ganlore.study.run import Run

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
        6.5,
        dots.ALT,
        "Every seed on {title}; the tick is the mean, the bar its {percent} % t interval over "
        "{seeds} seeds.",
    ),
    "curves-plain": (
        8.0,
        "Small line plots of FID over images shown",
        "FID along training on {title}, one panel for each plain loss, over {seeds} seeds; the "
        " others in grey. The dashed line is what real data get, where it is near.",
    ),
    "curves": (
        8.0,
        "Line plots of FID over images shown",
        "FID along training on {title}: geometric means over {seeds} seeds. The dashed line is "
        "what real data get, where it is near.",
    ),
    "interaction": (
        7.0,
        "Heat map of the change of FID",
        "Change of FID by each trick for each loss on {title}, over {seeds} seeds; a dot and "
        "bold: its {percent} % interval excludes no change, each by itself.",
    ),
    "precision-recall": (
        7.0,
        "Scatter plots of precision against recall",
        "Precision against recall on {title}, means over {seeds} seeds; the star is real data.",
    ),
    "cost": (
        6.5,
        "Scatter plot of the time of a step against FID",
        "Time of a step against FID on {title}, means over {seeds} seeds.",
    ),
}
"""The report's figures, how high in cm, what they are, and their captions, the first ones first."""

FOREST_HEIGHT = 22.3
"""In cm: with its caption it leaves room for nothing else on a page."""

PER_INCH = 2.0
"""Centimetres in the paper of an inch of the forest plot, where it is no higher than that."""


def write(folder: Path, results: Results) -> Path:
    """Write `paper.pdf` into the report's folder, where its figures are.

    Raises:
        GanloreError: if typst cannot make it.
    """
    path = folder / "paper.pdf"
    storage.write_bytes(path, typeset(folder, filled(folder, data(folder, results))))
    return path


def filled(folder: Path, content: dict[str, Any]) -> dict[str, Any]:
    """The content with as many of its figures as fit on the pages that it takes with the first."""
    first, rest = content["figures"][:1], content["figures"][1:]
    best = content | {"figures": first}
    pages = count_pages(folder, best)
    for drawn in rest:
        more = content | {"figures": [*best["figures"], drawn]}
        if count_pages(folder, more) <= pages:
            best = more
    return best


def count_pages(folder: Path, content: dict[str, Any]) -> int:
    """How many pages the paper has: drawn as small as can be."""
    made = typeset_as(folder, content, format="png", ppi=4.0)
    return len(made) if isinstance(made, list) else 1


def typeset(folder: Path, content: dict[str, Any]) -> bytes:
    """The paper as bytes.

    Args:
        folder: of the report.
        content: `data`.
    """
    return bytes(typeset_as(folder, content))


def typeset_as(folder: Path, content: dict[str, Any], **kinds: Any) -> Any:
    """The paper in another format: `kinds` are typst's own words for it."""
    import typst

    try:
        return typst.compile(
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


def data(folder: Path, results: Results) -> dict[str, Any]:
    """What the template shows."""
    plan = results.plan
    first = first_screen.summary(results)
    board = leaderboard.groups(leaderboard.of(results), RANKS)
    signs = {sign for group in board for row in group["rows"] for sign in leaderboard.marks(row)}
    claims = [one for one in results.claims if not one.is_control]
    ranked = first_screen.of_images(_ordinary(results))
    return {
        "title": plan.study.title or plan.study.name,
        "study": plan.study.name,
        "numbers": values.of(results),
        "losses": sorted({run.loss.name for run in plan.runs}),
        "tricks": sorted({run.trick for run in plan.runs} - {PLAIN}),
        "datasets": [_dataset(results, name) for name in plan.datasets],
        "policy": _policy(results),
        "rule": list(rule.RULE) if results.claims else [],
        "kinds": list(verdicts.VERDICTS),
        "first": vars(first),
        "convergence": convergence.sentence(results),
        "tally": _tally(claims),
        "states": _states(claims),
        "controls": [_control(one) for one in results.claims if one.is_control],
        "literature": [
            _literature(one) for one in forest.rows(claims) if one.definition.literature
        ],
        "forest": _forest(folder, results.claims),
        "marks": " ".join(f"{s}: {text}." for s, text in MARKS.items() if s in signs),
        "matrices": [{"key": values.prefix(m), "title": m.title} for m in ranked],
        "board": [_ranks(group) for group in board],
        "figures": _figures(folder, _ordinary(results)[0]),
        "machines": sorted(set(results.tidy.runs["processor"])),
        "references": _references(results),
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
    counts = verdicts.tally(one.verdict for one in results).items()
    return [f"{n} {verdicts.VERDICTS[verdict].sentence[n > 1]}" for verdict, n in counts]


def _claim(claim: ClaimResult, whole: bool) -> dict[str, str]:
    """A claim in a sentence; without effect and scope where only its state is told."""
    return {
        "id": claim.id,
        "statement": claim.definition.statement.removesuffix("."),
        "effect": claim.deciding.in_words if whole else "",
        "scope": (claim.summary or short_scope(claim.scope)) if claim.deciding.outcome.n else "",
    }


def _states(claims: list[ClaimResult]) -> list[dict[str, Any]]:
    """The claims by verdict: those that a test decided in full, of the others what is lacking."""
    groups: list[dict[str, Any]] = []
    for word, meaning in verdicts.VERDICTS.items():
        mine = [one for one in claims if one.verdict == word]
        if mine and word in verdicts.GATED:
            ids = formatting.listed(one.id for one in mine)
            groups.append({"title": f"{word}:", "claims": [], "words": f"{ids}; {meaning.text}."})
        elif mine:
            said = [_claim(one, meaning.decided) for one in mine]
            groups.append({"title": f"{word}:", "claims": said, "words": ""})
    return groups


def _control(one: ClaimResult) -> dict[str, str]:
    return _claim(one, True) | {
        "verdict": one.verdict,
        "state": "passed" if one.passed else "failed",
    }


def _literature(one: ClaimResult) -> dict[str, str]:
    """What was seen of a claim, beside what the literature found."""
    here = one.deciding.in_words
    scope = f" ({short_scope(one.scope)})" if one.scope else ""
    return {
        "id": one.id,
        "here": f"{one.verdict}{f': {here}' if here else ''}{scope}",
        "literature": one.definition.literature,
    }


def _forest(folder: Path, results: list[ClaimResult]) -> list[dict[str, Any]]:
    """The forest plot, where the report has it."""
    if not (folder / "figures" / "forest.pdf").exists():
        return []
    count = len(forest.rows(results))
    height = min(FOREST_HEIGHT, PER_INCH * forest.inches(count))
    alt = f"Forest plot of {count} claims and controls"
    return [{"file": "forest.pdf", "height": height, "alt": alt, "caption": forest.CAPTION}]


def _references(results: Results) -> list[str]:
    """The papers of the method, and those of the losses and tricks."""
    names = [("loss", run.loss.name) for run in results.plan.runs]
    names += [("trick", part.name) for run in results.plan.runs for part in run.applied]
    papers: dict[str, list[str]] = {}
    for kind, name in dict.fromkeys(sorted(names)):
        for paper in formatting.papers(registry.declaration(kind, name).fact("paper", "")):
            papers.setdefault(paper, []).append(name)
    listed = "; ".join(f"{', '.join(named)}: {paper}" for paper, named in sorted(papers.items()))
    general = REFERENCES.read_text(encoding="utf-8").splitlines()
    return [*general, *([f"Losses and tricks, by arXiv id: {listed}."] if listed else [])]


def _policy(results: Results) -> str:
    training = results.plan.study.training
    if training.policy == "published":
        return "Every loss has its own published optimiser settings."
    runs = [run for run in results.plan.runs if run.variant == "base"] or results.plan.runs
    used: dict[str, list[Run]] = {}
    for run in runs:
        used.setdefault(run.dataset.name, []).append(run)
    used_by = "; ".join(f"{name}: {study.optimizers(some)}" for name, some in used.items())
    return (
        f"Losses share an optimiser and its learning rate ({used_by}), but where a variant says "
        "otherwise; what belongs to a loss's definition, such as its critic steps, is its own."
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
    """The figures of a matrix that the report has, in the order in which a paper takes them."""
    drawn = []
    for kind, (height, what, caption) in FIGURES.items():
        file = f"{kind}-{matrix.slug}.pdf"
        if (folder / "figures" / file).exists():
            percent = formatting.percent(values.LEVEL)
            text = caption.format(title=matrix.title, percent=percent, seeds=matrix.n_seeds)
            words = {
                "alt": describe(matrix, what),
                "caption": f"{text} Protocol: {matrix.protocol}.",
            }
            drawn.append({"file": file, "height": height, **words})
    return drawn
