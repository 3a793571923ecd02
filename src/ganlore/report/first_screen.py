"""What a reader sees first: three sentences from the tables, and a line for each trick."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ganlore import formatting
from ganlore.analysis import estimators, leaders
from ganlore.analysis.claims.settings import POLICIES
from ganlore.analysis.claims.verdicts import GATED
from ganlore.analysis.matrices import LABELLED, POINTS, Matrix
from ganlore.analysis.tables import PLAIN
from ganlore.report import bars, bars_svg, convergence
from ganlore.report.bars import Bar
from ganlore.report.figures._drawing import cell_name

if TYPE_CHECKING:
    from ganlore.analysis.results import Results

FEW = 4
"""So many names are listed, and so many tricks."""

LOST = 2
"""A cell that ends at so many times its best FID has lost what it had."""


@dataclass(frozen=True)
class Summary:
    """Three answers, each with a sentence for each data set (the last one for the study).

    Attributes:
        best: which loss is best, and how sure that is.
        helps: which tricks help, and which harm.
        careful: what a reader should be careful with.
    """

    best: list[str]
    helps: list[str]
    careful: list[str]


@dataclass(frozen=True)
class Tricks:
    """What tricks do on one data set: rows of `leaders.of_tricks`, with the scope in words."""

    matrix: Matrix
    scope: str
    rows: pd.DataFrame


def summary(results: Results) -> Summary:
    """The three sentences."""
    mains = of_datasets(results)
    ranked = of_images(mains)
    return Summary(
        [_best(results, matrix) for matrix in ranked],
        [text for made in tricks(results) if (text := _helps(made))],
        [*_careful(results), *(text for matrix in ranked if (text := _of_lost(results, matrix)))],
    )


def of_images(matrices: list[Matrix]) -> list[Matrix]:
    """Those of images, or all where there are none: who is first on points is for the claims."""
    return [matrix for matrix in matrices if matrix.extractor != POINTS] or matrices


def of_datasets(results: Results) -> list[Matrix]:
    """The matrix of most cells of each data set, with the ordinary variant where there is one."""
    chosen: dict[str, Matrix] = {}
    for matrix in results.matrices:
        if len(set(matrix.losses) - matrix.checks) * len(matrix.tricks) < 2:
            continue
        other = chosen.get(matrix.dataset)
        if other is None or _size(matrix) > _size(other):
            chosen[matrix.dataset] = matrix
    return list(chosen.values())


def _size(matrix: Matrix) -> tuple[bool, int]:
    return matrix.variant == "base", len(matrix.counted)


def scope(results: Results, matrix: Matrix) -> str:
    """What a matrix is about in words: digits, mlp, 4,000 steps.

    The policy is named where each loss has settings of its own; shared ones go without saying.
    """
    place = (matrix.dataset, matrix.network, matrix.variant)
    run = next(
        r for r in results.plan.runs if (r.cell.dataset, r.cell.network, r.cell.variant) == place
    )
    policy = "" if run.training.policy == "shared" else f"{POLICIES[run.training.policy]}, "
    return f"{matrix.title}, {policy}{formatting.count(run.training.steps)} steps"


def tricks(results: Results) -> list[Tricks]:
    """What tricks do, on each data set that has any."""
    made = [
        Tricks(matrix, scope(results, matrix), leaders.of_tricks(matrix))
        for matrix in of_datasets(results)
    ]
    return [one for one in made if len(one.rows)]


def lines(made: Tricks) -> tuple[list[dict[str, object]], str]:
    """The rows of a table of what tricks do, and the axis of their bars."""
    rows = made.rows.to_dict("records")
    every = [Bar("ratio", r["effect"], r["low"], r["high"], 0.0, r["clear"]) for r in rows]
    ends = bars.limits(every)
    displayed = []
    for row, bar in zip(rows, every, strict=True):
        low, high = (formatting.change(row[name]) for name in ("low", "high"))
        interval = f"{low} to {high}" if math.isfinite(row["low"]) else "–"
        word, sign, tone = _word(row)
        text = formatting.change(row["effect"])
        alt = f"{row['trick']}: FID {text}, {interval}"
        picture = bars_svg.single(bar, ends["ratio"], alt)
        words = {"word": word, "sign": sign, "tone": tone, "change": text, "interval": interval}
        displayed.append({**row, **words, "bar": picture})
    return displayed, bars_svg.axis(ends, ("ratio",))


def _word(row: dict[Any, Any]) -> tuple[str, str, str]:
    """Word, sign and tone of what a trick does."""
    if not row["clear"]:
        return "not clear", "?", "muted"
    return ("lowers FID", "✓", "held") if row["effect"] < 0 else ("raises FID", "✗", "bad")


# -- the sentences ---------------------------------------------------------------------------------


def _best(results: Results, matrix: Matrix) -> str:
    leader = leaders.of_losses(matrix)
    if leader is None:
        return f"{scope(results, matrix)}: every run diverged."
    floor = matrix.floor.get("fid")
    real = "" if floor is None else f" (real data: {formatting.number(floor)})"
    fid = _fid(leader.row)
    plain = " of plain losses" if leader.key[1] == PLAIN and len(matrix.tricks) > 1 else ""
    said = f"{_name(matrix, leader.key)} has the lowest FID{plain} at the end of training, {fid}"
    text = f"{_capital(scope(results, matrix))}: {said}{real}{_sure(matrix, leader)}."
    if plain and matrix.counted.index[0][1] != PLAIN:
        text += _with_tricks(matrix)
    text += _at_best(matrix, PLAIN if plain else "")
    if LABELLED not in matrix.marks(*leader.key):
        return text
    second = leaders.of_losses(matrix, labels=False)
    if second is None:
        return f"{text} It uses class labels."
    fid = _fid(second.row)
    rest = f"{_name(matrix, second.key)} is first without them, {fid}{_sure(matrix, second)}"
    return f"{text} It uses class labels; {rest}."


def _with_tricks(matrix: Matrix) -> str:
    """The first of all cells, and how many others' intervals reach its own."""
    row, near = matrix.counted.iloc[0], leaders.near(matrix)
    several = f"the intervals of {near} others reach"
    reach = "the interval of one other reaches" if near == 1 else several
    others = f"; {reach} its own" if near else ""
    return f" With tricks {_name(matrix, matrix.counted.index[0])} has {_fid(row)}{others}."


