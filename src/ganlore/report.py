"""The report: figures, tables, and one page that holds all of it.

`build` reads the tables that `collect` wrote and the samples of each run; every number of the page
comes from them. The page's words are in `templates/`, a file for each section.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganlore import (
    leaderboard,
    numerals,
    outputs,
    paper,
    pictures,
    plugins,
    report_cells,
    report_claims,
    report_figures,
    report_second,
    report_study,
    storage,
    tables,
    verdicts,
    wording,
)
from ganlore.grid import Plan
from ganlore.metrics import metrics as all_metrics
from ganlore.tables import PLAIN

TEMPLATES = plugins.PACKAGE / "templates"


def build(plan: Plan) -> Path:
    """Write the report of a study: `index.html`, `figures/` and `tables/`.

    Args:
        plan: the study's plan; all its runs are in the tables.

    Returns:
        The page's path.

    Raises:
        GanloreError: if a table or a run's samples are missing, damaged, or not of this study.
    """
    folder = Path(plan.study.reports)
    tidy = tables.read(plan)
    results = outputs.Results(plan, tidy)
    outputs.write(folder, results)
    measured = {name: all_metrics()[name] for name in tidy.names}
    album = pictures.Album(plan)
    sections = report_cells.sections(plan, album, results.matrices, tidy.runs, folder / "figures")
    claims = report_claims.lines(results.judged, results.matrices, folder / "figures")
    context = {
        "study": plan.study,
        "command": report_figures.command(plan.study.name),
        "claims": claims,
        "rule": verdicts.RULE,
        "tally": report_claims.tally(claims),
        "meanings": report_claims.MEANINGS,
        "signs": report_claims.SIGNS,
        "articles": plan.study.claims.articles if plan.study.claims else {},
        "data": [report_study.data(plan, tidy, name, results.matrices) for name in plan.datasets],
        "sections": sections,
        "metrics": {name: metric for name, metric in measured.items() if not metric.only},
        "special": {name: metric for name, metric in measured.items() if metric.only},
        "missing": plan.missing,
        "failures": report_study.failures(plan, tidy, results.ends),
        "collapsed": report_study.collapsed(plan, sections),
        "critic": report_study.critic_steps(tidy.runs),
        "settings": report_study.settings(plan),
        "totals": report_study.totals(plan, tidy, results.cells),
        "losses": report_study.losses(plan),
        "tricks": report_study.tricks(plan),
        "environments": report_study.environments(plan),
        "legend": wording.LEGEND,
        "limits": report_study.limits(len(plan.study.seeds)),
        "backdrops": album.backdrops(),
        "second": report_second.drawn(results, folder / "figures"),
        "models": report_second.models(results),
        "leaderboard": leaderboard.groups(results.board),
    }
    page = folder / "index.html"
    storage.write_text(page, _render(context))
    paper.write(folder, results)
    return page


def _render(context: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": numerals.number,
        "papers": wording.papers,
        "listed": wording.listed,
        "optimizer": wording.optimizer,
        "plain": wording.number,
        "probability": report_claims.probability,
    }
    environment.globals |= {
        "estimate": numerals.estimate,
        "spread": numerals.spread,
        "PLAIN": PLAIN,
    }
    return environment.get_template("report.html").render(context)
