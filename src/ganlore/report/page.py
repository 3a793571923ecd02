"""The report: figures, tables, and one page that holds all of it, with a record of their hashes.

`build` reads the tables that `collect` wrote and the samples of each run; every number of the page
comes from them. The page's words are in `templates/`, a file for each section.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ganlore import formatting, storage
from ganlore.analysis import matrices, replication, tables
from ganlore.analysis.claims import describe, rule, verdicts
from ganlore.analysis.results import Results
from ganlore.analysis.tables import PLAIN
from ganlore.execution import records
from ganlore.metrics import metrics as all_metrics
from ganlore.report import (
    cells,
    claims,
    files,
    first_screen,
    leaderboard,
    paper,
    robustness,
    samples,
    study,
)
from ganlore.study import declarations
from ganlore.study.claims import FEW_MODES, NO_PRECISION
from ganlore.study.run import Plan

TEMPLATES = declarations.PACKAGE / "report" / "templates"


def build(plan: Plan) -> Path:
    """Write the report of a study: `index.html`, `figures/`, `tables/`, and last `report.json`.

    Args:
        plan: the study's plan; all its runs are in the tables.

    Returns:
        The page's path.

    Raises:
        GanloreError: if a table or a run's samples are missing, damaged, or not of this study.
    """
    folder = Path(plan.study.reports)
    records.check_sizes(plan)
    tidy = tables.read(plan)
    results = Results(plan, tidy)
    files.write(folder, results)
    measured = {name: all_metrics()[name] for name in tidy.names}
    album = samples.Album(plan, folder)
    sections = cells.sections(plan, album, results.matrices, tidy.runs, folder / "figures")
    lines = claims.lines(results, folder / "figures")
    album.finish()
    context = {
        "study": plan.study,
        "command": f"ganlore report configs/{plan.study.name}.yaml",
        **_of_claims(results, lines, folder / "figures"),
        "paper": plan.study.replicates,
        "replicated": _replicated(results),
        "trick_effects": _tricks(results),
        "legend_of_marks": matrices.MARKS,
        "data": [study.data(plan, tidy, name, results.matrices) for name in plan.datasets],
        "sections": sections,
        "metrics": {name: metric for name, metric in measured.items() if not metric.only},
        "special": {name: metric for name, metric in measured.items() if metric.only},
        "missing": plan.missing,
        "failures": study.failures(plan, tidy, results.ends),
        "few_modes": FEW_MODES,
        "no_precision": NO_PRECISION,
        "collapsed": study.collapsed(plan, sections),
        "critic": study.critic_steps(tidy.runs),
        "settings": study.settings(plan),
        "totals": study.totals(plan, tidy, results.cells),
        **study.declared(plan),
        "environments": study.environments(plan),
        "legend": formatting.LEGEND,
        "limits": study.limits(len(plan.study.seeds)),
        "backdrops": album.backdrops(),
        "robustness": robustness.rendered(results, folder / "figures"),
        "models": [checks for checks in results.robustness if checks.model],
        "leaderboard": leaderboard.groups(leaderboard.of(results)),
    }
    page = folder / "index.html"
    storage.write_text(page, _render(context))
    paper.write(folder, results)
    files.seal(plan)
    return page


def _of_claims(results: Results, lines: list[claims.Line], figures: Path) -> dict[str, Any]:
    """What the page says of claims and controls."""
    asked = results.plan.study.claims
    return {
        "claims": lines,
        "first": first_screen.summary(results),
        "controls": [one for one in results.claims if one.is_control],
        "forest": claims.draw_forest(results.claims, figures),
        "forest_axis": claims.axis(results.claims),
        "rule": rule.RULE,
        "tally": verdicts.tally(one.verdict for one in results.claims if not one.is_control),
        "verdicts": verdicts.VERDICTS,
        "counted": verdicts.counted,
        "articles": asked.articles if asked else {},
    }


def _replicated(results: Results) -> list[replication.Outcome]:
    """The paper's numbers beside the study's; none where it replicates no paper."""
    table = results.plan.study.replicates
    return [] if table is None else list(replication.outcomes(results.tidy, table))


def _tricks(results: Results) -> list[dict[str, Any]]:
    """What tricks do, a table for each data set."""
    made = []
    for one in first_screen.tricks(results):
        rows, axis = first_screen.lines(one)
        made.append({"matrix": one.matrix, "scope": one.scope, "lines": rows, "axis": axis})
    return made


def _render(context: dict[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    plain = ("number", "papers", "listed", "optimizer", "plain", "cited", "unbroken")
    environment.filters |= {name: getattr(formatting, name) for name in plain}
    environment.filters["probability"] = formatting.p_value
    environment.filters["marks_of"] = leaderboard.marks
    environment.globals.update(
        estimate=formatting.estimate,
        interval=formatting.interval,
        PLAIN=PLAIN,
        which=describe.which,
        marks_of=leaderboard.marks,
    )
    return environment.get_template("report.html").render(context)