def _at_best(matrix: Matrix, trick: str) -> str:
    """The lowest FID of the best snapshots, of cells with a trick, or of all."""
    cells = matrix.counted
    cells = cells.loc[[key for key in cells.index if trick in ("", key[1])]]
    if "fid_best" not in cells or cells["fid_best"].isna().all():
        return ""
    key = cells["fid_best"].idxmin()
    fid = _fid(cells.loc[key], "fid_best")
    return f" At its best snapshot {_name(matrix, key)} has the lowest, {fid}."


def _fid(row: dict[str, float] | pd.Series[float], metric: str = "fid") -> str:
    return formatting.estimate({str(key): value for key, value in row.items()}, metric)


def _sure(matrix: Matrix, leader: leaders.Leader) -> str:
    """How sure it is that the leader is first."""
    n, tied = leader.behind + len(leader.tied), leader.tied
    if not n:
        return ""
    if matrix.n_seeds < 2:
        return "; with one seed nothing says how sure that is"
    if not tied:
        return f", clearly ahead of {'the other' if n == 1 else f'all {n} others'}"
    if len(tied) == n:
        return f", but {matrix.n_seeds} seeds tell none of the {n} others from it"
    names = [_name(matrix, key) for key in tied[:FEW]]
    more = [f"{len(tied) - FEW} more"] if len(tied) > FEW else []
    verb = "is" if len(tied) == 1 else "are"
    return (
        f"; {formatting.listed([*names, *more])} {verb} statistically tied with it, and it is "
        f"clearly ahead of the other {leader.behind}"
    )


