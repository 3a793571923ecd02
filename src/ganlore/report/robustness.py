"""The report's robustness checks: their figures, and the words beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ganlore import formatting
from ganlore.analysis import robustness
from ganlore.analysis.results import Results
from ganlore.analysis.robustness import Robustness
from ganlore.report import figures
from ganlore.report.drawn import Drawn, keep

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


@dataclass(frozen=True)
class Model:
    """What the model of a matrix says, in words and shares.

    Attributes:
        title: the matrix.
        model: what was fitted.
        note: why it is another one than meant, if it is.
        shares: of the variance of log FID, by term.
        p: of no interaction.
    """

    title: str
    model: str
    note: str
    shares: dict[str, str]
    p: float


def drawn(results: Results, folder: Path) -> list[tuple[str, Drawn]]:
    """The figures, each with what it is about."""
    found = []
    for checks in results.robustness:
        found += [(checks.matrix.title, figure) for figure in _of_matrix(checks, folder)]
    for one in results.reaching:
        name = f"reaching-{one.claim}"
        told = "; ".join(f"{s}: {c.n_reached} of {c.n} runs" for s, c in one.sides.items())
        figure = figures.reaching(list(one.sides.items()))
        alt = f"Curves of the share of runs that have not reached the target, {one.label}. {told}."
        p = formatting.p_value(one.p)
        p = p if p.startswith("<") else f"= {p}"
        caption = f"{one.label}. {REACHING} Log-rank test: p {p}."
        found.append(
            (f"claim {one.claim}",
             keep(figure, folder, "reaching", name, alt, "Time to the target", caption,
                  "figures.reaching", f"{name}.csv"))
        )  # fmt: skip
    return found


def _of_matrix(checks: Robustness, folder: Path) -> list[Drawn]:
    matrix = checks.matrix
    table = checks.tricks[checks.tricks["losses"] > 1]  # one loss says nothing of losses
    if table.empty:
        return []
    best = table.sort_values("iqm").iloc[-1]
    alt = (
        f"Dot plot of {len(table)} tricks on {matrix.title}: interquartile mean of the log ratio "
        f"of plain FID to FID with the trick, from {table['iqm'].min():.2f} to {best['iqm']:.2f} "
        f"({best['trick']}), and the probability of improvement."
    )
    figure = figures.aggregates(table, checks.model.tricks)
    made = [
        keep(figure, folder, "aggregates", f"aggregates-{matrix.slug}", alt,
             "Tricks over all losses", AGGREGATES, "figures.aggregates",
             f"aggregates-{matrix.slug}.csv")
    ]  # fmt: skip
    curves, thresholds = robustness.profiles(matrix, table["trick"])
    alt = f"Performance profiles of {len(table)} tricks beside the plain losses on {matrix.title}."
    figure = figures.profiles(curves, thresholds)
    made.append(
        keep(figure, folder, "profiles", f"profiles-{matrix.slug}", alt, "Performance profiles",
             PROFILES, "figures.profiles", "runs.csv")
    )  # fmt: skip
    return made


def models(results: Results) -> list[Model]:
    """What the models say beside their effects."""
    found = []
    for checks in results.robustness:
        model, variance = checks.model, checks.model.variance.set_index("term")
        shares = {term: f"{100 * max(share, 0):.0f} %" for term, share in variance["share"].items()}
        p = variance.loc["interaction", "p"]
        found.append(Model(checks.matrix.title, model.model, model.note, shares, p))
    return found
