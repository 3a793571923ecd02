"""The report's robustness checks: their figures, and the words beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ganlore import formatting
from ganlore.analysis import robustness
from ganlore.analysis.results import Results
from ganlore.analysis.robustness import Reaching, Robustness
from ganlore.report.figures import profiles
from ganlore.report.figures._drawing import Drawing
from ganlore.report.rendered import RenderedFigure, render

AGGREGATES = (
    "Tricks that ran with several losses, how many of them behind the name. Left: how much each "
    "lowers FID, as the log of plain FID over FID with it. The interquartile mean leaves out the "
    "best and the worst quarter of the runs of all losses (rliable, arXiv:2108.13264); the mixed "
    "model has a mean for each cell and seeds as a random effect. Right: the probability that a "
    "run with the trick is better than one of the same loss without it. Bars: 95 %; seeds are "
    "resampled together over losses. A diverged run counts as the worst one."
)
PROFILES = (
    "The share of all runs, over losses and seeds, with an FID of at most the value below: the "
    "higher a line, the better, and where two cross neither is better throughout (performance "
    "profiles, arXiv:2108.13264). Only losses that go with the trick are in a panel, in both lines."
)
REACHING = (
    "Kaplan and Meier's curve of the runs that have not reached the target, with pointwise 95 % "
    "bands. Runs that never do are censored at the end of the budget. Runs of one seed share "
    "noise, which this analysis does not know: the verdict counts seeds."
)


def rendered(results: Results, folder: Path) -> list[tuple[str, RenderedFigure]]:
    """The figures, each with what it is about."""
    drawings = [
        (checks.matrix.title, drawing)
        for checks in results.robustness
        for drawing in _of_matrix(checks)
    ]
    drawings += [(f"claim {one.claim}", _reaching(one)) for one in results.reaching]
    return [(about, render(one, folder, profiles.__name__)) for about, one in drawings]


def _reaching(one: Reaching) -> Drawing:
    counts = "; ".join(f"{side}: {c.n_reached} of {c.n} runs" for side, c in one.sides.items())
    p = formatting.p_value(one.p)
    p = p if p.startswith("<") else f"= {p}"
    return Drawing(
        figure=profiles.reaching(list(one.sides.items())),
        kind="reaching",
        name=f"reaching-{one.claim}-{one.test}",
        title="Time to the target",
        caption=f"{one.label}. {REACHING} Log-rank test: p {p}.",
        alt=f"Curves of the share of runs that have not reached the target, {one.label}. {counts}.",
        data=f"reaching-{one.claim}-{one.test}.csv",
    )


def _of_matrix(checks: Robustness) -> Iterator[Drawing]:
    matrix = checks.matrix
    table = checks.tricks[checks.tricks["losses"] > 1]  # one loss says nothing of losses
    if table.empty:
        return
    best = table.sort_values("iqm").iloc[-1]
    yield Drawing(
        figure=profiles.aggregates(table, checks.model.tricks),
        kind="aggregates",
        name=f"aggregates-{matrix.slug}",
        title="Tricks over all losses",
        caption=AGGREGATES,
        alt=f"Dot plot of {len(table)} tricks on {matrix.title}: interquartile mean of the log "
        f"ratio of plain FID to FID with the trick, from {table['iqm'].min():.2f} to "
        f"{best['iqm']:.2f} ({best['trick']}), and the probability of improvement.",
        data=f"aggregates-{matrix.slug}.csv",
    )
    yield Drawing(
        figure=profiles.profiles(*robustness.profiles(matrix, table["trick"])),
        kind="profiles",
        name=f"profiles-{matrix.slug}",
        title="Performance profiles",
        caption=PROFILES,
        alt=f"Performance profiles of {len(table)} tricks beside the plain losses on "
        f"{matrix.title}.",
        data="runs.csv",
    )