def _helps(made: Tricks) -> str:
    rows = made.rows
    clear = rows[rows["clear"]]
    helping = clear[clear["effect"] < 0].to_dict("records")
    harming = clear[clear["effect"] > 0].to_dict("records")[::-1]
    where = _capital(made.scope)
    if not helping and not harming:
        first = rows.loc[rows["effect"].abs().idxmax()]
        seeds = "seed tells" if made.matrix.n_seeds == 1 else "seeds tell"
        return (
            f"{where}: {made.matrix.n_seeds} {seeds} no trick's effect from none; the largest is "
            f"that of {change(first)}."
        )
    parts = [
        f"{word} {_some(group)}"
        for word, group in (("lower FID:", helping), ("raise FID:", harming))
        if group
    ]
    return f"{where}, at the end of training: clearly {'; clearly '.join(parts)}."


def _some(group: list[dict[str, object]]) -> str:
    more = [f"{len(group) - FEW} more"] if len(group) > FEW else []
    return formatting.listed([*(change(row) for row in group[:FEW]), *more])


def change(row: pd.Series[object] | dict[str, object]) -> str:
    """A trick with what it does to FID: spectral-norm+ema (−32 % against ema over 3 losses)."""
    losses, names = int(str(row["losses"])), row["names"]
    over = f"over {losses} losses" if losses > 1 else f"on {names[0]}"  # type: ignore[index]
    against = "" if row["against"] == PLAIN else f"against {row['against']} "
    size = formatting.short_change(float(str(row["effect"])))
    return f"{row['trick']} ({size} {against}{over})"


def _careful(results: Results) -> list[str]:
    texts = [*_of_controls(results), *_of_claims(results), convergence.sentence(results)]
    lost = int((results.ends.drop_duplicates(_run(results))["status"] == "diverged").sum())
    if lost:
        n = len(results.plan.runs)
        texts.append(f"{lost} of {n:,} runs diverged; each counts as the worst.")
    n = len(results.plan.study.seeds)
    if n < estimators.seeds_to_show(leaders.ALPHA):
        texts.append(
            f"{n} {'seed shows' if n == 1 else 'seeds show'} large differences only, and no single "
            "comparison can reach p = 0.05 in an exact test."
        )
    return texts


def _of_lost(results: Results, matrix: Matrix) -> str:
    """How many cells have lost by the end what they had at their best."""
    cells = matrix.counted[np.isfinite(matrix.counted["fid"])]
    if "fid_best" not in cells:
        return ""
    lost = int((cells["fid"] >= LOST * cells["fid_best"]).sum())
    if not lost:
        return ""
    ends = "ends at twice its" if lost == 1 else "end at twice their"
    return (
        f"{_capital(scope(results, matrix))}: {lost} of {len(cells)} cells {ends} best FID or "
        "more. Tables and ranks are of the end, most claims of the best snapshot."
    )


def _run(results: Results) -> list[str]:
    return ["dataset", "network", "loss", "trick", "variant", "train_seed"]


def _of_controls(results: Results) -> list[str]:
    failed = [one.id for one in results.claims if one.is_control and not one.passed]
    if not failed:
        return []
    are = "control is not as it" if len(failed) == 1 else "controls are not as they"
    return [
        f"{formatting.listed(failed)}: {are} must be, so claims on the same data have no verdict."
    ]


def _of_claims(results: Results) -> list[str]:
    claims = [one for one in results.claims if not one.is_control]
    counts = Counter(one.verdict for one in claims)
    shut = [f"{counts[word]} {word}" for word in GATED if counts[word]]
    if not shut:
        return []
    n = sum(counts[word] for word in GATED)
    return [
        f"{n} of {len(claims)} claims {'has' if n == 1 else 'have'} no verdict: "
        f"{formatting.listed(shut)}."
    ]


def _name(matrix: Matrix, key: leaders.Key) -> str:
    return cell_name(*key) + matrix.marks(*key)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
